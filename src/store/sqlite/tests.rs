//! The SQLite store, case by case.

use std::collections::BTreeSet;

use rusqlite::StatementStatus;

use super::*;
use crate::id::Incarnation;
use crate::store::Doubt;

pub(super) fn at(unix_ms: u64) -> WallTime {
    WallTime { unix_ms }
}

pub(super) fn message(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

pub(super) fn node(name: &str, incarnation: u64) -> Identity {
    Identity { node: name.parse().unwrap(), incarnation: Incarnation(incarnation) }
}

fn in_doubt(reason: &str) -> Settlement {
    Settlement::InDoubt { reason: reason.into() }
}

/// A store whose floor is 5, with the pending message "m".
fn outbox() -> SqliteOutbox {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    assert_eq!(outbox.enqueue(&message("m"), b"hello", at(1)), Ok(Enqueued::Added));
    raise(&mut outbox, 5);
    outbox
}

fn raise(outbox: &mut SqliteOutbox, token: u64) {
    assert_eq!(outbox.activate(Token(token), node("n1", 1), at(2)), Ok(Activated::Raised));
}

/// The last attempt at a message.
pub(super) fn current(outbox: &mut SqliteOutbox, name: &str) -> Attempt {
    let entries = outbox.entries(None).unwrap();
    let number = entries.iter().find(|e| e.id.as_str() == name).map_or(0, |e| e.attempts);
    Attempt { id: message(name), number }
}

/// The attempt that a claim is about: a repeated one, if it is claimed, else the next.
pub(super) fn next(outbox: &mut SqliteOutbox, name: &str) -> Attempt {
    let claimed = outbox.state_of(&message(name)) == Ok(Some(MessageState::Claimed));
    let mut attempt = current(outbox, name);
    attempt.number += u64::from(!claimed);
    attempt
}

fn claim(outbox: &mut SqliteOutbox, token: u64, now: u64) -> Claim {
    let attempt = next(outbox, "m");
    outbox.claim(Token(token), &attempt, at(777), at(now)).unwrap()
}

fn settle(outbox: &mut SqliteOutbox, token: u64, settlement: &Settlement) -> Settled {
    let attempt = current(outbox, "m");
    outbox.settle(Token(token), &attempt, settlement, at(20)).unwrap()
}

fn resolve(outbox: &mut SqliteOutbox, token: u64, proof: &Proof, now: u64) -> Settled {
    let attempt = current(outbox, "m");
    outbox.resolve(Token(token), &attempt, proof, at(now)).unwrap()
}

fn only_entry(outbox: &mut SqliteOutbox) -> Entry {
    let mut entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

const GRANTED: Claim = Claim::Granted { send_within: None };
const DOUBTFUL: Settled = Settled::Now(MessageState::InDoubt);

#[test]
fn a_message_is_claimed_then_delivered_and_said_twice_it_happens_once() {
    let mut outbox = outbox();
    assert_eq!(outbox.pending(9).unwrap()[0].payload[..], *b"hello");
    for _ in 0..2 {
        assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
    }
    assert!(outbox.pending(9).unwrap().is_empty());
    for _ in 0..2 {
        let now = settle(&mut outbox, 5, &Settlement::Delivered);
        assert_eq!(now, Settled::Now(MessageState::Delivered));
    }
    let delivered = Some(MessageState::Delivered);
    assert_eq!(settle(&mut outbox, 5, &in_doubt("?")), Settled::Refused { state: delivered });
    assert_eq!(claim(&mut outbox, 5, 11), Claim::NotPending { state: delivered });
    let expected = Entry {
        id: message("m"),
        state: MessageState::Delivered,
        token: Some(Token(5)),
        parked: false,
        reason: None,
        attempts: 1,
        enqueued: at(1),
        first_claimed: Some(at(10)),
        changed: at(20),
        claimer_wall: Some(at(777)),
    };
    assert_eq!(only_entry(&mut outbox), expected);
    assert_eq!(outbox.counts().unwrap().of(MessageState::Delivered), 1);
}

#[test]
fn raising_the_floor_is_idempotent_for_its_holder_and_for_nobody_else() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    let behind = |floor| Ok(Activated::Behind { floor: Token(floor) });
    assert_eq!(outbox.activate(Token(0), node("n1", 1), at(0)), behind(0));
    for _ in 0..2 {
        assert_eq!(outbox.activate(Token(5), node("n1", 1), at(0)), Ok(Activated::Raised));
    }
    assert_eq!(outbox.activate(Token(5), node("n1", 2), at(0)), behind(5));
    assert_eq!(outbox.activate(Token(5), node("n2", 1), at(0)), behind(5));
    assert_eq!(outbox.activate(Token(4), node("n1", 1), at(0)), behind(5));
    let largest = Token::from(Term::MAX);
    assert_eq!(outbox.activate(largest, node("n1", 1), at(0)), Ok(Activated::Raised));
    let beyond = outbox.activate(Token(largest.0 + 1), node("n1", 1), at(0));
    assert!(matches!(beyond, Err(StoreError::Unavailable(_))));
}

#[test]
fn only_the_floor_writes() {
    for token in [0, 4, 6, u64::MAX] {
        let mut outbox = outbox();
        let floor = Token(5);
        assert_eq!(claim(&mut outbox, token, 10), Claim::Fenced { floor });
        assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
        let before = only_entry(&mut outbox);
        assert_eq!(settle(&mut outbox, token, &Settlement::Delivered), Settled::Fenced { floor });
        let proved = resolve(&mut outbox, token, &Proof::SinkHasIt, 10);
        assert_eq!(proved, Settled::Fenced { floor });
        assert_eq!(outbox.sweep(Token(token), at(10)), Ok(None));
        assert_eq!(only_entry(&mut outbox), before);
    }
}

#[test]
fn before_the_first_activation_nobody_writes() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    outbox.enqueue(&message("m"), b"", at(1)).unwrap();
    assert_eq!(claim(&mut outbox, 0, 1), Claim::Fenced { floor: Token(0) });
    assert_eq!(outbox.sweep(Token(0), at(1)), Ok(None));
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 5);
    assert_eq!(claim(&mut outbox, 5, 1), Claim::NotPending { state: None });
    assert_eq!(settle(&mut outbox, 5, &Settlement::Delivered), Settled::Refused { state: None });
    assert_eq!(resolve(&mut outbox, 5, &Proof::SinkHasIt, 1), Settled::Refused { state: None });
    assert_eq!(outbox.state_of(&message("m")), Ok(None));
}

