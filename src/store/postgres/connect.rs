//! Sessions: how they are made, what each is told at its start, and what can go wrong.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Hook, HookError, PoolError};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::warn;

use super::hosts::hosts_of;
use super::sessions::{Dial, Object, Pool, Session, Sessions};
use super::transaction::{describe, within};
use super::{
    ADDRESS_TIMEOUT, CALL_TIMEOUT, CONNECT_TIMEOUT, IDLE_IN_TRANSACTION_TIMEOUT, LOCK_TIMEOUT,
    MAX_SESSIONS, PostgresConfig, STATEMENT_TIMEOUT,
};
use crate::store::StoreError;

/// How long a silent connection may be silent before it is probed, and between probes.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A commit that is answered is durable, on a synchronous standby too: `remote_write` is not, a standby
/// has it in memory only. Never lowers what is configured.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', FALSE)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";
const NAME_CA: &str = ": if it is the right server, name the certificate of its authority as `ca` in \
                       [store]";
const NAME_PRIMARY: &str = ": a standby, or a database that is read-only for this user: name the primary as \
                            host, or all servers, or set default_transaction_read_only to off";
/// Every statement here looks its rows up by an index. Left to its own, the planner reads a table that was
/// small when it last counted from end to end, remembers that for as long as the session lasts, and
/// looks for messages for minutes once there is a backlog. It then takes the one row of the fence, which
/// has no other way, for so dear that it would compile that look to machine code each time.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";
const WRITABLE: &str =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::BOOLEAN,
    current_setting('fsync')::BOOLEAN";
/// Where it is not, ids would be changed on their way.
const ENCODING: &str = "SELECT pg_encoding_to_char(encoding) FROM pg_database
    WHERE datname = current_database()";

