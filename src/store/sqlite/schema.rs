//! The tables of the SQLite store, their version, and the settings of a connection.
//!
//! The version is kept in `PRAGMA user_version`. A file with an older one is migrated when it is
//! opened, a file with a newer one is left alone: what a newer Fencepost promises about its rows,
//! this one cannot know. The version is only looked at when a file is opened, so the processes that
//! share a file must have ended before a newer Fencepost opens it.

use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode};

use super::database::Database;
use super::transaction::{Done, unavailable, write};
use crate::store::{MessageState, RunState, StoreError};

/// What leads from each version to the next; the first makes the tables of an empty database. Files
/// have these versions, so a step that was released is never changed: a change is a further step.
const STEPS: &[&str] = &[TABLES, GENERATIONS, DELIVERY, JOBS, WORK, WORKER, LOOKS, SCHEDULES];

/// The version that all the steps lead to.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// How often, and with which pause, a busy file is asked again for a write-ahead log.
const BUSY_ATTEMPTS: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Version 1: a row per message and one row for the fence.
///
/// Payloads lie apart, so that a change of state rewrites a short row and not a megabyte. The
/// partial indexes hold only what is still to be done, so that looking for work costs the same
/// whatever was delivered before. All times are of the store's clock, but for `claimer_wall_ms`.
const TABLES: &str = "
    CREATE TABLE fence (
        one       INTEGER PRIMARY KEY CHECK (one = 1),
        floor     INTEGER NOT NULL,         -- the highest token ever activated; 0: none yet
        holder    TEXT NOT NULL,            -- node/incarnation that activated it
        raised_ms INTEGER
    ) STRICT;
    INSERT INTO fence (one, floor, holder) VALUES (1, 0, '');

    CREATE TABLE outbox (
        seq              INTEGER PRIMARY KEY,        -- oldest first
        id               TEXT NOT NULL UNIQUE,       -- the idempotency key
        state            INTEGER NOT NULL DEFAULT 0, -- 0 pending, 1 claimed, 2 delivered, 3 failed, 4 in doubt
        parked           INTEGER NOT NULL DEFAULT 0, -- 1: in doubt, and a person's to settle
        token            INTEGER,                    -- who claimed it last
        attempts         INTEGER NOT NULL DEFAULT 0, -- how often it was claimed
        enqueued_ms      INTEGER NOT NULL,
        first_claimed_ms INTEGER,                    -- where a deduplication window begins
        send_until_ms    INTEGER,                    -- where it ends, for a message that is sent again
        changed_ms       INTEGER NOT NULL,           -- when it came to its state
        claimer_wall_ms  INTEGER,                    -- the last claimer's own wall clock: evidence
        reason           TEXT                        -- the last that was said about it: evidence
    ) STRICT;
    CREATE INDEX outbox_pending ON outbox (seq) WHERE state = 0;
    CREATE INDEX outbox_claimed ON outbox (token) WHERE state = 1;
    CREATE INDEX outbox_doubts ON outbox (seq) WHERE state = 4 AND parked = 0;

    CREATE TABLE payload (
        seq   INTEGER PRIMARY KEY,                   -- that of the outbox
        bytes BLOB NOT NULL
    ) STRICT;
";

/// Version 2: the generation and who started it, and whose store it is.
const GENERATIONS: &str = "
    ALTER TABLE fence ADD COLUMN generation INTEGER NOT NULL DEFAULT 0; -- cold starts; 0: none yet
    ALTER TABLE fence ADD COLUMN cluster TEXT NOT NULL DEFAULT '';      -- its name; '': none yet

    CREATE TABLE roll (
        node  TEXT NOT NULL PRIMARY KEY,
        nonce INTEGER NOT NULL              -- the bits of an unsigned number
    ) STRICT, WITHOUT ROWID;
";

