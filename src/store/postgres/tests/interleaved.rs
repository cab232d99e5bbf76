//! Two transactions, step by step: a deposed leader's claim, and the next one's activation.
//!
//! Each step waits for the database to say where the other one stands, so no clock decides.

use std::sync::Arc;

use tokio_postgres::{Client, Row};

use crate::id::{Generation, Identity, Incarnation, Token};
use crate::store::postgres::assignments::{Claimed, NEWEST, newest};
use crate::store::postgres::outbox::decide;
use crate::store::postgres::transaction::{Bound, Transaction};
use crate::store::rules::Claimant;
use crate::store::tests::assignments::{assign, change, n1, n2, permit};
use crate::store::tests::server::{Database, database};
use crate::store::tests::{add, attempt, claim, id, raise};
use crate::store::{
    Activated, Checked, Claim, EnqueueError, Enqueued, Fence, MessageState, NewMessage, Outbox,
    PostgresStore, Settlement, StoreError, rules,
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
    let ids = [id("m")];
    let ((tx, floor, now), _, found) = old.begin_and_find(None, ids.iter()).await.unwrap();
    assert_eq!(floor, Token(5));
    let next = Identity { node: "n2".parse().unwrap(), incarnation: Incarnation(1) };
    let generation = Generation::NONE;
    let raising = {
        let new = new.clone();
        tokio::spawn(async move { new.activate(generation, Token(6), next).await })
    };
    let overtaken = !somebody_waits(&watch, || raising.is_finished()).await;
    let by = Claimant { token: Token(5), share: None, worker: None };
    let claimed = claim_in(tx, &found, by, now).await.is_ok();
    assert_eq!(raising.await.unwrap(), Ok(Activated::Raised));
    Outcome { overtaken, claimed }
}

/// The first claim of "m", as the store makes it once it has looked.
async fn claim_in(
    tx: Transaction,
    found: &[Row],
    by: Claimant,
    now: WallTime,
) -> Result<Checked<Vec<Claim>>, StoreError> {
    let first = [attempt("m", 1)];
    decide(tx, found, first.iter().map(|first| &first.id), &first, |found, first| {
        let row = found.map(|found| found.row.clone());
        rules::claim(row, true, by, first, WallTime::default(), now)
    })
    .await
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

/// A worker has looked at its assignment and not claimed yet; its unit is assigned to another.
#[tokio::test]
async fn whoever_assigns_a_unit_anew_waits_for_claims_under_the_one_before() {
    let database = database().await;
    let (worker, leader) = (database.store().await, database.store().await);
    let watch = database.session().await;
    add(&leader, &["m"]).await;
    raise(&leader, 5).await;
    assign(&leader, 5, 1, &[change(0, 0, n1())]).await;
    let share = permit(5, 0, 1, 1, n1()).share.unwrap();
    let claimed = Claimed::under(Token(5), &share);
    let first: Bound<'_> = (NEWEST, &claimed.params());
    let ids = [id("m")];
    let looked = worker.begin_and_find(Some(first), ids.iter()).await.unwrap();
    let ((tx, _, now), assigned, found) = looked;
    let key = newest(&assigned, &share).unwrap();
    assert!(key.is_some());
    let assigning = {
        let leader = leader.clone();
        tokio::spawn(async move { assign(&leader, 5, 1, &[change(0, 1, n2())]).await })
    };
    let overtaken = !somebody_waits(&watch, || assigning.is_finished()).await;
    assert!(!overtaken, "the unit was assigned anew under an open claim");
    let by = Claimant { token: Token(5), share: key, worker: Some(n1().node) };
    claim_in(tx, &found, by, now).await.unwrap();
    assert!(matches!(assigning.await.unwrap(), Checked::Passed(_)));
    let entry = leader.entry(&id("m")).await.unwrap().unwrap();
    let found = (entry.state, entry.worker);
    assert_eq!(found, (MessageState::InDoubt, Some(n1().node)), "it was found");
}

/// The other way round: the claim waits, and then sees that its assignment has ended.
#[tokio::test]
async fn a_claim_that_waits_for_a_new_assignment_is_refused() {
    let database = database().await;
    let (worker, watch) = (database.store().await, database.session().await);
    add(&worker, &["m"]).await;
    raise(&worker, 5).await;
    for (units, end) in [
        (1, "UPDATE fencepost.assignment SET epoch = 9"),
        (2, "DELETE FROM fencepost.assignment; UPDATE fencepost.work SET units = 1"),
    ] {
        let Checked::Passed(assigned) = assign(&worker, 5, units, &[change(0, 0, n1())]).await
        else {
            panic!("the floor assigns");
        };
        let epoch = assigned.list[0].epoch.0;
        let anew = database.session().await;
        anew.batch_execute(&format!("BEGIN; {end}")).await.unwrap();
        let claiming = {
            let (worker, first) = (worker.clone(), [attempt("m", 1)]);
            let permit = permit(5, 0, units, epoch, n1());
            tokio::spawn(async move { worker.claim(&permit, &first, WallTime::default()).await })
        };
        assert!(somebody_waits(&watch, || claiming.is_finished()).await, "{end}");
        anew.batch_execute("COMMIT").await.unwrap();
        let refused = Checked::Passed(vec![Claim::NotAssigned]);
        assert_eq!(claiming.await.unwrap(), Ok(refused), "{end}");
    }
    let entry = worker.entry(&id("m")).await.unwrap().unwrap();
    assert_eq!(entry.state, MessageState::Pending);
}

#[tokio::test]
async fn workers_of_other_units_do_not_wait_for_an_assignment() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    assign(&store, 5, 2, &[change(0, 0, n1()), change(1, 0, n2())]).await;
    let share = permit(5, 0, 2, 1, n1()).share.unwrap();
    let claimed = Claimed::under(Token(5), &share);
    let look: Bound<'_> = (NEWEST, &claimed.params());
    let ((tx, ..), assigned) = store.begin_with(&[look]).await.unwrap();
    assert!(newest(&assigned[0], &share).unwrap().is_some());
    let moved = assign(&store, 5, 2, &[change(1, 2, n1())]).await;
    assert!(matches!(moved, Checked::Passed(stands) if stands.list[1].epoch.0 == 3));
    tx.roll_back().await;
}

