//! How the statements run: plans, caching, and transactions that fail.

use rusqlite::StatementStatus;

use super::super::fence::{FLOOR, ROLL};
use super::super::outbox::SWEEP;
use super::super::transaction::{Done, write};
use super::super::{oversight, pending, read, rows};
use super::*;

/// How SQLite means to run a statement.
pub(super) fn plan_of(outbox: &SqliteOutbox, sql: &str) -> String {
    let mut explained = outbox.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=explained.parameter_count() {
        explained.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut plan = Vec::new();
    let mut rows = explained.raw_query();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>(3).unwrap());
    }
    plan.join("; ")
}

#[test]
fn looking_for_work_uses_the_partial_indexes() {
    let outbox = SqliteOutbox::in_memory().unwrap();
    let queries = [
        (pending::END, "outbox_waiting"),
        (pending::BY_AGE, "outbox_free"),
        (pending::BY_AGE, "outbox_waiting"),
        (pending::BY_AGE, "outbox_keys"),
        (rows::IS_BEHIND, "outbox_keys"),
        (read::DOUBTS, "outbox_doubts"),
        (SWEEP, "outbox_claimed"),
        (read::CLAIMED_UNDER, "outbox_claimed"),
    ];
    for (sql, index) in queries {
        let plan = plan_of(&outbox, sql);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

/// Whatever was delivered before, which is most of all there is.
#[test]
fn what_people_look_for_is_found_by_an_index() {
    let outbox = SqliteOutbox::in_memory().unwrap();
    for (only, index) in [
        (MessageState::Pending, "outbox_free"),
        (MessageState::Pending, "outbox_waiting"),
        (MessageState::Claimed, "outbox_claimed"),
        (MessageState::Failed, "outbox_failed"),
        (MessageState::InDoubt, "outbox_doubts"),
    ] {
        let plan = plan_of(&outbox, oversight::entries_at(Some(only)));
        assert!(plan.contains(index), "{only:?}: {plan}");
    }
    let plan = plan_of(&outbox, oversight::ENTRY);
    assert!(plan.starts_with("SEARCH outbox USING INDEX") && plan.contains("(id=?)"), "{plan}");
}

#[test]
fn no_statement_is_compiled_anew() {
    let mut outbox = outbox();
    for _ in 0..3 {
        claim(&mut outbox, 5, 10);
        settle(&mut outbox, 5, &in_doubt("?"));
        outbox.doubts(9).unwrap();
        resolve(&mut outbox, 5, &LACKS, 10);
        outbox.pending(9, LATER).unwrap();
        outbox.sweep(Token(5), at(10)).unwrap();
        outbox.roll().unwrap();
    }
    let used =
        [rows::LOOK, rows::PUT, SWEEP, FLOOR, ROLL, pending::END, pending::BY_AGE, read::DOUBTS];
    for sql in used {
        let statement = outbox.connection.prepare_cached(sql).unwrap();
        assert!(statement.get_status(StatementStatus::Run) >= 3, "not cached: {sql}");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
}

#[test]
fn a_failed_or_panicking_transaction_leaves_nothing_behind() {
    let mut outbox = outbox();
    let poke = "UPDATE outbox SET state = 2";
    let failed = write(&outbox.connection, |tx| {
        tx.execute(poke, [])?;
        tx.execute("UPDATE no_such_table SET x = 1", [])?;
        Ok(Done::Changed(()))
    });
    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        write(&outbox.connection, |tx| -> rusqlite::Result<Done<()>> {
            tx.execute(poke, [])?;
            std::panic::resume_unwind(Box::new(()));
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(outbox.state_of(&message("m")), Ok(Some(MessageState::Pending)));
    assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
}

#[test]
fn a_commit_that_fails_has_an_unknown_outcome_and_blocks_nothing() {
    let mut outbox = outbox();
    let tables = "CREATE TABLE a (x PRIMARY KEY);
        CREATE TABLE b (x REFERENCES a DEFERRABLE INITIALLY DEFERRED);";
    outbox.connection.execute_batch(tables).unwrap();
    let failed = write(&outbox.connection, |tx| {
        tx.execute("INSERT INTO b VALUES (1)", []).map(Done::Changed)
    });
    assert!(matches!(failed, Err(StoreError::Unknown(_))), "{failed:?}");
    assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
}