#[test]
fn claims_of_the_deposed_are_in_doubt_and_say_so() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    assert_eq!(outbox.sweep(Token(5), at(11)), Ok(Some(0)));
    raise(&mut outbox, 6);
    let claimed = Some(MessageState::Claimed);
    assert_eq!(claim(&mut outbox, 6, 12), Claim::NotPending { state: claimed });
    assert_eq!(settle(&mut outbox, 6, &Settlement::Delivered), Settled::Refused { state: claimed });
    assert_eq!(outbox.sweep(Token(6), at(13)), Ok(Some(1)));
    assert_eq!(outbox.sweep(Token(6), at(13)), Ok(Some(0)));
    let doubt = Doubt {
        attempt: Attempt { id: message("m"), number: 1 },
        token: Token(5),
        reason: "claimed by 5, whose holder was deposed; outcome unknown".into(),
    };
    assert_eq!(outbox.doubts(9), Ok(vec![doubt]));
    let doubtful = Some(MessageState::InDoubt);
    let never = resolve(&mut outbox, 6, &Proof::NeverSent, 14);
    assert_eq!(never, Settled::Refused { state: doubtful }, "it was not the resolver's claim");
    let pending = Settled::Now(MessageState::Pending);
    assert_eq!(resolve(&mut outbox, 6, &Proof::SinkLacksIt, 14), pending);
    let again = resolve(&mut outbox, 6, &Proof::SinkLacksIt, 14);
    assert_eq!(again, Settled::Refused { state: Some(MessageState::Pending) });
    assert_eq!(claim(&mut outbox, 6, 15), GRANTED);
    assert_eq!(only_entry(&mut outbox).attempts, 2);
}

#[test]
fn a_claim_that_was_never_sent_is_given_back() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    for _ in 0..2 {
        assert_eq!(settle(&mut outbox, 5, &in_doubt("stopped")), DOUBTFUL);
    }
    let given_back = resolve(&mut outbox, 5, &Proof::NeverSent, 11);
    assert_eq!(given_back, Settled::Now(MessageState::Pending));
    let entry = only_entry(&mut outbox);
    assert_eq!((entry.token, entry.reason.as_deref()), (Some(Token(5)), Some("stopped")));
}