/// How a connection is made: what the configuration says, and what it is silent about.
fn settings(config: &PostgresConfig) -> Result<Config, StoreError> {
    let mut settings = parse(&config.connection).map_err(|why| unusable(&why))?;
    let mistake = mistake(&settings, config.password.is_some(), config.ca.is_some());
    if let Some(Mistake { what, remedy }) = mistake {
        return Err(unusable(&format!("{what}: {remedy}")));
    }
    if settings.get_connect_timeout().is_none() {
        settings.connect_timeout(ADDRESS_TIMEOUT.min(CONNECT_TIMEOUT / hosts_of(&settings)));
    }
    if settings.get_target_session_attrs() == TargetSessionAttrs::Any {
        settings.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if settings.get_application_name().is_none() {
        settings.application_name("fencepost");
    }
    settings.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(2);
    if settings.get_tcp_user_timeout().is_none() {
        // Nobody probes a connection that has sent something: of a host that is gone without a word the
        // kernel would hear the silence for a quarter of an hour.
        settings.tcp_user_timeout(CALL_TIMEOUT);
    }
    if let Some(password) = &config.password {
        settings.password(password.read().map_err(|error| unusable(&error.to_string()))?);
    }
    Ok(settings)
}

/// Reads a connection string. The error shows nothing of one that may have a password in it, because what
/// is not understood may be a part of that.
pub(crate) fn parse(connection: &str) -> Result<Config, String> {
    connection.parse().map_err(|error| {
        match connection.contains(['@', '%']) || connection.contains("pass") {
            true => {
                "it is not understood, and not shown, because there may be a password in it".into()
            }
            false => describe(&error),
        }
    })
}

/// What is wrong with a configuration that can be read, and what to do about it.
pub(crate) struct Mistake {
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

/// A mistake in how a connection is protected, if there is one.
pub(crate) fn mistake(settings: &Config, has_password: bool, has_ca: bool) -> Option<Mistake> {
    if settings.get_ssl_mode() == SslMode::Require {
        return None;
    }
    if has_ca {
        return Some(Mistake {
            what: "`ca` does nothing without encryption".into(),
            remedy: "add `sslmode=require` to the connection string, or remove `ca`",
        });
    }
    let host = first_beyond_loopback(settings)?;
    let has_password = has_password || settings.get_password().is_some();
    has_password.then(|| Mistake {
        what: format!("the password would travel to {host} in clear text"),
        remedy: "add `sslmode=require` to the connection string, and `ca` if the server's \
                 certificate is of no well-known authority",
    })
}

/// A host of these that is not this machine.
fn first_beyond_loopback(settings: &Config) -> Option<String> {
    let addresses = settings.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().find(|it| !it.is_loopback()).map(ToString::to_string);
    }
    let beyond = |host: &Host| match host {
        Host::Tcp(name) => {
            let here = name.parse().map_or(name == "localhost", |it: IpAddr| it.is_loopback());
            (!here).then(|| name.clone())
        }
        #[cfg(unix)]
        Host::Unix(_) => None,
    };
    settings.get_hosts().iter().find_map(beyond)
}

fn unusable(why: &str) -> StoreError {
    StoreError::Unavailable(format!("cannot connect: {why}"))
}

/// A pool for that database. No connection is made yet.
pub(super) fn pool(config: &PostgresConfig) -> Result<Pool, StoreError> {
    let settings = settings(config)?;
    let dial: Box<dyn Dial> = match settings.get_ssl_mode() {
        SslMode::Require => {
            let tls = crate::tls::client(config.ca.as_deref())
                .map_err(|error| unusable(&error.to_string()))?;
            Box::new(MakeRustlsConnect::new(tls))
        }
        _ => Box::new(NoTls),
    };
    Pool::builder(Sessions { settings, dial })
        .max_size(MAX_SESSIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(STATEMENT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .post_create(Hook::async_fn(|session: &mut Session, _| {
            Box::pin(async move {
                let limits = format!(
                    "SET statement_timeout = {}; SET lock_timeout = {};
                    SET idle_in_transaction_session_timeout = {}; {BY_INDEX}; {DURABLE}",
                    STATEMENT_TIMEOUT.as_millis(),
                    LOCK_TIMEOUT.as_millis(),
                    IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
                );
                session.batch_execute(&limits).await.map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| unusable(&error.to_string()))
}

/// Which process of the server answers a session, and the same in a transaction that stays open.
const BACKEND: &str = "SELECT pg_backend_pid()";
const BACKEND_OF_A_TRANSACTION: &str = "BEGIN; SELECT pg_backend_pid()";

/// How often two sessions are looked at: a pooler may take turns among the server's processes.
const POOLER_LOOKS: u32 = 3;

const POOLER: &str = "a pooler between this node and the database gives each transaction another session, \
                      so what a session is told is lost, and commits may not be durable: connect to the \
                      database itself, or let the pooler pool sessions (PgBouncer: pool_mode = session)";

/// Refuses a pooler of transactions: it lends the server's process that answered one session to another
/// one's transaction. Asks without prepared statements, which some poolers do not know.
pub(super) async fn check_pooler(one: Object, other: Object) -> Result<(), StoreError> {
    let pooled = || Err(StoreError::Unavailable(POOLER.into()));
    for _ in 0..POOLER_LOOKS {
        let before = backend(&one, BACKEND).await?;
        let taken = match backend(&other, BACKEND_OF_A_TRANSACTION).await {
            // One that pools statements refuses to begin a transaction.
            Err(StoreError::Unavailable(why)) if why.contains("pooling mode") => return pooled(),
            answer => answer?,
        };
        if taken == before || backend(&one, BACKEND).await? != before {
            return pooled();
        }
        within(other.batch_execute("ROLLBACK")).await?;
    }
    // Whoever needs a second one makes it.
    drop(Object::take(other));
    Ok(())
}

async fn backend(session: &Object, question: &str) -> Result<Option<String>, StoreError> {
    let answers = within(session.simple_query(question)).await?;
    Ok(answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

/// Refuses a database that takes no writes, as a standby does, and warns of one that forgets them.
pub(super) async fn check_writable(session: Object) -> Result<(), StoreError> {
    let found = super::transaction::rows(session, WRITABLE, &[]).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let (standby, read_only): (bool, bool) = (super::rows::get(row, 0)?, super::rows::get(row, 1)?);
    if !super::rows::get::<bool>(row, 2)? {
        warn!(
            "the database server runs with fsync = off: when its machine fails, what it had committed may be \
             lost, the fence with it, and messages go out twice"
        );
    }
    let why = match (standby, read_only) {
        (true, _) => "the server is a standby: name the primary as host, or all of them",
        (false, true) => {
            "the database is read-only for this user: set default_transaction_read_only to off, for the \
             role, the database or the server"
        }
        (false, false) => return Ok(()),
    };
    Err(StoreError::Unavailable(why.into()))
}

/// Refuses a database whose character set would change what is written.
pub(super) async fn check_encoding(session: Object) -> Result<(), StoreError> {
    let found = super::transaction::rows(session, ENCODING, &[]).await?;
    let encoding: String = match found.first() {
        Some(row) => super::rows::get(row, 0)?,
        None => "unknown".into(),
    };
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the database's character set is {encoding}: create one with ENCODING 'UTF8'"
    )))
}

/// Whether the server showed a certificate that no trusted authority has signed.
fn is_of_nobody_known(error: &tokio_postgres::Error) -> bool {
    let refused = |cause: &io::Error| {
        let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        tls == Some(&unknown)
    };
    error.source().and_then(|cause| cause.downcast_ref()).is_some_and(refused)
}

/// Whether the server takes no writes. The driver has no other sign of it.
fn is_read_only(error: &tokio_postgres::Error) -> bool {
    let says = |cause: &dyn std::error::Error| cause.to_string().contains("does not allow writes");
    error.as_db_error().is_none() && error.source().is_some_and(says)
}

/// Why there was no session.
pub(super) fn why_none(error: &PoolError<tokio_postgres::Error>) -> String {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            let remedy = match is_of_nobody_known(error) {
                true => NAME_CA,
                false if is_read_only(error) => NAME_PRIMARY,
                false => "",
            };
            format!("cannot connect: {}{remedy}", describe(error))
        }
        PoolError::Timeout(_) => {
            format!("no connection within {CONNECT_TIMEOUT:?}, or all {MAX_SESSIONS} are in use")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(text: &str, password: bool, ca: bool) -> Option<String> {
        let found = mistake(&parse(text).unwrap(), password, ca);
        found.map(|Mistake { what, remedy }| format!("{what}: {remedy}"))
    }

    #[test]
    fn a_password_leaves_the_machine_only_encrypted() {
        for (text, beyond) in [
            ("host=db.example.org user=x", Some("db.example.org")),
            ("host=10.0.0.1 user=x sslmode=prefer", Some("10.0.0.1")),
            ("host=localhost hostaddr=10.0.0.1 user=x", Some("10.0.0.1")),
            ("host=localhost,db2 user=x", Some("db2")),
            ("postgresql://x@db.example.org/mail?sslmode=disable", Some("db.example.org")),
            ("host=db.example.org user=x sslmode=require", None),
            ("host=localhost user=x", None),
            ("host=127.0.0.2 user=x", None),
            ("host=::1 user=x", None),
            ("host=/run/postgresql user=x", None),
            ("host=db.example.org hostaddr=127.0.0.1 user=x", None),
        ] {
            let why = why_not(text, true, false);
            assert_eq!(why.is_some(), beyond.is_some(), "{text}: {why:?}");
            let why = why.unwrap_or_default();
            assert!(why.contains(beyond.unwrap_or_default()), "{text}: {why}");
            assert!(why.is_empty() || why.contains("sslmode=require"), "{text}: {why}");
            assert_eq!(why_not(text, false, false), None, "{text}: there is none to show");
        }
        let why = why_not("postgresql://x:geheim@db.example.org/mail", false, false).unwrap();
        assert!(why.contains("db.example.org") && !why.contains("geheim"), "{why}");
    }

    #[test]
    fn an_authority_without_encryption_is_a_mistake() {
        for text in ["host=h user=x", "host=localhost sslmode=prefer", "host=/run sslmode=disable"]
        {
            let why = why_not(text, false, true).unwrap();
            assert!(why.contains("`ca`") && why.contains("sslmode=require"), "{text}: {why}");
        }
        assert_eq!(why_not("host=h user=x sslmode=require", false, true), None);
    }

    #[test]
    fn what_is_not_understood_of_a_password_is_not_shown() {
        for text in
            ["host=h password=ge heim=x", "postgresql://x:p@h/d?geheim=1", "host=h passwd=geheim"]
        {
            let why = settings(&PostgresConfig::new(text)).map(drop).unwrap_err().to_string();
            assert!(!why.contains("heim"), "{why}");
        }
        let why = parse("host=h wrong=1").unwrap_err();
        assert!(why.contains("wrong"), "what is no secret is told: {why}");
    }

    #[test]
    fn what_a_lost_host_is_sent_is_not_waited_for_longer_than_a_call() {
        let limit = |text: &str| {
            let settings = settings(&PostgresConfig::new(text)).unwrap();
            settings.get_tcp_user_timeout().copied()
        };
        assert_eq!(limit("host=h user=x"), Some(CALL_TIMEOUT));
        let configured = limit("host=h user=x tcp_user_timeout=3");
        assert_eq!(configured, Some(Duration::from_secs(3)), "the configuration has the last word");
    }
}