/// Version 3: order, retries, and what people decided.
///
/// Lots of messages from before are all 0: they are one worker's, and delivered like the others.
const DELIVERY: &str = "
    ALTER TABLE outbox ADD COLUMN ordering_key TEXT;                        -- delivered in order; NULL: any time
    ALTER TABLE outbox ADD COLUMN lot INTEGER NOT NULL DEFAULT 0;           -- of key or id, for sharing: 0 to 255
    ALTER TABLE outbox ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;      -- how often it was refused for now
    ALTER TABLE outbox ADD COLUMN not_before_ms INTEGER NOT NULL DEFAULT 0; -- when it is due again
    CREATE INDEX outbox_keys ON outbox (ordering_key, seq)
        WHERE ordering_key IS NOT NULL AND state IN (0, 1, 4);

    CREATE TABLE verdict (
        no         INTEGER PRIMARY KEY,        -- in the order in which they were passed
        seq        INTEGER NOT NULL,           -- that of the outbox
        at_ms      INTEGER NOT NULL,
        by_whom    TEXT NOT NULL,
        attempt    INTEGER NOT NULL,           -- how often the message had been claimed
        from_state INTEGER NOT NULL,
        to_state   INTEGER NOT NULL,
        why        TEXT NOT NULL
    ) STRICT;
    CREATE INDEX verdict_of_message ON verdict (seq);
";

