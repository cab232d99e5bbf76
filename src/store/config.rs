//! Where fence and outbox are: plain data, which a node's configuration is read into in every build.
//! Only real builds connect to a server.

use std::path::PathBuf;

use crate::secret::SecretSource;

/// Where fence and outbox are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// In a file, which the processes of one machine share.
    Sqlite(PathBuf),
    /// In a database, which several machines reach.
    Postgres(PostgresConfig),
}

/// How to reach a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// A connection string of `key=value` pairs or a URL, as `libpq` knows them, without a password.
    ///
    /// `sslmode=require` is TLS with a certificate that is checked, as `verify-full` is in `libpq`; the
    /// default, `prefer`, is none. `target_session_attrs` is `read-write` unless it says otherwise, and
    /// `tcp_user_timeout` ten seconds. Without TLS a password is not sent beyond this machine: opening the store
    /// fails.
    pub connection: String,
    /// Where the password is, if one is needed.
    pub password: Option<SecretSource>,
    /// PEM file with the certificates to trust in the place of the well-known ones. Needs `sslmode=require`.
    pub ca: Option<PathBuf>,
}

impl PostgresConfig {
    /// A database that needs no password.
    pub fn new(connection: impl Into<String>) -> Self {
        Self { connection: connection.into(), password: None, ca: None }
    }
}
