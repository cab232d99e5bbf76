//! PgBouncer between a store and the server, if it is installed: `pgbouncer` on Debian.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::store::tests::server::process::{as_user, is_root, server_user};
use crate::store::tests::server::{Database, database};
use crate::store::tests::{add, attempt, claim, raise};
use crate::store::{Checked, Claim, PostgresConfig, PostgresStore, StoreError};

const PAUSE: Duration = Duration::from_millis(20);

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places.map(|place| place.join("pgbouncer")).find(|program| program.is_file())
}

struct Pooler {
    directory: tempfile::TempDir,
    process: Child,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Pooler {
    fn start(program: &Path, database: &Database, mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (host, port) = database.place();
        let config = directory.path().join("pgbouncer.ini");
        let here = directory.path().display();
        let text = format!(
            "[databases]\n* = host={} port={port} user=fencepost\n[pgbouncer]\n\
             listen_port = 6432\nunix_socket_dir = {here}\nauth_type = any\npool_mode = {mode}\n",
            host.display()
        );
        std::fs::write(&config, text).unwrap();
        let user = is_root().then(server_user);
        if let Some(user) = user {
            let mut chown = Command::new("chown");
            assert!(chown.arg("-R").arg(user).arg(directory.path()).status().unwrap().success());
        }
        let mut command = as_user(user, program);
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = command.arg("-q").arg(&config).stdin(Stdio::null()).stderr(log).spawn();
        Self { directory, process: process.unwrap() }
    }

    async fn open(&mut self, database: &Database) -> Result<PostgresStore, StoreError> {
        let here = self.directory.path();
        let socket = here.join(".s.PGSQL.6432");
        while !socket.exists() {
            let ended = self.process.try_wait().unwrap();
            let log = || std::fs::read_to_string(here.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "PgBouncer has ended: {}", log());
            tokio::time::sleep(PAUSE).await;
        }
        let (host, name) = (here.display(), &database.name);
        let address = format!("host={host} port=6432 user=fencepost dbname={name}");
        PostgresStore::open(&PostgresConfig::new(address)).await
    }
}

#[tokio::test]
async fn a_pooler_of_transactions_is_refused_by_name_and_one_of_sessions_is_not() {
    let Some(program) = program() else {
        eprintln!("not tried: PgBouncer is not installed");
        return;
    };
    for mode in ["transaction", "statement"] {
        let database = database().await;
        let opened = Pooler::start(&program, &database, mode).open(&database).await;
        let Err(StoreError::Unavailable(why)) = opened.map(drop) else {
            panic!("{mode}: it opens")
        };
        assert!(why.contains("pooler") && why.contains("pool_mode = session"), "{mode}: {why}");
    }
    let database = database().await;
    let mut pooler = Pooler::start(&program, &database, "session");
    let store = pooler.open(&database).await.unwrap();
    add(&store, &["m"]).await;
    raise(&store, 5).await;
    let claimed = claim(&store, 5, &[attempt("m", 1)]).await;
    assert_eq!(claimed, Ok(Checked::Passed(vec![Claim::Granted { send_within: None }])));
}
