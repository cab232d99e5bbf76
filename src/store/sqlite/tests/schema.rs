//! The file: several processes, older and newer versions.

use std::collections::BTreeSet;

use super::super::schema::{self, VERSION};
use super::*;
use crate::store::{BindError, JobName};

/// What a first version's program left behind: floor 7, one message delivered, one in doubt, one
/// pending.
fn a_file_of_version_1(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.pragma_update(None, "journal_mode", "wal").unwrap();
    old.execute_batch(include_str!("version_1.sql")).unwrap();
    let rows = "
        UPDATE fence SET floor = 7, holder = 'n2/1', raised_ms = 70;
        INSERT INTO outbox (id, state, token, attempts, enqueued_ms, first_claimed_ms, changed_ms)
            VALUES ('a', 2, 3, 1, 10, 30, 31), ('b', 4, 7, 2, 11, 32, 75), ('c', 0, NULL, 0, 12, NULL, 12);
        UPDATE outbox SET reason = 'timeout' WHERE id = 'b';
        INSERT INTO payload (seq, bytes) VALUES (1, x'61'), (2, x'62'), (3, x'63');";
    old.execute_batch(rows).unwrap();
}

/// Tables and indexes as SQLite keeps them, whatever their layout on the page.
fn schema_of(outbox: &SqliteOutbox) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut select = outbox.connection.prepare(sql).unwrap();
    let texts = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    texts.map(|text| text.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_file_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    enqueue(&mut outbox, "m", b"hello", at(1)).unwrap();
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
        enqueue(&mut new, name, b"", at(1)).unwrap();
    }
    assert_eq!(claim(&mut old, 5, 10), GRANTED);
    raise(&mut new, 6);
    let floor = Token(6);
    assert_eq!(settle(&mut old, 5, &Settlement::Delivered), Checked::Fenced { floor });
    let other = next(&mut old, "other");
    let stale = claim_one(&mut old, Token(5), &other, at(11));
    assert_eq!(stale, Ok(Checked::Fenced { floor }));
    assert_eq!(new.sweep(Token(6), at(12)), Ok(Checked::Passed(1)));
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
                    enqueue(&mut outbox, &format!("m{number}"), b"", at(1)).unwrap();
                });
            }
        });
        let mut outbox = SqliteOutbox::open(&path).unwrap();
        let ids: BTreeSet<_> =
            outbox.pending(9, LATER).unwrap().into_iter().map(|m| m.id).collect();
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
    let blocked = shut_out.activate(Generation::NONE, Token(5), node("n1", 1), at(1));
    assert!(matches!(blocked, Err(StoreError::Unavailable(_))), "{blocked:?}");
    assert_eq!(shut_out.pending(9, LATER), Ok(vec![]), "readers pass writers");
    drop(writer);
    raise(&mut shut_out, 5);
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let Err(StoreError::Unavailable(why)) = SqliteOutbox::open(&path) else { panic!() };
    let says = format!("schema has version {}", VERSION + 1);
    assert!(why.contains("outbox.db") && why.contains(&says), "{why}");
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
    let Err(error) = SqliteOutbox::open(&path) else { panic!("it opens anything") };
    assert!(error.to_string().ends_with("the file is something else, name another one"), "{error}");
}

/// A commit that returned outlives a power cut, and readers pass writers.
#[test]
fn a_file_has_a_write_ahead_log_that_is_synced() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = SqliteOutbox::open(&directory.path().join("outbox.db")).unwrap();
    let pragma = |name| {
        outbox
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode"), Ok("wal".to_owned().into()));
    assert_eq!(pragma("synchronous"), Ok(2.into()), "full");
}

/// A file without a write-ahead log that somebody reads, and a connection that waits for nobody.
fn a_file_that_is_read(path: &Path) -> (Connection, Connection) {
    let reader = Connection::open(path).unwrap();
    reader.execute_batch("CREATE TABLE x (y); BEGIN; SELECT * FROM x").unwrap();
    let other = Connection::open(path).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    (reader, other)
}

/// SQLite may say at once that a file is busy: then it is asked again, and as often as it may be.
#[test]
fn a_busy_file_is_asked_again_for_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let (reader, other) = a_file_that_is_read(&path);
    std::thread::scope(|scope| {
        let asks = scope.spawn(move || schema::configure_file(&other));
        // Long enough to be asked, and no longer than it is asked again.
        std::thread::sleep(Duration::from_millis(100));
        drop(reader);
        assert_eq!(asks.join().unwrap(), Ok(()));
    });
    let stays = directory.path().join("stays.db");
    let (_reader, other) = a_file_that_is_read(&stays);
    assert!(matches!(schema::configure_file(&other), Err(StoreError::Unavailable(_))));
}

