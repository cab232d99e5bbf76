//! A commit that waits for a synchronous standby and is told to wait no longer: it succeeds, everybody sees
//! it, and the standby that takes over may never have had it.

use std::time::Duration;

use tokio_postgres::Client;

use crate::id::{Generation, Token};
use crate::store::postgres::transaction::TAKE_PART;
use crate::store::tests::server::{Database, database, of_its_own_server};
use crate::store::tests::{add, attempt, claim, id, node, raise};
use crate::store::{
    Activated, Checked, Claim, EnqueueError, Enqueued, Fence, MessageState, NewMessage, Outbox,
    StoreError,
};

const GRANTED: Claim = Claim::Granted { send_within: None };
const PAUSE: Duration = Duration::from_millis(2);

/// Lets the server wait for these standbys, and waits until commits do, or do no longer.
async fn wait_for_standbys(database: &Database, admin: &Client, names: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
    admin.batch_execute(&set).await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let probe = database.session().await;
    let commit = || probe.batch_execute(TAKE_PART);
    while cancelled(admin, "pg_cancel_backend", commit()).await.1 == names.is_empty() {}
}

/// Makes the call, and ends the wait of whatever waits for a standby meanwhile. Tells whether anything did.
async fn cancelled<T>(admin: &Client, how: &str, call: impl Future<Output = T>) -> (T, bool) {
    let cancel = format!("SELECT {how}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    tokio::pin!(call);
    let mut waited = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut call => return (answer, waited),
            () = tokio::time::sleep(PAUSE) => {
                waited |= !admin.query(&cancel, &[]).await.unwrap().is_empty();
            }
        }
    }
}

fn is_unknown<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
}

/// What was found by a second call is no more durable than what the first has written.
#[tokio::test]
async fn a_commit_that_a_standby_may_never_have_is_unknown_however_often_it_is_said() {
    let database = of_its_own_server();
    let (store, admin) = (database.store().await, database.session().await);
    add(&store, &["m"]).await;
    wait_for_standbys(&database, &admin, "nobody").await;
    let none = Generation::NONE;
    let first = [attempt("m", 1)];
    let late = [NewMessage::new(id("late"), *b"hello")];
    for how in ["pg_cancel_backend", "pg_cancel_backend", "pg_terminate_backend"] {
        let added = cancelled(&admin, how, store.enqueue(&late)).await.0;
        let Err(EnqueueError::Store(added)) = added else { panic!("{how}: {added:?}") };
        is_unknown::<()>(Err(added));
        let raised = store.activate(none, Token(5), node("n1", 1));
        is_unknown(cancelled(&admin, how, raised).await.0);
        let claimed = cancelled(&admin, how, claim(&store, 5, &first)).await.0;
        if how == "pg_cancel_backend" {
            let why = format!("{claimed:?}");
            assert!(why.contains("when a standby takes over") && why.contains("01000"), "{why}");
        }
        is_unknown(claimed);
    }
    let entry = store.entry(&id("m")).await.unwrap().unwrap();
    assert_eq!(entry.state, MessageState::Claimed, "as everybody sees");

    wait_for_standbys(&database, &admin, "").await;
    assert_eq!(claim(&store, 5, &first).await, Ok(Checked::Passed(vec![GRANTED])));
    let raised = store.activate(none, Token(5), node("n1", 1)).await;
    assert_eq!(raised, Ok(Activated::Raised));
    let there = store.enqueue(&late).await.unwrap();
    assert_eq!(there, [Enqueued::Exists(MessageState::Pending)]);
}

/// Operators' triggers may warn of what they like.
#[tokio::test]
async fn what_a_trigger_warns_of_is_not_about_the_commit() {
    let database = database().await;
    let (store, admin) = (database.store().await, database.session().await);
    let trigger = "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'look at this'; RETURN NEW; END $$;
        CREATE TRIGGER warn BEFORE UPDATE ON fencepost.outbox
            FOR EACH ROW EXECUTE FUNCTION warn()";
    admin.batch_execute(trigger).await.unwrap();
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let claimed = claim(&store, 5, &[attempt("m", 1)]).await;
    assert_eq!(claimed, Ok(Checked::Passed(vec![GRANTED])));
}
