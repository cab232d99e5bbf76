//! Connections that end in the middle of a call: what is answered, what is kept, and that saying
//! it again comes to the same.

use super::proxy::{Cut, Proxy};
use crate::id::{Generation, Token};
use crate::store::tests::server::database;
use crate::store::tests::{add, attempt, boot, claim, id, node, raise};
use crate::store::{
    Activated, Checked, Claim, EnqueueError, Enqueued, Fence, MessageState, NewMessage, Outbox,
    Settled, Settlement, StoreError,
};

const GRANTED: Claim = Claim::Granted { send_within: None };

/// Every write, cut at its COMMIT, is unknown; and said again it happens once.
#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_may_be_said_again() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let database = database().await;
        let proxy = Proxy::start(&database);
        let (store, direct) = (proxy.store(&database).await, database.store().await);
        let is_done = cut == Cut::AfterCommit;

        proxy.cut(cut);
        let message = [NewMessage::new(id("m"), *b"hello")];
        let lost = store.enqueue(&message).await;
        assert!(matches!(lost, Err(EnqueueError::Store(StoreError::Unknown(_)))), "{lost:?}");
        assert_eq!(direct.entry(&id("m")).await.unwrap().is_some(), is_done);
        let again = if is_done { Enqueued::Exists(MessageState::Pending) } else { Enqueued::Added };
        assert_eq!(store.enqueue(&message).await, Ok(vec![again]));

        proxy.cut(cut);
        let lost = store.activate(Generation::NONE, Token(5), node("n1", 1)).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        assert_eq!(direct.fence().await.unwrap().floor == Token(5), is_done);
        let again = store.activate(Generation::NONE, Token(5), node("n1", 1)).await;
        assert_eq!(again, Ok(Activated::Raised));

        proxy.cut(cut);
        let first = attempt("m", 1);
        let lost = claim(&store, 5, std::slice::from_ref(&first)).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        let state = direct.entry(&id("m")).await.unwrap().unwrap().state;
        assert_eq!(state == MessageState::Claimed, is_done);
        let again = claim(&store, 5, std::slice::from_ref(&first)).await;
        assert_eq!(again, Ok(Checked::Passed(vec![GRANTED])));

        proxy.cut(cut);
        let word = [(first, Settlement::Delivered)];
        let lost = store.settle(Token(5), &word).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        let settled = Settled::Now(MessageState::Delivered);
        assert_eq!(store.settle(Token(5), &word).await, Ok(Checked::Passed(vec![settled])));

        proxy.cut(cut);
        let boots = [boot("n1", 7)];
        let lost = store.call_roll(Generation::NONE, &boots).await;
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        let roll = store.call_roll(Generation::NONE, &boots).await.unwrap();
        assert_eq!((roll.generation, &roll.boots[..]), (Generation::stored(1), &boots[..]));
        let entry = direct.entry(&id("m")).await.unwrap().unwrap();
        assert_eq!((entry.state, entry.attempts), (MessageState::Delivered, 1));
    }
}

/// The one test that waits for the limit of a call. Whether the next call is answered is not a matter of time:
/// on the session that was given back it never would be.
#[tokio::test]
async fn a_server_that_vanishes_costs_one_call() {
    let database = database().await;
    let proxy = Proxy::start(&database);
    let store = proxy.store(&database).await;
    add(&store, &["m"]).await;
    proxy.cut(Cut::Vanish);
    let lost = store.pending(9).await;
    assert!(
        matches!(&lost, Err(StoreError::Unavailable(why)) if why.contains("did not answer within")),
        "{lost:?}"
    );
    assert_eq!(store.pending(9).await.unwrap().len(), 1);
    raise(&store, 5).await;
    assert_eq!(claim(&store, 5, &[attempt("m", 1)]).await, Ok(Checked::Passed(vec![GRANTED])));
}

/// As a service does that stops meanwhile, or a caller with a limit of its own.
#[tokio::test]
async fn a_look_that_is_given_up_takes_its_session_along() {
    let database = database().await;
    let proxy = Proxy::start(&database);
    let store = proxy.store(&database).await;
    add(&store, &["m"]).await;
    proxy.cut(Cut::Vanish);
    let given_up = {
        let store = store.clone();
        tokio::spawn(async move { store.pending(9).await })
    };
    proxy.has_cut().await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    assert_eq!(store.pending(9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_that_is_ended_before_the_commit_changes_nothing() {
    let database = database().await;
    let (store, admin) = (database.store().await, database.session().await);
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let (tx, ..) = store.begin().await.unwrap();
    tx.execute("UPDATE fencepost.outbox SET state = 2", &[]).await.unwrap();
    admin.query(end_others, &[]).await.unwrap();
    let ended = tx.execute("UPDATE fencepost.outbox SET state = 3", &[]).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    drop(tx);
    // The pool has sessions that are dead, and gives out none of them for long.
    let mut first = claim(&store, 5, &[attempt("m", 1)]).await;
    for _ in 0..super::super::MAX_SESSIONS {
        if first.is_ok() {
            break;
        }
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        first = claim(&store, 5, &[attempt("m", 1)]).await;
    }
    assert_eq!(first, Ok(Checked::Passed(vec![GRANTED])));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_transaction_open() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let (tx, ..) = store.begin().await.unwrap();
    // Else the server would end it by itself, sooner than anybody gives up waiting for it.
    tx.run("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
    drop(tx);
    // Would wait in vain for a transaction that still looked.
    raise(&store, 6).await;
}
