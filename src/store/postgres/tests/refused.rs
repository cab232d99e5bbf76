//! Writes that the server refuses while the COMMIT that was sent with them is on its way behind them.

use tokio_postgres::Client;

use crate::id::Token;
use crate::store::tests::server::database;
use crate::store::tests::{add, attempt, claim, id, raise};
use crate::store::{
    Checked, Claim, MessageState, Outbox, PostgresStore, Settled, Settlement, StoreError,
};

const GRANTED: Claim = Claim::Granted { send_within: None };

/// From now on this happens to whoever changes message "b".
async fn upon_b(session: &Client, happens: &str) {
    let trigger = format!(
        "CREATE OR REPLACE FUNCTION upon_b() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {happens} END $$;
        CREATE OR REPLACE TRIGGER upon_b BEFORE UPDATE ON fencepost.outbox
            FOR EACH ROW WHEN (NEW.id = 'b') EXECUTE FUNCTION upon_b()"
    );
    session.batch_execute(&trigger).await.unwrap();
}

/// "a", "b" and "c" stand here.
async fn all_stand(store: &PostgresStore, at: MessageState) {
    for name in ["a", "b", "c"] {
        assert_eq!(store.entry(&id(name)).await.unwrap().unwrap().state, at, "{name}");
    }
}

#[tokio::test]
async fn a_refused_write_takes_the_whole_batch_and_its_commit_along() {
    let database = database().await;
    let (store, admin) = (database.store().await, database.session().await);
    add(&store, &["a", "b", "c"]).await;
    raise(&store, 5).await;
    let batch = ["a", "b", "c"].map(|name| attempt(name, 1));
    let words = batch.clone().map(|attempt| (attempt, Settlement::Delivered));
    for (happens, said) in
        [("RAISE EXCEPTION 'not b';", "not b"), ("RETURN NULL;", "2 of 3 messages were written")]
    {
        upon_b(&admin, happens).await;
        let refused = claim(&store, 5, &batch).await;
        assert!(
            matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains(said)),
            "{refused:?}"
        );
        all_stand(&store, MessageState::Pending).await;
    }
    upon_b(&admin, "RETURN NEW;").await;
    assert_eq!(claim(&store, 5, &batch).await, Ok(Checked::Passed(vec![GRANTED; 3])));
    upon_b(&admin, "RAISE EXCEPTION 'not b';").await;
    let refused = store.settle(Token(5), &words).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    all_stand(&store, MessageState::Claimed).await;
    upon_b(&admin, "RETURN NEW;").await;
    let settled = Settled::Now(MessageState::Delivered);
    assert_eq!(store.settle(Token(5), &words).await, Ok(Checked::Passed(vec![settled; 3])));
}

/// Nothing was changed, but only who looks again knows that: what ends a session says nothing of what
/// was sent after it.
#[tokio::test]
async fn a_session_that_ends_in_a_write_leaves_its_outcome_unknown() {
    let database = database().await;
    let (store, admin) = (database.store().await, database.session().await);
    add(&store, &["a", "b", "c"]).await;
    raise(&store, 5).await;
    let batch = ["a", "b", "c"].map(|name| attempt(name, 1));
    upon_b(&admin, "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(60); RETURN NEW;")
        .await;
    let lost = claim(&store, 5, &batch).await;
    assert!(matches!(&lost, Err(StoreError::Unknown(_))), "{lost:?}");
    all_stand(&database.store().await, MessageState::Pending).await;
    upon_b(&admin, "RETURN NEW;").await;
    let again = claim(&database.store().await, 5, &batch).await;
    assert_eq!(again, Ok(Checked::Passed(vec![GRANTED; 3])));
}