#[test]
fn a_file_of_version_1_is_migrated_and_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    a_file_of_version_1(&path);
    for _ in 0..2 {
        let mut outbox = SqliteOutbox::open(&path).unwrap();
        let fence = FenceRow {
            floor: Token(7),
            holder: Some(node("n2", 1)),
            generation: Generation::NONE,
            cluster: None,
            raised: Some(at(70)),
        };
        assert_eq!(outbox.fence(), Ok(fence));
        assert_eq!(outbox.roll().unwrap().boots, []);
        assert_eq!(outbox.counts().unwrap().by_state, [1, 0, 1, 0, 1]);
        let doubt = &outbox.doubts(9).unwrap()[0];
        assert_eq!((doubt.attempt.number, doubt.token, &*doubt.reason), (2, Token(7), "timeout"));
        assert_eq!(outbox.pending(9, LATER).unwrap()[0].payload[..], *b"c");
    }
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    // Its holder of before still is: an upgrade is no cold start.
    let again = outbox.activate(Generation::NONE, Token(7), node("n2", 1), at(80));
    assert_eq!(again, Ok(Activated::Raised));
    outbox.call_roll(Generation::NONE, &[boot("n1", 1)]).unwrap();
    raise(&mut outbox, 8);
}

#[test]
fn a_migrated_file_is_like_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    a_file_of_version_1(&path);
    let migrated = SqliteOutbox::open(&path).unwrap();
    let new = SqliteOutbox::in_memory().unwrap();
    assert_eq!(schema_of(&migrated), schema_of(&new));
}

/// A second migration would fail at a column that is there already.
#[test]
fn of_processes_that_start_at_once_one_migrates() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let path = directory.path().join(format!("{round}.db"));
        a_file_of_version_1(&path);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    let mut outbox = SqliteOutbox::open(path).unwrap();
                    assert_eq!(outbox.fence().unwrap().floor, Token(7));
                    assert_eq!(outbox.counts().unwrap().by_state, [1, 0, 1, 0, 1]);
                });
            }
        });
    }
}

#[test]
fn a_migration_that_fails_leaves_the_old_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    a_file_of_version_1(&path);
    // In the way of the last statement of the step.
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE roll (x)").unwrap();
    assert!(matches!(SqliteOutbox::open(&path), Err(StoreError::Unavailable(_))));
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE roll; SELECT floor, holder, raised_ms FROM fence").unwrap();
    drop(old);
    assert_eq!(SqliteOutbox::open(&path).unwrap().fence().unwrap().floor, Token(7));
}

#[test]
fn a_file_that_needs_no_migration_opens_while_another_process_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let writer = SqliteOutbox::open(&path).unwrap();
    writer.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    assert_eq!(SqliteOutbox::open(&path).unwrap().pending(9, LATER), Ok(vec![]));
    assert!(began.elapsed() < BUSY_TIMEOUT);
}

#[test]
fn a_roll_and_a_cluster_are_kept_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    let mut other = SqliteOutbox::open(&path).unwrap();
    let roll = outbox.call_roll(Generation::NONE, &[boot("n1", 1), boot("n2", 2)]);
    assert_eq!(other.call_roll(Generation::NONE, &[boot("n3", 3)]), roll, "it came second");
    outbox.bind_cluster("letters").unwrap();
    drop((outbox, other));
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    assert_eq!(outbox.roll(), roll);
    assert!(matches!(outbox.bind_cluster("invoices"), Err(BindError::OtherCluster { .. })));
}

/// The jobs of a file of version 7 with their outcomes, and what is known to have begun after an upgrade.
#[test]
fn of_a_job_of_before_that_has_begun_which_was_not_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    a_file_of_version_1(&path);
    drop(SqliteOutbox::open(&path).unwrap());
    let old = Connection::open(&path).unwrap();
    let rows = "
        DROP INDEX job_run_order;
        ALTER TABLE job DROP COLUMN schedule;
        ALTER TABLE job DROP COLUMN since_ms;
        ALTER TABLE job DROP COLUMN ran;
        INSERT INTO job (name, cursor_ms) VALUES ('ahead', 90500), ('new', 70), ('steady', 500),
            ('skipping', 900);
        INSERT INTO job_run (job, first_ms, last_ms, count, state, token, begun_ms, reason) VALUES
            ('ahead', 400, 400, 1, 1, 5, 400, NULL),
            ('ahead', 500, 500, 1, 4, 5, 500, 'late: the misfire policy skips it'),
            ('ahead', 700, 90000, 9, 4, 5, 90100, 'late: the misfire policy skips it'),
            ('ahead', 90100, 90100, 1, 1, 5, 90100, NULL),
            ('ahead', 90500, 90500, 1, 0, 5, 90500, NULL),
            ('skipping', 100, 900, 9, 4, 5, 950, 'late: the misfire policy skips it'),
            ('steady', 500, 500, 1, 1, 5, 500, NULL);
        PRAGMA user_version = 7;";
    old.execute_batch(rows).unwrap();
    drop(old);
    let mut outbox = SqliteOutbox::open(&path).unwrap();
    let names = ["ahead", "new", "skipping", "steady"].map(|name| JobName::new(name).unwrap());
    let states = outbox.job_states(&names, at(0)).unwrap().jobs;
    let ran: Vec<_> = states.iter().map(|state| state.as_ref().unwrap().ran.to_text()).collect();
    assert_eq!(ran, ["0-699,90100-90500", "", "0-99", "0-500"]);
    assert_eq!(states[0].as_ref().unwrap().cursor, at(90_500));
}
