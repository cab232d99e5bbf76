//! The tables of the PostgreSQL store and their version.
//!
//! They lie in a schema of their own, `fencepost`, so that they meet no others. A database with an
//! older version is migrated when it is opened, one with a newer version is left alone: what a
//! newer Fencepost promises about its rows, this one cannot know.

use std::time::Duration;

use super::sessions::Object;
use super::transaction::Transaction;
use crate::store::StoreError;

/// What leads from each version to the next; the first makes the tables of an empty database.
/// Databases have these versions, so a step that was released is never changed: a change is a further
/// step.
const STEPS: &[&str] = &[TABLES, JOBS, WORK, LOOKS, SCHEDULES];

/// The version that all the steps lead to.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// How long a step may take, or wait for another node that takes it: an index over many messages is not
/// made within the time of an ordinary statement.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);

/// Until the end of the transaction.
const PATIENCE: &str = "SET LOCAL statement_timeout = '600s'; SET LOCAL lock_timeout = '600s'";

/// Held by whoever migrates, so that of several nodes that start at once one does it and the others
/// find it done. The bytes are those of "fencepst".
const LOCK: &str = "SELECT pg_advisory_xact_lock(7378697629483820646)";
const EXISTS: &str = "SELECT to_regclass('fencepost.schema_version') IS NOT NULL";
const FOUND: &str = "SELECT version FROM fencepost.schema_version";
const BEGUN: &str = "CREATE SCHEMA IF NOT EXISTS fencepost;
    CREATE TABLE fencepost.schema_version (version BIGINT NOT NULL);
    INSERT INTO fencepost.schema_version VALUES (0);";
const DONE: &str = "UPDATE fencepost.schema_version SET version = $1";

/// Version 1. The columns are those of the SQLite store, where they are explained.
///
/// Rows of the outbox are changed a few times each, and never in a column with an index that holds all
/// rows: what the fill factor leaves free lets most of these changes stay on their page.
const TABLES: &str = "
    CREATE TABLE fencepost.fence (
        one        BOOLEAN PRIMARY KEY CHECK (one),
        floor      BIGINT NOT NULL,
        holder     TEXT NOT NULL,
        raised_ms  BIGINT,
        generation BIGINT NOT NULL,
        cluster    TEXT NOT NULL
    );
    INSERT INTO fencepost.fence VALUES (TRUE, 0, '', NULL, 0, '');

    CREATE TABLE fencepost.roll (
        node  TEXT PRIMARY KEY,
        nonce BIGINT NOT NULL
    );

    CREATE TABLE fencepost.outbox (
        seq              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id               TEXT NOT NULL UNIQUE,
        ordering_key     TEXT,
        lot              SMALLINT NOT NULL,
        state            SMALLINT NOT NULL DEFAULT 0,
        parked           BOOLEAN NOT NULL DEFAULT FALSE,
        token            BIGINT,
        attempts         BIGINT NOT NULL DEFAULT 0,
        failures         BIGINT NOT NULL DEFAULT 0,
        not_before_ms    BIGINT NOT NULL DEFAULT 0,
        enqueued_ms      BIGINT NOT NULL,
        first_claimed_ms BIGINT,
        send_until_ms    BIGINT,
        changed_ms       BIGINT NOT NULL,
        claimer_wall_ms  BIGINT,
        reason           TEXT
    ) WITH (fillfactor = 70);
    CREATE INDEX outbox_pending ON fencepost.outbox (seq) WHERE state = 0;
    CREATE INDEX outbox_claimed ON fencepost.outbox (token) WHERE state = 1;
    CREATE INDEX outbox_doubts ON fencepost.outbox (seq) WHERE state = 4 AND NOT parked;
    CREATE INDEX outbox_keys ON fencepost.outbox (ordering_key, seq)
        WHERE ordering_key IS NOT NULL AND state IN (0, 1, 4);

    CREATE TABLE fencepost.payload (
        seq   BIGINT PRIMARY KEY,
        bytes BYTEA NOT NULL
    );

    CREATE TABLE fencepost.verdict (
        no         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        seq        BIGINT NOT NULL,
        at_ms      BIGINT NOT NULL,
        by_whom    TEXT NOT NULL,
        attempt    BIGINT NOT NULL,
        from_state SMALLINT NOT NULL,
        to_state   SMALLINT NOT NULL,
        why        TEXT NOT NULL
    );
    CREATE INDEX verdict_of_message ON fencepost.verdict (seq);
";

/// Version 2: scheduled jobs.
const JOBS: &str = "
    CREATE TABLE fencepost.job (
        name      TEXT PRIMARY KEY,
        cursor_ms BIGINT NOT NULL,
        newest    BIGINT NOT NULL DEFAULT 0
    );

    CREATE TABLE fencepost.job_run (
        seq      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job      TEXT NOT NULL,
        first_ms BIGINT NOT NULL,
        last_ms  BIGINT NOT NULL,
        count    BIGINT NOT NULL,
        state    SMALLINT NOT NULL,
        token    BIGINT NOT NULL,
        begun_ms BIGINT NOT NULL,
        ended_ms BIGINT,
        reason   TEXT
    );
    CREATE UNIQUE INDEX job_run_instant ON fencepost.job_run (job, last_ms);
    CREATE INDEX job_run_running ON fencepost.job_run (job) WHERE state = 0;
    CREATE INDEX job_run_unended ON fencepost.job_run (token) WHERE state = 0;