/// A repeat that was under way while the message was claimed, sent and put in doubt anew.
#[test]
fn a_late_word_about_an_earlier_attempt_changes_nothing() {
    let mut outbox = outbox();
    let first = next(&mut outbox, "m");
    for _ in 0..2 {
        claim(&mut outbox, 5, 10);
        settle(&mut outbox, 5, &in_doubt("timeout"));
        if current(&mut outbox, "m").number == 1 {
            let pending = Settled::Now(MessageState::Pending);
            assert_eq!(resolve(&mut outbox, 5, &Proof::SinkLacksIt, 11), pending);
        }
    }
    let late = outbox.resolve(Token(5), &first, &Proof::SinkLacksIt, at(12));
    assert_eq!(late, Ok(Settled::Refused { state: Some(MessageState::InDoubt) }));
    resolve(&mut outbox, 5, &Proof::SinkLacksIt, 13);
    let late = outbox.claim(Token(5), &first, at(1), at(14));
    assert_eq!(late, Ok(Claim::NotPending { state: Some(MessageState::Pending) }));
    claim(&mut outbox, 5, 15);
    let late = outbox.settle(Token(5), &first, &Settlement::Delivered, at(16));
    assert_eq!(late, Ok(Settled::Refused { state: Some(MessageState::Claimed) }));
}

#[test]
fn a_deduplication_window_counts_from_the_first_claim() {
    let mut outbox = outbox();
    let window = Proof::Deduplicated { window: Duration::from_millis(100) };
    for now in [1_000, 1_060] {
        claim(&mut outbox, 5, now);
        settle(&mut outbox, 5, &in_doubt("timeout"));
        assert_eq!(resolve(&mut outbox, 5, &window, now), Settled::Now(MessageState::Pending));
    }
    let granted = Claim::Granted { send_within: Some(Duration::from_millis(1)) };
    assert_eq!(claim(&mut outbox, 5, 1_099), granted);
    let late = Claim::Granted { send_within: Some(Duration::ZERO) };
    assert_eq!(claim(&mut outbox, 5, 1_200), late, "whoever has the claim may be sending");
    settle(&mut outbox, 5, &in_doubt("timeout"));
    for _ in 0..2 {
        assert_eq!(resolve(&mut outbox, 5, &window, 1_100), DOUBTFUL);
    }
    assert_eq!(outbox.doubts(9), Ok(vec![]), "it is parked");
    let entry = only_entry(&mut outbox);
    assert!(entry.parked);
    assert_eq!(entry.reason.as_deref(), Some("timeout; the deduplication window is over"));
    assert_eq!(
        resolve(&mut outbox, 5, &window, 1_001),
        DOUBTFUL,
        "a stepped clock unparks nothing"
    );
    let proved = resolve(&mut outbox, 5, &Proof::SinkHasIt, 2_000);
    assert_eq!(proved, Settled::Now(MessageState::Delivered));
    assert!(!only_entry(&mut outbox).parked);
}

#[test]
fn a_released_message_is_parked_when_its_window_ends_before_it_is_claimed() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 1_000);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    resolve(&mut outbox, 5, &Proof::Deduplicated { window: Duration::from_millis(100) }, 1_001);
    let over = Claim::NotPending { state: Some(MessageState::InDoubt) };
    for _ in 0..2 {
        assert_eq!(claim(&mut outbox, 5, 1_100), over);
    }
    assert!(only_entry(&mut outbox).parked);
}

#[test]
fn a_parked_message_keeps_the_first_reason() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    for reason in ["first", "second"] {
        assert_eq!(resolve(&mut outbox, 5, &Proof::Park { reason: reason.into() }, 11), DOUBTFUL);
    }
    let parked = outbox.entries(Some(MessageState::InDoubt)).unwrap();
    assert_eq!(parked[0].reason.as_deref(), Some("first"));
    let never = resolve(&mut outbox, 5, &Proof::NeverSent, 12);
    assert_eq!(never, Settled::Refused { state: Some(MessageState::InDoubt) });
}

#[test]
fn an_equal_id_is_enqueued_once() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    let again = outbox.enqueue(&message("m"), b"other", at(11));
    assert_eq!(again, Ok(Enqueued::Exists(MessageState::Claimed)));
    assert_eq!(outbox.counts().unwrap().by_state, [0, 1, 0, 0, 0]);
}

