//! The bare statements: the same rows, read once and changed twice in two durable transactions, as
//! someone would who checks nothing.

use std::path::Path;
use std::time::Instant;

use miette::IntoDiagnostic;
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

use super::outbox::PAYLOAD;

const TABLE: &str = "
    CREATE TABLE bare (
        seq BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, state BIGINT NOT NULL, token BIGINT,
        changed_ms BIGINT NOT NULL, bytes BYTEA NOT NULL
    );
    CREATE INDEX bare_pending ON bare (seq) WHERE state = 0;";
const LOOK: &str = "SELECT seq, id, bytes FROM bare WHERE state = 0 ORDER BY seq LIMIT ?1";
const CLAIM: &str = "UPDATE bare SET state = 1, token = 7, changed_ms = 7 WHERE seq = ?1";
const MARK: &str = "UPDATE bare SET state = 2, changed_ms = 8 WHERE seq = ?1";

/// Also tells the planner how large the tables are, which makes the bare statements fast.
const TIDY: &str = "VACUUM ANALYZE";

/// Rows per second, in a new file.
pub fn sqlite(batch: usize, messages: usize) -> miette::Result<f64> {
    let directory = tempfile::tempdir().into_diagnostic()?;
    let file = directory.path().join("bare.db");
    rows_of_sqlite(&file, batch, messages).into_diagnostic()
}

fn rows_of_sqlite(file: &Path, batch: usize, messages: usize) -> rusqlite::Result<f64> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    db.execute_batch(TABLE)?;
    db.execute_batch("BEGIN")?;
    for number in 0..messages {
        let insert = "INSERT INTO bare VALUES (?1, ?2, 0, NULL, 1, ?3)";
        let row = rusqlite::params![number as i64, format!("message-{number}"), PAYLOAD];
        db.prepare_cached(insert)?.execute(row)?;
    }
    db.execute_batch("COMMIT")?;
    tidy_sqlite(file)?;
    let began = Instant::now();
    for _ in 0..messages.div_ceil(batch) {
        let mut look = db.prepare_cached(LOOK)?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?))
        };
        let found: Vec<(i64, _, _)> =
            look.query_map([batch as i64], read)?.collect::<rusqlite::Result<_>>()?;
        for change in [CLAIM, MARK] {
            db.execute_batch("BEGIN IMMEDIATE")?;
            for (seq, _, _) in &found {
                db.prepare_cached(change)?.execute([seq])?;
            }
            db.execute_batch("COMMIT")?;
        }
    }
    Ok(messages as f64 / began.elapsed().as_secs_f64())
}

/// Writes down what filling the tables has left to be written, lest it be done while time counts.
pub fn tidy_sqlite(file: &Path) -> rusqlite::Result<()> {
    Connection::open(file)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// The same, in a new database.
pub async fn postgres(connection: &str, batch: usize, messages: usize) -> miette::Result<f64> {
    let client = connect(&database(connection).await?).await?;
    rows_of_postgres(&client, batch, messages).await.into_diagnostic()
}

async fn rows_of_postgres(
    client: &Client,
    batch: usize,
    messages: usize,
) -> Result<f64, tokio_postgres::Error> {
    client.batch_execute(TABLE).await?;
    let insert = "INSERT INTO bare SELECT n, 'message-' || n, 0, NULL, 1, $2
        FROM generate_series(1, $1::bigint) n";
    client.execute(insert, &[&(messages as i64), &PAYLOAD]).await?;
    let [look, claim, mark] = [
        "SELECT seq, id, bytes FROM bare WHERE state = 0 ORDER BY seq LIMIT $1",
        "UPDATE bare SET state = 1, token = 7, changed_ms = 7 WHERE seq = ANY ($1)",
        "UPDATE bare SET state = 2, changed_ms = 8 WHERE seq = ANY ($1)",
    ];
    client.batch_execute(TIDY).await?;
    let look = client.prepare(look).await?;
    let changes = [client.prepare(claim).await?, client.prepare(mark).await?];
    let began = Instant::now();
    for _ in 0..messages.div_ceil(batch) {
        let found = client.query(&look, &[&(batch as i64)]).await?;
        let seqs: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
        for change in &changes {
            client.execute(change, &[&seqs]).await?;
        }
    }
    Ok(messages as f64 / began.elapsed().as_secs_f64())
}

/// As for SQLite.
pub async fn tidy_postgres(connection: &str) -> miette::Result<()> {
    connect(connection).await?.batch_execute(TIDY).await.into_diagnostic()
}

/// What decides when a commit is answered: the server's settings, which both sides leave alone.
pub async fn durability(connection: &str) -> miette::Result<String> {
    let settings = "SELECT 'fsync ' || current_setting('fsync')
        || ', synchronous_commit ' || current_setting('synchronous_commit')";
    let row = connect(connection).await?.query_one(settings, &[]).await.into_diagnostic()?;
    Ok(row.get(0))
}

/// Makes an empty database for the measurement alone, and answers how to connect to it.
pub async fn database(connection: &str) -> miette::Result<String> {
    let client = connect(connection).await?;
    for statement in [
        "DROP DATABASE IF EXISTS fencepost_bench WITH (FORCE)",
        "CREATE DATABASE fencepost_bench ENCODING 'UTF8' TEMPLATE template0",
    ] {
        client.batch_execute(statement).await.into_diagnostic()?;
    }
    Ok(format!("{connection} dbname=fencepost_bench"))
}

async fn connect(connection: &str) -> miette::Result<Client> {
    let (client, driver) = tokio_postgres::connect(connection, NoTls).await.into_diagnostic()?;
    tokio::spawn(driver);
    Ok(client)
}
