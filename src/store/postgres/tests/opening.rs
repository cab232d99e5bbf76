//! Databases that are new, older, newer, read-only, or not there.

use super::proxy::Proxy;
use crate::id::Token;
use crate::store::postgres::schema::VERSION;
use crate::store::tests::server::{Database, database, database_with};
use crate::store::tests::{add, attempt, claim, raise};
use crate::store::{
    Assigned, Assignments, Fence, JobName, JobRuns, PostgresConfig, PostgresStore, StoreError,
    WorkName,
};

async fn why_not(config: &PostgresConfig) -> String {
    match PostgresStore::open(config).await {
        Err(StoreError::Unavailable(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it must not open"),
    }
}

async fn run(database: &Database, sql: &str) {
    database.session().await.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn nodes_that_start_at_once_make_the_tables_once() {
    let database = database().await;
    let config = database.config();
    let starts: Vec<_> = (0..6)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move { PostgresStore::open(&config).await.map(drop) })
        })
        .collect();
    for start in starts {
        assert_eq!(start.await.unwrap(), Ok(()));
    }
    let store = database.store().await;
    assert_eq!(store.fence().await.unwrap().floor, Token(0));
}

/// A node takes part while its database is away: it is opened by the first call that reaches it, and what
/// cannot be used is said by each call, until it can.
#[tokio::test]
async fn a_database_is_opened_when_it_is_there() {
    let database = database().await;
    let missing = format!("{}_later", database.name);
    let address = database.config().connection.replace(&database.name, &missing);
    let store = PostgresStore::open_later(&PostgresConfig::new(address)).unwrap();
    let away = store.roll().await.unwrap_err();
    assert!(matches!(&away, StoreError::Unavailable(why) if why.contains(&missing)), "{away}");
    run(&database, &format!("CREATE DATABASE {missing}")).await;
    assert_eq!(store.bind("mail").await, Ok(()));
    assert_eq!(store.fence().await.unwrap().cluster.as_deref(), Some("mail"));

    let newer = self::database().await;
    newer.store().await;
    let set = |version| format!("UPDATE fencepost.schema_version SET version = {version}");
    run(&newer, &set(VERSION + 1)).await;
    let store = PostgresStore::open_later(&newer.config()).unwrap();
    let refused = store.roll().await.unwrap_err();
    assert!(refused.to_string().contains("newer Fencepost"), "{refused}");
    run(&newer, &set(VERSION)).await;
    assert!(store.roll().await.is_ok());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let database = database().await;
    database.store().await;
    run(&database, &format!("UPDATE fencepost.schema_version SET version = {}", VERSION + 1)).await;
    let why = why_not(&database.config()).await;
    assert!(why.contains("newer Fencepost"), "{why}");
    run(&database, "UPDATE fencepost.schema_version SET version = -1").await;
    let why = why_not(&database.config()).await;
    assert!(why.contains("version -1"), "{why}");
}

/// The indexes of the outbox as the server tells them.
async fn indexes(database: &Database) -> Vec<String> {
    let which = "SELECT indexdef FROM pg_indexes WHERE tablename = 'outbox' ORDER BY indexname";
    let found = database.session().await.query(which, &[]).await.unwrap();
    found.iter().map(|row| row.get(0)).collect()
}

