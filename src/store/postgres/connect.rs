//! Sessions: how they are made, what each is told at its start, and what can go wrong.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use deadpool_postgres::{
    ConfigConnectImpl, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime,
};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::hosts::{InTurn, hosts_of};
use super::transaction::describe;
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
/// Every statement here looks its rows up by an index. Left to its own, the planner reads a table that was
/// small when it last counted from end to end, remembers that for as long as the session lasts, and
/// looks for messages for minutes once there is a backlog. It then takes the one row of the fence, which
/// has no other way, for so dear that it would compile that look to machine code each time.
const BY_INDEX: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";
/// Where it is not, ids would be changed on their way.
const ENCODING: &str = "SELECT pg_encoding_to_char(encoding) FROM pg_database
    WHERE datname = current_database()";

/// How a connection is made: what the configuration says, and what it is silent about.
fn settings(config: &PostgresConfig) -> Result<Config, StoreError> {
    let mut settings: Config =
        config.connection.parse().map_err(|error| unusable(&describe(&error)))?;
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

fn unusable(why: &str) -> StoreError {
    StoreError::Unavailable(format!("cannot connect: {why}"))
}

/// A pool for that database. No connection is made yet.
pub(super) fn pool(config: &PostgresConfig) -> Result<Pool, StoreError> {
    let settings = settings(config)?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match settings.get_ssl_mode() {
        SslMode::Require => {
            let tls = crate::tls::client(config.ca.as_deref())
                .map_err(|error| unusable(&error.to_string()))?;
            let tls = ConfigConnectImpl { tls: MakeRustlsConnect::new(tls) };
            Manager::from_connect(settings, InTurn(tls), recycling)
        }
        _ => Manager::from_connect(settings, InTurn(ConfigConnectImpl { tls: NoTls }), recycling),
    };
    Pool::builder(manager)
        .max_size(MAX_SESSIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(STATEMENT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .post_create(Hook::async_fn(|session, _| {
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

/// Why there was no session.
pub(super) fn why_none(error: &PoolError) -> String {
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            let remedy = if is_of_nobody_known(error) { NAME_CA } else { "" };
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