#[test]
fn payloads_have_a_limit() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    let mut payload = vec![0; MAX_PAYLOAD_LEN + 1];
    let refused = outbox.enqueue(&message("m"), &payload, at(1)).unwrap_err();
    assert_eq!(refused, EnqueueError::TooLong { len: MAX_PAYLOAD_LEN + 1 });
    assert_eq!(outbox.state_of(&message("m")), Ok(None));
    payload.pop();
    assert_eq!(outbox.enqueue(&message("m"), &payload, at(1)), Ok(Enqueued::Added));
    assert_eq!(outbox.pending(1).unwrap()[0].payload.len(), MAX_PAYLOAD_LEN);
}

#[test]
fn the_oldest_come_first_and_not_more_than_asked_for() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 1);
    for name in ["c", "a", "b"] {
        outbox.enqueue(&message(name), b"", at(1)).unwrap();
    }
    let names = |pending: Vec<crate::store::Outgoing>| {
        pending.iter().map(|m| m.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(outbox.pending(2).unwrap()), ["c", "a"]);
    assert_eq!(names(outbox.pending(usize::MAX).unwrap()), ["c", "a", "b"]);
    for name in ["b", "a"] {
        let attempt = next(&mut outbox, name);
        outbox.claim(Token(1), &attempt, at(1), at(1)).unwrap();
        outbox.settle(Token(1), &attempt, &in_doubt("?"), at(1)).unwrap();
    }
    assert_eq!(outbox.doubts(1).unwrap()[0].attempt.id, message("a"));
    assert_eq!(names(outbox.pending(0).unwrap()), [""; 0]);
}

#[test]
fn looking_for_work_uses_the_partial_indexes() {
    let outbox = SqliteOutbox::in_memory().unwrap();
    let queries = [
        (read::PENDING, "outbox_pending"),
        (read::DOUBTS, "outbox_doubts"),
        (SWEEP, "outbox_claimed"),
    ];
    for (sql, index) in queries {
        let mut explained =
            outbox.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        for parameter in 1..=explained.parameter_count() {
            explained.raw_bind_parameter(parameter, 1).unwrap();
        }
        let mut plan = Vec::new();
        let mut rows = explained.raw_query();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        let plan = plan.join("; ");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[test]
fn no_statement_is_compiled_anew() {
    let mut outbox = outbox();
    for _ in 0..3 {
        claim(&mut outbox, 5, 10);
        settle(&mut outbox, 5, &in_doubt("?"));
        outbox.doubts(9).unwrap();
        resolve(&mut outbox, 5, &Proof::SinkLacksIt, 10);
        outbox.pending(9).unwrap();
        outbox.sweep(Token(5), at(10)).unwrap();
    }
    let used = [rows::LOOK, CLAIM, SETTLE, PROVE, SWEEP, FENCE, read::PENDING, read::DOUBTS];
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

#[test]
fn a_full_disk_changes_nothing() {
    let mut outbox = outbox();
    outbox.connection.pragma_update_and_check(None, "max_page_count", 20, |_| Ok(())).unwrap();
    let full = outbox.enqueue(&message("big"), &[0; MAX_PAYLOAD_LEN], at(1));
    assert!(matches!(full, Err(EnqueueError::Store(StoreError::Unavailable(_)))), "{full:?}");
    assert_eq!(outbox.state_of(&message("big")), Ok(None));
    assert_eq!(outbox.enqueue(&message("small"), b"", at(1)), Ok(Enqueued::Added));
}

#[test]
fn a_file_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    outbox.enqueue(&message("m"), b"hello", at(1)).unwrap();
    raise(&mut outbox, 5);
    claim(&mut outbox, 5, 10);
    let before = only_entry(&mut outbox);
    drop(outbox);
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    assert_eq!(only_entry(&mut outbox), before);
    assert_eq!(claim(&mut outbox, 5, 11), GRANTED);
    raise(&mut outbox, 6);
}

#[test]
fn two_processes_share_a_file_and_its_fence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut old = SqliteOutbox::open(&path).unwrap();
    let mut new = SqliteOutbox::open(&path).unwrap();
    raise(&mut old, 5);
    for name in ["m", "other"] {
        new.enqueue(&message(name), b"", at(1)).unwrap();
    }
    assert_eq!(claim(&mut old, 5, 10), GRANTED);
    raise(&mut new, 6);
    let floor = Token(6);
    assert_eq!(settle(&mut old, 5, &Settlement::Delivered), Settled::Fenced { floor });
    let other = next(&mut old, "other");
    let stale = old.claim(Token(5), &other, at(1), at(11));
    assert_eq!(stale, Ok(Claim::Fenced { floor }));
    assert_eq!(new.sweep(Token(6), at(12)), Ok(Some(1)));
    assert_eq!(old.counts().unwrap().by_state, [1, 0, 0, 0, 1]);
}

#[test]
fn processes_that_start_at_once_all_open_the_new_file() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let path = directory.path().join(format!("{round}.db"));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    let mut outbox = SqliteOutbox::open(path).unwrap();
                    outbox.enqueue(&message(&format!("m{number}")), b"", at(1)).unwrap();
                });
            }
        });
        let mut outbox = SqliteOutbox::open(&path).unwrap();
        let ids: BTreeSet<_> = outbox.pending(9).unwrap().into_iter().map(|m| m.id).collect();
        assert_eq!(ids.len(), 4);
    }
}