/// As an older version's program left it: with a message claimed, and no word of assignments.
#[tokio::test]
async fn an_older_schema_is_migrated_and_keeps_everything() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let claimed = claim(&store, 5, &[attempt("m", 1)]).await;
    let before = store.entries(None).await;
    let indexes = indexes(&database).await;
    let older = "INSERT INTO fencepost.job (name, cursor_ms) VALUES ('ahead', 90500), ('new', 70),
            ('skipping', 900), ('steady', 500);
        INSERT INTO fencepost.job_run
            (job, first_ms, last_ms, count, state, token, begun_ms, reason) VALUES
            ('ahead', 400, 400, 1, 1, 5, 400, NULL),
            ('ahead', 500, 500, 1, 4, 5, 500, 'late: the misfire policy skips it'),
            ('ahead', 700, 90000, 9, 4, 5, 90100, 'late: the misfire policy skips it'),
            ('ahead', 90100, 90100, 1, 1, 5, 90100, NULL),
            ('ahead', 90500, 90500, 1, 0, 5, 90500, NULL),
            ('skipping', 100, 900, 9, 4, 5, 950, 'late: the misfire policy skips it'),
            ('steady', 500, 500, 1, 1, 5, 500, NULL);
        DROP INDEX fencepost.job_run_order;
        ALTER TABLE fencepost.job DROP COLUMN schedule, DROP COLUMN since_ms, DROP COLUMN ran;
        DROP INDEX fencepost.outbox_free, fencepost.outbox_waiting,
            fencepost.outbox_failed, fencepost.outbox_doubts;
        CREATE INDEX outbox_pending ON fencepost.outbox (seq) WHERE state = 0;
        CREATE INDEX outbox_doubts ON fencepost.outbox (seq) WHERE state = 4 AND NOT parked;
        DROP TABLE fencepost.work, fencepost.assignment;
        ALTER TABLE fencepost.outbox DROP COLUMN share_work, DROP COLUMN share_epoch,
            DROP COLUMN share_node;
        UPDATE fencepost.schema_version SET version = 2";
    run(&database, older).await;
    let store = database.store().await;
    assert_eq!(store.entries(None).await, before);
    assert_eq!(self::indexes(&database).await, indexes);
    assert_eq!(claim(&store, 5, &[attempt("m", 1)]).await, claimed, "the claim stands");
    assert_eq!(store.assignments(&WorkName::new("outbox").unwrap()).await, Ok(Assigned::default()));
    let names = ["ahead", "new", "skipping", "steady"].map(|name| JobName::new(name).unwrap());
    let states = store.job_states(&names).await.unwrap().jobs;
    let ran: Vec<_> = states.iter().map(|state| state.as_ref().unwrap().ran.to_text()).collect();
    assert_eq!(ran, ["0-699,90100-90500", "", "0-99", "0-500"]);
}

#[tokio::test]
async fn a_read_only_database_says_so_and_loses_nothing() {
    let database = database().await;
    let store = database.store().await;
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
    store.session().await.unwrap().batch_execute(read_only).await.unwrap();
    let refused = claim(&store, 5, &[attempt("m", 1)]).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("read-only")),
        "{refused:?}"
    );
    let name = &database.name;
    run(&database, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    let why = why_not(&database.config()).await;
    assert!(why.contains("does not allow writes") && why.contains("name the primary"), "{why}");
    let any = database.config().connection + " target_session_attrs=read-only";
    let why = why_not(&PostgresConfig::new(any)).await;
    assert!(why.contains("read-only for this user"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_reached_says_what_and_why() {
    let database = database().await;
    let with = |text: &str| PostgresConfig::new(text);
    let why = why_not(&with("host=127.0.0.1 port=1 user=x")).await;
    assert!(why.contains("cannot connect") && why.contains("refused"), "{why}");
    let missing = database.config().connection.replace(&database.name, "missing");
    let why = why_not(&with(&missing)).await;
    assert!(why.contains("\"missing\" does not exist"), "{why}");
    let why = why_not(&with("host=h prot=5432")).await;
    assert!(why.contains("prot"), "{why}");
    let secret = crate::SecretSource::Env("FENCEPOST_TEST_UNSET".into());
    let why = why_not(&PostgresConfig { password: Some(secret), ..database.config() }).await;
    assert!(why.contains("FENCEPOST_TEST_UNSET"), "{why}");
    let ascii = database_with("ENCODING 'SQL_ASCII' TEMPLATE template0").await;
    let why = why_not(&ascii.config()).await;
    assert!(why.contains("SQL_ASCII") && why.contains("UTF8"), "{why}");
}

/// As of a host that was stopped, whose kernel still takes connections. The one test that waits for its part of the
/// limit.
#[tokio::test]
async fn a_silent_host_leaves_time_for_the_next() {
    let database = database().await;
    let proxy = Proxy::start(&database);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = format!("{},{}", silent.local_addr().unwrap().port(), proxy.port);
    let text =
        format!("host=127.0.0.1,127.0.0.1 port={ports} user=fencepost dbname={}", database.name);
    let store = PostgresStore::open(&PostgresConfig::new(text)).await.map(drop);
    assert_eq!(store, Ok(()));
}

#[tokio::test]
async fn sessions_are_durable_and_limited() {
    let database = database().await;
    let name = &database.name;
    for (configured, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let alter = format!("ALTER DATABASE {name} SET synchronous_commit = {configured}");
        run(&database, &alter).await;
        let session = database.store().await.session().await.unwrap();
        let row = session.query_one("SHOW synchronous_commit", &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{configured}");
    }
    let store = database.store().await;
    let session = store.session().await.unwrap();
    for (setting, expected) in [
        ("enable_seqscan", "off"),
        ("jit", "off"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "2s"),
    ] {
        let row = session.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
    let slow = session.batch_execute("SET statement_timeout = 50; SELECT pg_sleep(60)").await;
    let why = super::super::transaction::describe(&slow.unwrap_err());
    assert!(why.contains("statement timeout") && why.contains("57014"), "{why}");
}
