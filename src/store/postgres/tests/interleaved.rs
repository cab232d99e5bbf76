//! Two transactions, step by step: a deposed leader's claim, and the next one's activation.
//!
//! Each step waits for the database to say where the other one stands, so no clock decides.

use std::sync::Arc;

use tokio_postgres::Client;

use crate::id::{Generation, Identity, Incarnation, Token};
use crate::store::postgres::rows::{find, put};
use crate::store::tests::server::{Database, database};
use crate::store::tests::{add, attempt, claim, id, raise};
use crate::store::{
    Activated, Checked, Claim, Fence, MessageState, Outbox, PostgresStore, Settlement, StoreError,
    rules,
};
use crate::time::WallTime;

/// Waits until a session of this test's database waits for a lock, or `done` says that none will.
///
/// A lock on a transaction belongs to no database, so it is the waiting session's that counts.
async fn somebody_waits(session: &Client, done: impl Fn() -> bool) -> bool {
    let waits = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()";
    loop {
        if session.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            return true;
        }
        if done() {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

/// What the old holder and the new one came to.
struct Outcome {
    /// Whether the floor was raised while the old holder's transaction was open.
    overtaken: bool,
    /// Whether the old holder's claim was committed after that.
    claimed: bool,
}

/// The old leader looks at the fence; the next one raises the floor; the old one claims and commits.
async fn overtake(database: &Database, old: &PostgresStore) -> Outcome {
    let new = database.store().await;
    let watch = database.session().await;
    add(&new, &["m"]).await;
    raise(&new, 5).await;
    let (tx, floor, now) = old.begin().await.unwrap();
    assert_eq!(floor, Token(5));
    let next = Identity { node: "n2".parse().unwrap(), incarnation: Incarnation(1) };
    let generation = Generation::NONE;
    let raising = {
        let new = new.clone();
        tokio::spawn(async move { new.activate(generation, Token(6), next).await })
    };
    let overtaken = !somebody_waits(&watch, || raising.is_finished()).await;
    // The claim, as the store makes it once it has looked.
    let (first, ids) = (attempt("m", 1), [id("m")]);
    let mut found = find(&tx, ids.iter()).await.unwrap();
    let row = found[0].row.clone();
    let decision =
        rules::claim(Some(row), true, (Token(5), None), &first, WallTime::default(), now);
    found[0].row = decision.write.unwrap();
    found[0].is_changed = true;
    put(&tx, &found).await.unwrap();
    let claimed = tx.commit().await.is_ok();
    assert_eq!(raising.await.unwrap(), Ok(Activated::Raised));
    Outcome { overtaken, claimed }
}

/// F3: after the floor was raised no claim below it commits.
fn keeps_f3(outcome: &Outcome) -> Result<(), &'static str> {
    match outcome.overtaken && outcome.claimed {
        true => Err("a claim below the floor was committed after the floor was raised"),
        false => Ok(()),
    }
}

#[tokio::test]
async fn whoever_raises_the_floor_waits_for_those_who_looked() {
    let database = database().await;
    let outcome = overtake(&database, &database.store().await).await;
    assert_eq!(keeps_f3(&outcome), Ok(()));
    assert!(outcome.claimed, "the claim came first");
    let swept = database.store().await.sweep(Token(6)).await;
    assert_eq!(swept, Ok(Checked::Passed(1)), "so the new holder finds it");
}

/// Mutant 31: the suite fails with it, by the very case above.
#[tokio::test]
async fn a_fence_read_without_a_lock_is_caught() {
    let database = database().await;
    let planted = database.store().await.with_fence_read_without_lock();
    let outcome = overtake(&database, &planted).await;
    assert!(keeps_f3(&outcome).is_err(), "the planted bug was not seen");
}

#[tokio::test]
async fn those_who_look_later_see_the_new_floor() {
    let database = database().await;
    let (old, watch) = (database.store().await, database.session().await);
    add(&old, &["m"]).await;
    raise(&old, 5).await;
    // Somebody is about to raise the floor, and has not committed yet.
    let raise = database.session().await;
    raise.batch_execute("BEGIN; UPDATE fencepost.fence SET floor = 6").await.unwrap();
    let claiming = {
        let old = old.clone();
        tokio::spawn(async move { claim(&old, 5, &[attempt("m", 1)]).await })
    };
    assert!(somebody_waits(&watch, || claiming.is_finished()).await);
    raise.batch_execute("COMMIT").await.unwrap();
    assert_eq!(claiming.await.unwrap(), Ok(Checked::Fenced { floor: Token(6) }));
}

#[tokio::test]
async fn those_who_look_do_not_wait_for_each_other() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["a", "b"]).await;
    raise(&store, 5).await;
    let (first, ..) = store.begin().await.unwrap();
    let granted = vec![Claim::Granted { send_within: None }];
    let second = claim(&store, 5, &[attempt("b", 1)]).await;
    assert_eq!(second, Ok(Checked::Passed(granted)));
    first.roll_back().await;
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_an_error_and_changes_nothing() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let hold = database.session().await;
    hold.batch_execute("BEGIN; SELECT 1 FROM fencepost.outbox FOR UPDATE").await.unwrap();
    let refused = claim(&store, 5, &[attempt("m", 1)]).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("lock timeout")));
    hold.batch_execute("ROLLBACK").await.unwrap();
    let granted = vec![Claim::Granted { send_within: None }];
    assert_eq!(claim(&store, 5, &[attempt("m", 1)]).await, Ok(Checked::Passed(granted)));
}

#[tokio::test]
async fn a_node_that_is_stopped_within_a_transaction_does_not_hold_the_fence_for_ever() {
    let database = database().await;
    let (old, new) = (database.store().await, database.store().await);
    add(&new, &["m"]).await;
    raise(&new, 5).await;
    let (stopped, ..) = old.begin().await.unwrap();
    // It waits until the server has had enough of the silence.
    raise(&new, 6).await;
    let late = stopped.commit().await;
    assert!(matches!(late, Err(StoreError::Unknown(_))), "{late:?}");
}

#[tokio::test]
async fn messages_of_many_workers_are_settled_side_by_side() {
    let database = database().await;
    let store = Arc::new(database.store().await);
    let names: Vec<String> = (0..32).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add(&*store, &names).await;
    raise(&*store, 5).await;
    let mut tasks = Vec::new();
    for name in names {
        let (store, first) = (Arc::clone(&store), attempt(name, 1));
        tasks.push(tokio::spawn(async move {
            claim(&*store, 5, std::slice::from_ref(&first)).await.unwrap();
            store.settle(Token(5), &[(first, Settlement::Delivered)]).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.counts().await.unwrap().of(MessageState::Delivered), 32);
}