/// Claims in the order of their tokens are not in that of the sequence, which is the one in which all lock.
#[tokio::test]
async fn a_sweep_locks_in_the_order_of_the_sequence() {
    let database = database().await;
    let (store, watch) = (database.store().await, database.session().await);
    add(&store, &["a", "b"]).await;
    for (token, name) in [(1, "b"), (2, "a")] {
        raise(&store, token).await;
        assert!(claim(&store, token, &[attempt(name, 1)]).await.is_ok());
    }
    raise(&store, 3).await;
    let other = database.session().await;
    let lock = |name: &str, how: &str| {
        format!("SELECT 1 FROM fencepost.outbox WHERE id = '{name}' FOR UPDATE {how}")
    };
    other.batch_execute(&format!("BEGIN; {}", lock("a", ""))).await.unwrap();
    let sweeping = {
        let store = store.clone();
        tokio::spawn(async move { store.sweep(Token(3)).await })
    };
    assert!(somebody_waits(&watch, || sweeping.is_finished()).await);
    // Whoever has the first must be able to have the second.
    other.batch_execute(&lock("b", "NOWAIT")).await.unwrap();
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sweeping.await.unwrap(), Ok(Checked::Passed(2)));
}

/// Messages are added in the order of the call, so that batches with the same ids may stop each other.
#[tokio::test]
async fn of_two_batches_that_stop_each_other_one_is_not_added() {
    let database = database().await;
    let (store, watch) = (database.store().await, database.session().await);
    let other = database.session().await;
    let add = |id: &str| {
        format!(
            "INSERT INTO fencepost.outbox (id, lot, enqueued_ms, changed_ms) VALUES ('{id}', 0, 0, 0)"
        )
    };
    // The server ends who has waited for longest; here it must not be this one.
    let begin = "SET deadlock_timeout = '1h'; BEGIN";
    other.batch_execute(&format!("{begin}; {}", add("a"))).await.unwrap();
    let enqueueing = {
        let store = store.clone();
        let messages = ["b", "a"].map(|name| NewMessage::new(id(name), *b"x"));
        tokio::spawn(async move { store.enqueue(&messages).await })
    };
    assert!(somebody_waits(&watch, || enqueueing.is_finished()).await);
    other.batch_execute(&add("b")).await.unwrap();
    let stopped = enqueueing.await.unwrap();
    assert!(matches!(stopped, Err(EnqueueError::Store(StoreError::Unavailable(_)))), "{stopped:?}");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.entries(None).await, Ok(vec![]));
    let again = ["b", "a"].map(|name| NewMessage::new(id(name), *b"x"));
    assert_eq!(store.enqueue(&again).await, Ok(vec![Enqueued::Added; 2]));
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