/// Version 4: scheduled jobs and what became of their instants.
const JOBS: &str = "
    CREATE TABLE job (
        name      TEXT NOT NULL PRIMARY KEY,
        cursor_ms INTEGER NOT NULL,         -- every instant up to here has its outcome
        newest    INTEGER NOT NULL DEFAULT 0 -- the run that began last; 0: none yet
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE job_run (
        seq      INTEGER PRIMARY KEY,       -- in the order in which they were decided
        job      TEXT NOT NULL,
        first_ms INTEGER NOT NULL,          -- the instant; of skipped ones the first
        last_ms  INTEGER NOT NULL,          -- the instant; of skipped ones the last
        count    INTEGER NOT NULL,          -- how many instants
        state    INTEGER NOT NULL,          -- 0 running, 1 done, 2 failed, 3 interrupted, 4 skipped
        token    INTEGER NOT NULL,          -- who decided it
        begun_ms INTEGER NOT NULL,          -- when it began or was skipped
        ended_ms INTEGER,
        reason   TEXT
    ) STRICT;
    CREATE UNIQUE INDEX job_run_instant ON job_run (job, last_ms);
    CREATE INDEX job_run_running ON job_run (job) WHERE state = 0;
    CREATE INDEX job_run_unended ON job_run (token) WHERE state = 0;
";

/// Version 5: who has which unit of a work, and which claims were made under an assignment.
///
/// Epochs are counted for each work, so that work and epoch name an assignment for ever.
const WORK: &str = "
    CREATE TABLE work (
        no    INTEGER PRIMARY KEY,
        name  TEXT NOT NULL UNIQUE,
        units INTEGER NOT NULL,
        epoch INTEGER NOT NULL             -- the highest ever
    ) STRICT;
    CREATE TABLE assignment (
        work  INTEGER NOT NULL,            -- its number
        unit  INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        node  TEXT NOT NULL,               -- whose it is
        nonce INTEGER NOT NULL,            -- the bits of an unsigned number
        token INTEGER NOT NULL,            -- the leader that said so
        PRIMARY KEY (work, unit)
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE outbox ADD COLUMN share_work INTEGER;  -- the assignment it was claimed under last;
    ALTER TABLE outbox ADD COLUMN share_epoch INTEGER; -- NULL: by the holder of the token itself
";

/// Version 6: which node a share's claim was made by. Evidence, so earlier claims have none.
const WORKER: &str = "ALTER TABLE outbox ADD COLUMN share_node TEXT";

/// Version 7: what has a key and what has none is found apart, so that a key's backlog is in nobody's way;
/// and people find what is theirs to settle among any number of delivered messages.
const LOOKS: &str = "
    CREATE INDEX outbox_free ON outbox (seq) WHERE state = 0 AND ordering_key IS NULL;
    CREATE INDEX outbox_waiting ON outbox (seq) WHERE state = 0 AND ordering_key IS NOT NULL;
    CREATE INDEX outbox_failed ON outbox (seq) WHERE state = 3;
    DROP INDEX outbox_pending;
    DROP INDEX outbox_doubts;
    CREATE INDEX outbox_doubts ON outbox (parked, seq) WHERE state = 4;
";

/// Version 8: the schedule of each job, and which of its instants have begun.
///
/// Of a job from before, that is known of the outcomes that are kept. If a clock that was ahead made it
/// pass over instants, these were skipped as late, in the widest range: it is what has not begun. Without
/// one, all until the cursor may have.
const SCHEDULES: &str = "
    ALTER TABLE job ADD COLUMN schedule TEXT NOT NULL DEFAULT '';    -- in force; '': not known
    ALTER TABLE job ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;  -- since when it is
    ALTER TABLE job ADD COLUMN ran TEXT NOT NULL DEFAULT '';         -- first-last,… of what has begun
    CREATE INDEX job_run_order ON job_run (job, seq);

    CREATE TEMP TABLE widest AS
        SELECT job, first_ms, last_ms, max(last_ms - first_ms) FROM job_run
        WHERE state = 4 AND reason LIKE 'late%' GROUP BY job;
    UPDATE job SET ran = coalesce((
        SELECT iif(first_ms > 0, '0-' || (first_ms - 1), '') || coalesce((
            SELECT iif(widest.first_ms > 0, ',', '') || min(run.last_ms) || '-' ||
                max(cursor_ms, min(run.last_ms))
            FROM job_run AS run
            WHERE run.job = name AND run.state <> 4 AND run.last_ms > widest.last_ms
            HAVING count(*) > 0), '')
        FROM widest WHERE widest.job = name), '0-' || cursor_ms)
    WHERE EXISTS (SELECT 1 FROM job_run WHERE job_run.job = name);
    DROP TABLE widest;
";

// The numbers in the SQL of this directory are those of the states. A partial index is only used
// for a literal, so they cannot be parameters.
const _: () = {
    assert!(MessageState::Pending as i64 == 0);
    assert!(MessageState::Claimed as i64 == 1);
    assert!(MessageState::Delivered as i64 == 2);
    assert!(MessageState::Failed as i64 == 3);
    assert!(MessageState::InDoubt as i64 == 4);
    assert!(RunState::Running as i64 == 0);
    assert!(RunState::Interrupted as i64 == 3);
};

/// Makes commits to a file durable when they return, and lets readers pass writers.
pub(super) fn configure_file(connection: &Connection) -> Result<(), StoreError> {
    // Before anything is written to a file that may be a newer version's.
    check(version(connection).map_err(unavailable)?)?;
    let mode = write_ahead(connection).map_err(unavailable)?;
    if mode != "wal" {
        let problem = format!("the file system allows no write-ahead log (it offers {mode:?})");
        return Err(StoreError::Unavailable(problem));
    }
    // Where a sync stops at the drive's cache, this goes on to the disk; elsewhere it does nothing.
    for pragma in ["fullfsync", "checkpoint_fullfsync"] {
        connection.pragma_update(None, pragma, true).map_err(unavailable)?;
    }
    connection.pragma_update(None, "synchronous", "full").map_err(unavailable)
}

/// Asks for a write-ahead log and tells what there is now.
///
/// Of several processes that do this to a new file at once, SQLite tells all but one that the file
/// is busy, and without having waited, because each of them is in the others' way.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let mut attempts = 0;
    loop {
        let mode =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        let busy = |error: &Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        match mode {
            Err(error) if busy(&error) && attempts < BUSY_ATTEMPTS => attempts += 1,
            answer => return answer,
        }
        // chance: the real store waits for other processes; no simulation has them
        std::thread::sleep(BUSY_PAUSE);
    }
}

/// Takes the database to this version, from an empty one or an older version.
///
/// Looked at and done in one transaction, so that of several processes that start at once one does
/// it and the others find it done.
pub(super) fn migrate(connection: &Database) -> Result<(), StoreError> {
    // Versions only rise: no lock is needed to see that there is nothing to do.
    if version(connection).map_err(unavailable)? == VERSION {
        return Ok(());
    }
    let found = write(connection, |tx| {
        let found = version(tx)?;
        let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
        // None: a newer version. No steps: another process was faster.
        let Some(steps @ [_, ..]) = steps else { return Ok(Done::Unchanged(found)) };
        for step in steps {
            tx.execute_batch(step)?;
        }
        tx.pragma_update(None, "user_version", VERSION)?;
        Ok(Done::Changed(VERSION))
    })?;
    check(found)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn check(found: i64) -> Result<(), StoreError> {
    if (0..=VERSION).contains(&found) {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "its schema has version {found}, this program knows versions up to {VERSION}: it was written \
         by a newer Fencepost, or by another program"
    )))
}
