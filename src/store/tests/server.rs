//! The PostgreSQL server of this process's tests, started by the first that asks, and its databases.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

use self::process::Server;
use crate::store::{PostgresConfig, PostgresStore};

#[path = "../../../tests/postgres/server.rs"]
pub(in crate::store) mod process;

/// One database of the server, for one test.
pub(in crate::store) struct Database {
    pub(in crate::store) name: String,
    server: &'static Server,
}

/// A new, empty database.
pub(in crate::store) async fn database() -> Database {
    database_with("").await
}

/// The same, with options of `CREATE DATABASE`.
pub(in crate::store) async fn database_with(options: &str) -> Database {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| Server::start(5432, &[], &[]));
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let admin = connect(&server.address("postgres")).await;
    admin.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
    Database { name, server }
}

/// One of a server of its own, whose settings a test may change.
pub(in crate::store) fn of_its_own_server() -> Database {
    // Ends with the process, as the other one does.
    let server = Box::leak(Box::new(Server::start(5432, &[], &[])));
    Database { name: "postgres".into(), server }
}

impl Database {
    /// How a program that is no store of ours finds it.
    pub(in crate::store) fn place(&self) -> (&std::path::Path, u16) {
        (&self.server.directory, self.server.port)
    }

    pub(in crate::store) fn config(&self) -> PostgresConfig {
        PostgresConfig::new(self.server.address(&self.name))
    }

    pub(in crate::store) async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.config()).await.unwrap()
    }

    /// A session of its own, beside those of any store.
    pub(in crate::store) async fn session(&self) -> Client {
        connect(&self.server.address(&self.name)).await
    }

    /// Where the server listens.
    pub(in crate::store) fn socket(&self) -> PathBuf {
        self.server.directory.join(format!(".s.PGSQL.{}", self.server.port))
    }
}

async fn connect(address: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
