//! A PostgreSQL server for the tests of one process: started by the first that asks, in a directory
//! of its own, reached by a socket there, and gone with the process, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::store::{PostgresConfig, PostgresStore};

/// Where Debian and others put what is not on the path.
const PLACES: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql"];

/// Whom the server runs as if the tests run as root, which it refuses.
const USERS: &[&str] = &["postgres", "nobody"];

/// What a directory must have to be taken for theirs.
const NEEDED: &[&str] = &["initdb", "postgres", "pg_isready"];

/// How often, and with which pause, a server that starts is asked whether it is there.
const ASKED: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

pub(in crate::store) struct Server {
    /// With the socket in it.
    directory: PathBuf,
    databases: AtomicU32,
    /// Its standard input is the string that ties the server to this process.
    _keeper: Child,
}

/// One database of the server, for one test.
pub(in crate::store) struct Database {
    pub(in crate::store) name: String,
    pub(in crate::store) server: &'static Server,
}

/// A new, empty database.
pub(in crate::store) async fn database() -> Database {
    database_with("").await
}

/// The same, with options of `CREATE DATABASE`.
pub(in crate::store) async fn database_with(options: &str) -> Database {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(Server::start);
    let name = format!("test_{}", server.databases.fetch_add(1, Ordering::Relaxed));
    let admin = server.connect("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
    Database { name, server }
}

impl Database {
    pub(in crate::store) fn config(&self) -> PostgresConfig {
        PostgresConfig::new(self.server.address(&self.name))
    }

    pub(in crate::store) async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.config()).await.unwrap()
    }

    /// A session of its own, beside those of any store.
    pub(in crate::store) async fn session(&self) -> Client {
        self.server.connect(&self.name).await
    }
}

impl Server {
    fn start() -> Self {
        let bin = binaries();
        let user = is_root().then(server_user);
        let directory = tempfile::Builder::new().prefix("fencepost-pg-").tempdir().unwrap().keep();
        if let Some(user) = user {
            run(Command::new("chown").arg(user).arg(&directory), "chown");
        }
        let data = directory.join("data");
        let initdb = bin.join("initdb");
        run(
            as_user(user, &initdb)
                .args(["-U", "fencepost", "--auth=trust", "--encoding=UTF8", "--locale=C"])
                .args(["--no-sync", "-D"])
                .arg(&data),
            "initdb",
        );
        let log = std::fs::File::create(directory.join("log")).unwrap();
        // Lives until its standard input ends, which is when this process does. TERM, because a shell
        // lets what it runs in the background ignore INT until that has a handler of its own.
        let script =
            "\"$@\" & server=$!; read -r _; kill -TERM $server; wait $server; rm -rf \"$0\"";
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(script).arg(&directory);
        let server = as_user(user, &bin.join("postgres"));
        keeper.arg(server.get_program()).args(server.get_args());
        keeper.arg("-D").arg(&data).arg("-k").arg(&directory);
        for setting in ["listen_addresses=", "fsync=off", "max_connections=400"] {
            keeper.arg("-c").arg(setting);
        }
        let mut keeper = keeper
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let ready = bin.join("pg_isready");
        for _ in 0..ASKED {
            let mut ask = Command::new(&ready);
            ask.arg("-q").arg("-h").arg(&directory).args(["-U", "fencepost", "-d", "postgres"]);
            if ask.status().unwrap().success() {
                return Self { directory, databases: AtomicU32::new(0), _keeper: keeper };
            }
            std::thread::sleep(PAUSE);
        }
        let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        drop(keeper.stdin.take());
        let _ = keeper.wait();
        panic!("PostgreSQL does not start:\n{log}");
    }

    pub(in crate::store) fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    fn address(&self, database: &str) -> String {
        format!("host={} user=fencepost dbname={database}", self.directory.display())
    }

    async fn connect(&self, database: &str) -> Client {
        let address = self.address(database);
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// The directory of the server's programs.
fn binaries() -> PathBuf {
    if let Some(directory) = std::env::var_os("FENCEPOST_POSTGRES_BIN") {
        return directory.into();
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for place in PLACES {
        let Ok(versions) = Path::new(place).read_dir() else { continue };
        found.extend(versions.flatten().map(|version| version.path().join("bin")));
        found.push(Path::new(place).join("bin"));
    }
    found.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    found.retain(|directory| NEEDED.iter().all(|it| directory.join(it).is_file()));
    found.sort();
    found.pop().expect(
        "these tests need PostgreSQL: install it (on Debian `apt-get install postgresql`), or name \
         the directory of initdb, postgres and pg_isready in FENCEPOST_POSTGRES_BIN",
    )
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn server_user() -> &'static str {
    let exists = |user: &&&str| {
        Command::new("id").arg("-u").arg(user).stdout(Stdio::null()).status().unwrap().success()
    };
    USERS.iter().find(exists).expect("as root, these tests need the user postgres or nobody")
}

/// That program, run by the user, if there is one.
fn as_user(user: Option<&str>, program: &Path) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).args(["--clear-groups", "--"]).arg(program);
            command
        }
    }
}

fn run(command: &mut Command, what: &str) {
    let output =
        command.current_dir("/").output().unwrap_or_else(|error| panic!("{what}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed:\n{said}");
}