";

/// Version 3: who has which unit of a work, and which claims were made under an assignment. Epochs are
/// counted for each work, so that work and epoch name an assignment for ever.
const WORK: &str = "
    CREATE TABLE fencepost.work (
        no    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name  TEXT NOT NULL UNIQUE,
        units INTEGER NOT NULL,
        epoch BIGINT NOT NULL
    );

    CREATE TABLE fencepost.assignment (
        work  BIGINT NOT NULL,
        unit  INTEGER NOT NULL,
        epoch BIGINT NOT NULL,
        node  TEXT NOT NULL,
        nonce BIGINT NOT NULL,
        token BIGINT NOT NULL,
        PRIMARY KEY (work, unit)
    );

    ALTER TABLE fencepost.outbox ADD COLUMN share_work BIGINT, ADD COLUMN share_epoch BIGINT,
        ADD COLUMN share_node TEXT;
";

/// Version 4: what has a key and what has none is found apart, so that a key's backlog is in nobody's way; and
/// people find what is theirs to settle among any number of delivered messages. What is dropped comes
/// last, because until then others may read.
const LOOKS: &str = "
    CREATE INDEX outbox_free ON fencepost.outbox (seq) WHERE state = 0 AND ordering_key IS NULL;
    CREATE INDEX outbox_waiting ON fencepost.outbox (seq)
        WHERE state = 0 AND ordering_key IS NOT NULL;
    CREATE INDEX outbox_failed ON fencepost.outbox (seq) WHERE state = 3;
    CREATE INDEX outbox_unsettled ON fencepost.outbox (parked, seq) WHERE state = 4;
    DROP INDEX fencepost.outbox_pending, fencepost.outbox_doubts;
    ALTER INDEX fencepost.outbox_unsettled RENAME TO outbox_doubts;
";

/// Version 5: the schedule of each job, and which of its instants have begun.
///
/// Of a job from before, that is known of the outcomes that are kept. If a clock that was ahead made it
/// pass over instants, these were skipped as late, in the widest range: it is what has not begun. Without
/// one, all until the cursor may have.
const SCHEDULES: &str = "
    ALTER TABLE fencepost.job ADD COLUMN schedule TEXT NOT NULL DEFAULT '',
        ADD COLUMN since_ms BIGINT NOT NULL DEFAULT 0, ADD COLUMN ran TEXT NOT NULL DEFAULT '';
    CREATE INDEX job_run_order ON fencepost.job_run (job, seq);

    WITH widest AS (
        SELECT DISTINCT ON (job) job, first_ms, last_ms FROM fencepost.job_run
        WHERE state = 4 AND reason LIKE 'late%' ORDER BY job, last_ms - first_ms DESC, seq
    ), after AS (
        SELECT run.job, min(run.last_ms) AS first_ms
        FROM fencepost.job_run AS run JOIN widest USING (job)
        WHERE run.state <> 4 AND run.last_ms > widest.last_ms GROUP BY run.job
    )
    UPDATE fencepost.job SET ran = coalesce((
        SELECT concat_ws(',',
            CASE WHEN widest.first_ms > 0 THEN '0-' || (widest.first_ms - 1) END,
            after.first_ms || '-' || greatest(cursor_ms, after.first_ms))
        FROM widest LEFT JOIN after USING (job) WHERE widest.job = name), '0-' || cursor_ms)
    WHERE EXISTS (SELECT FROM fencepost.job_run WHERE job_run.job = name);
";

/// Takes the database to this version, from an empty one or an older version.
pub(super) async fn migrate(session: Object) -> Result<(), StoreError> {
    let tx = Transaction::begin(session).await?;
    tx.run(PATIENCE).await?;
    tx.rows_within(MIGRATION_TIMEOUT, LOCK, &[]).await?;
    if !tx.row(EXISTS, &[]).await?.get::<_, bool>(0) {
        tx.run(BEGUN).await?;
    }
    let found: i64 = tx.row(FOUND, &[]).await?.get(0);
    let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let Some(steps) = steps else {
        tx.roll_back().await;
        return Err(StoreError::Unavailable(format!(
            "its schema has version {found}, this program knows versions up to {VERSION}: it was \
             written by a newer Fencepost, or by another program"
        )));
    };
    if steps.is_empty() {
        tx.roll_back().await;
        return Ok(());
    }
    for step in steps {
        tx.run_within(MIGRATION_TIMEOUT, step).await?;
    }
    tx.execute(DONE, &[&VERSION]).await?;
    tx.commit().await
}
