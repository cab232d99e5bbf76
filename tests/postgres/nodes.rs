//! Three nodes in processes of their own, the commands of their operator, and their database.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fencepost::store::{PostgresConfig, PostgresStore};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::address::free_address;
use crate::server::Server;

pub const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// How long anything may take before the run counts as hung.
const PATIENCE: Duration = Duration::from_secs(180);

/// The tail of a log that a failure shows.
const SHOWN: usize = 2_000;

/// A directory with the files of three nodes, their processes, and their database.
pub struct Nodes {
    directory: tempfile::TempDir,
    running: BTreeMap<&'static str, Child>,
    runtime: Runtime,
    /// Beside the nodes, as a spectator.
    pub store: PostgresStore,
}

/// A new, empty database of the server of this process, and how it is reached.
pub fn database(runtime: &Runtime) -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| Server::start(5432, &[], &[]));
    let name = format!("nodes_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    create_database(runtime, server, &name);
    server.address(&name)
}

pub fn create_database(runtime: &Runtime, server: &Server, name: &str) {
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&server.address("postgres"), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    });
}

/// Runs a command of the real binary.
pub fn fencepost(arguments: &[&str], config: &Path) -> Output {
    command(arguments, config).output().unwrap()
}

fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fencepost"));
    command.args(arguments).arg("--config").arg(config);
    command.env_remove("FENCEPOST_LOG").stdin(Stdio::null());
    command
}

impl Nodes {
    /// `more` is added to each file.
    pub fn new(more: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let connection = database(&runtime);
        let voters = NODES.map(|node| format!("{node} = \"{}\"", free_address())).join("\n");
        for node in NODES {
            let config = format!(
                "cluster = \"nodes\"\nnode = \"{node}\"\ndata = \"{node}\"\n[voters]\n{voters}\n\
                 [store]\npostgres = \"{connection}\"\n[sink]\nfile = \"delivered.log\"\n{more}"
            );
            fs::write(directory.path().join(format!("{node}.toml")), config).unwrap();
        }
        let store = runtime.block_on(PostgresStore::open(&PostgresConfig::new(connection)));
        Self { directory, running: BTreeMap::new(), runtime, store: store.unwrap() }
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a command of n1's operator prints, which ends with `code`.
    pub fn run(&self, arguments: &[&str], code: i32) -> String {
        let output = fencepost(arguments, &self.path("n1.toml"));
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text:?}");
        text.concat()
    }

    pub fn start(&mut self, node: &'static str) {
        let log = File::options().create(true).append(true).open(self.path(&format!("{node}.log")));
        let mut command = command(&["node"], &self.path(&format!("{node}.toml")));
        self.running.insert(node, command.stderr(log.unwrap()).spawn().unwrap());
    }

    /// SIGKILL.
    pub fn kill(&mut self, node: &'static str) {
        let mut process = self.running.remove(node).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM to all, each of which must end well.
    pub fn stop_all(&mut self) {
        for process in self.running.values() {
            kill_process(Pid::from_child(process), Signal::TERM).unwrap();
        }
        for (node, mut process) in std::mem::take(&mut self.running) {
            let status = process.wait().unwrap();
            assert_eq!(status.code(), Some(0), "{node}\n{}", self.logs());
        }
    }

    /// Tries until there is an answer.
    pub fn wait_for<T>(&self, what: &str, look: impl AsyncFn(&PostgresStore) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = self.wait(look(&self.store)) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn logs(&self) -> String {
        let log = |node: &str| {
            let text = fs::read_to_string(self.path(&format!("{node}.log"))).unwrap_or_default();
            let from = text.len().saturating_sub(SHOWN);
            format!("{node}: {}\n", text.get(from..).unwrap_or(&text))
        };
        NODES.map(log).concat()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for process in self.running.values_mut() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
