//! How the server carries statements out when it takes the tables for small ones, as it does for hours
//! after a backlog has come.

use crate::store::postgres::assignments::{IN_DOUBT, NEWEST};
use crate::store::postgres::outbox::{DOUBTS, SWEEP};
use crate::store::postgres::oversight::{ENTRY, entries_at};
use crate::store::postgres::pending::{BY_AGE, BY_KEY};
use crate::store::postgres::rows::{LOOK, PUT, PUT_ALIKE};
use crate::store::tests::server::database;
use crate::store::tests::{add, id, pending, raise};
use crate::store::{MessageState, NewMessage, OrderingKey, Outbox};

/// What reads a table from end to end.
const LONG_WAYS: [&str; 4] = ["Seq Scan on", "Hash Join", "Merge Join", "Bitmap"];

#[tokio::test]
async fn every_statement_goes_by_an_index_though_tables_seem_small() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["a", "b"]).await;
    raise(&store, 5).await;
    let session = store.session().await.unwrap();
    session.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    database.session().await.batch_execute("VACUUM ANALYZE").await.unwrap();
    for (statement, parameters) in [
        (BY_AGE, 5),
        (BY_KEY, 5),
        (ENTRY, 1),
        (LOOK, 1),
        (PUT, 15),
        (PUT_ALIKE, 15),
        (SWEEP, 2),
        (DOUBTS, 1),
        (IN_DOUBT, 3),
        (NEWEST, 7),
    ] {
        session.batch_execute(&format!("PREPARE it AS {statement}")).await.unwrap();
        let nothing = vec!["NULL"; parameters].join(", ");
        let plan = session.query(&format!("EXPLAIN EXECUTE it({nothing})"), &[]).await.unwrap();
        let plan: Vec<&str> = plan.iter().map(|line| line.get(0)).collect();
        let plan = plan.join("\n");
        assert!(!LONG_WAYS.iter().any(|way| plan.contains(way)), "{statement}:\n{plan}");
        session.batch_execute("DEALLOCATE it").await.unwrap();
    }
}

/// How many messages of one key wait, and how many rows a look may read for the three that may be claimed.
const BACKLOG: u32 = 6_000;
const AT_ONCE: usize = 500;
const READ: u64 = 1_000;

/// What the server means to do, or has done if it is told to `ANALYZE`.
async fn plan_of(session: &tokio_postgres::Client, what: &str) -> String {
    let plan = session.query(&format!("EXPLAIN {what}"), &[]).await.unwrap();
    let plan: Vec<&str> = plan.iter().map(|line| line.get(0)).collect();
    plan.join("\n")
}

/// How many rows the scans of tables and indexes returned or threw away.
fn rows_read(plan: &str) -> u64 {
    let after = |line: &str, what: &str| -> u64 {
        let rest = line.split_once(what).map_or("0", |(_, rest)| rest);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().unwrap()
    };
    let mut loops = 0;
    let mut read = 0;
    for line in plan.lines() {
        if line.contains("(actual") {
            loops = after(line, "loops=");
            let scans = line.contains(" on outbox") || line.contains(" on payload");
            read += if scans { after(line, "actual rows=") * loops } else { 0 };
        }
        read += after(line, "Rows Removed by Filter: ") * loops;
    }
    read
}

#[tokio::test]
async fn a_backlog_is_not_read_and_what_people_look_for_is_found_by_an_index() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["a", "b"]).await;
    let session = database.session().await;
    session.batch_execute("VACUUM ANALYZE").await.unwrap();
    let hot = |number: u32| NewMessage::new(id(&format!("hot{number}")), *b"x");
    let key = OrderingKey::new("hot").unwrap();
    let backlog: Vec<_> = (0..BACKLOG).map(|number| hot(number).with_key(key.clone())).collect();
    for some in backlog.chunks(AT_ONCE) {
        store.enqueue(some).await.unwrap();
    }
    assert_eq!(pending(&store).await, ["a", "b", "hot0"]);
    let by_index = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
        SET enable_hashjoin = off; SET enable_mergejoin = off;
        SET plan_cache_mode = force_generic_plan;";
    session.batch_execute(by_index).await.unwrap();
    for (name, statement) in [("by_age", BY_AGE), ("by_key", BY_KEY)] {
        session.batch_execute(&format!("PREPARE {name} AS {statement}")).await.unwrap();
        let execute = format!("EXECUTE {name}(9, 1, 0, 1000000, 100)");
        let plan = plan_of(&session, &format!("(ANALYZE, COSTS OFF, TIMING OFF) {execute}")).await;
        let read = rows_read(&plan);
        assert!((3..READ).contains(&read), "{name} reads {read} rows:\n{plan}");
        let answers = session.query(&execute, &[]).await.unwrap();
        let is_all: Vec<bool> = answers.iter().map(|row| row.get(0)).collect();
        // By age it would have to go over the backlog.
        assert_eq!(is_all, if name == "by_key" { vec![true; 3] } else { vec![false] }, "{name}");
    }
    for (only, index) in [
        (MessageState::Pending, "outbox_free"),
        (MessageState::Pending, "outbox_waiting"),
        (MessageState::Claimed, "outbox_claimed"),
        (MessageState::Failed, "outbox_failed"),
        (MessageState::InDoubt, "outbox_doubts"),
    ] {
        let plan = plan_of(&session, entries_at(Some(only))).await;
        assert!(plan.contains(index), "{only:?}:\n{plan}");
    }
}