#[test]
fn a_writer_that_is_shut_out_says_that_nothing_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut shut_out = SqliteOutbox::open(&path).unwrap();
    shut_out.connection.busy_timeout(Duration::ZERO).unwrap();
    let writer = SqliteOutbox::open(&path).unwrap();
    writer.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let blocked = shut_out.activate(Token(5), node("n1", 1), at(1));
    assert!(matches!(blocked, Err(StoreError::Unavailable(_))), "{blocked:?}");
    assert_eq!(shut_out.pending(9), Ok(vec![]), "readers pass writers");
    drop(writer);
    raise(&mut shut_out, 5);
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let Err(StoreError::Unavailable(why)) = SqliteOutbox::open(&path) else { panic!() };
    assert!(why.contains("outbox.db") && why.contains("schema has version 2"), "{why}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_database_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    std::fs::write(&path, [b'x'; 4096]).unwrap();
    for path in [path.as_path(), directory.path()] {
        assert!(matches!(SqliteOutbox::open(path), Err(StoreError::Unavailable(_))));
    }
}

#[cfg(madsim)]
mod planted {
    use super::*;
    use crate::probe::{Mutant, REACH_POINTS, begin_run, reach_counts};

    fn reached(name: &str) -> u32 {
        let point = REACH_POINTS.iter().position(|(point, _)| *point == name).unwrap();
        reach_counts()[point]
    }

    /// One thread per case, because what is planted belongs to the thread.
    fn with_mutant(mutant: Option<Mutant>, case: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                begin_run(mutant);
                case();
            });
        });
    }

    #[test]
    fn without_the_fence_check_a_stale_token_writes() {
        with_mutant(Some(Mutant::NoFenceCheck), || {
            let mut outbox = outbox();
            assert_eq!(claim(&mut outbox, 4, 10), GRANTED);
            let delivered = Settled::Now(MessageState::Delivered);
            assert_eq!(settle(&mut outbox, 4, &Settlement::Delivered), delivered);
            assert_eq!(outbox.sweep(Token(4), at(10)), Ok(Some(0)));
            assert_eq!(reached("claim_rejected_stale_token"), 0);
        });
        with_mutant(None, || {
            let mut outbox = outbox();
            assert_eq!(claim(&mut outbox, 4, 10), Claim::Fenced { floor: Token(5) });
            assert_eq!(claim(&mut outbox, 6, 10), Claim::Fenced { floor: Token(5) });
            assert_eq!(reached("claim_rejected_stale_token"), 1);
        });
    }

    #[test]
    fn the_founding_design_marks_what_it_never_claimed() {
        let mark = |outbox: &mut SqliteOutbox| settle(outbox, 4, &Settlement::Delivered);
        with_mutant(Some(Mutant::FoundingDesign), || {
            let mut outbox = outbox();
            assert_eq!(mark(&mut outbox), Settled::Now(MessageState::Delivered));
            let unknown = {
                let attempt = Attempt { id: message("x"), number: 1 };
                outbox.settle(Token(4), &attempt, &Settlement::Delivered, at(1))
            };
            assert_eq!(unknown, Ok(Settled::Refused { state: None }));
        });
        with_mutant(None, || {
            assert_eq!(mark(&mut outbox()), Settled::Fenced { floor: Token(5) });
            assert_eq!(reached("settle_rejected_stale_token"), 1);
        });
    }

    #[test]
    fn a_sweep_that_finds_something_is_counted() {
        with_mutant(None, || {
            let mut outbox = outbox();
            claim(&mut outbox, 5, 10);
            raise(&mut outbox, 6);
            for _ in 0..2 {
                outbox.sweep(Token(6), at(11)).unwrap();
            }
            assert_eq!(reached("foreign_claim_in_doubt"), 1);
        });
    }
}
