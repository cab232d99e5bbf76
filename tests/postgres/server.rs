//! A PostgreSQL server for the tests of one process: in a directory of its own, reached by a socket there,
//! and gone with the process, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where Debian and others put what is not on the path.
const PLACES: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql"];

/// Whom the server runs as if the tests run as root, which it refuses.
const USERS: &[&str] = &["postgres", "nobody"];

/// What a directory must have to be taken for theirs.
const NEEDED: &[&str] = &["initdb", "postgres", "pg_isready"];

/// How often, and with which pause, a server that starts is asked whether it is there.
const ASKED: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

pub struct Server {
    /// With the socket in it.
    pub directory: PathBuf,
    pub port: u16,
    /// Its standard input is the string that ties the server to this process.
    _keeper: Child,
}

impl Server {
    /// Starts one, with these settings beside its own. `files` are put into its directory, for the
    /// server alone to read; a setting names them as `../server.key`, or a configuration file as `hba.conf`.
    pub fn start(port: u16, settings: &[String], files: &[(&str, &str)]) -> Self {
        let bin = binaries();
        let user = is_root().then(server_user);
        let directory = tempfile::Builder::new().prefix("fencepost-pg-").tempdir().unwrap().keep();
        for (name, content) in files {
            let path = directory.join(name);
            std::fs::write(&path, content).unwrap();
            run(Command::new("chmod").arg("600").arg(&path), "chmod");
        }
        if let Some(user) = user {
            run(Command::new("chown").arg("-R").arg(user).arg(&directory), "chown");
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
        keeper.arg("-D").arg(&data).arg("-k").arg(&directory).arg("-p").arg(port.to_string());
        let usual = ["listen_addresses=", "max_connections=400"];
        for setting in usual.into_iter().chain(settings.iter().map(String::as_str)) {
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
            ask.arg("-q").arg("-h").arg(&directory).arg("-p").arg(port.to_string());
            if ask.args(["-U", "fencepost", "-d", "postgres"]).status().unwrap().success() {
                return Self { directory, port, _keeper: keeper };
            }
            std::thread::sleep(PAUSE);
        }
        let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        drop(keeper.stdin.take());
        let _ = keeper.wait();
        panic!("PostgreSQL does not start:\n{log}");
    }

    /// How a database of it is reached by the socket.
    pub fn address(&self, database: &str) -> String {
        let (host, port) = (self.directory.display(), self.port);
        format!("host={host} port={port} user=fencepost dbname={database}")
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

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn server_user() -> &'static str {
    let exists = |user: &&&str| {
        Command::new("id").arg("-u").arg(user).stdout(Stdio::null()).status().unwrap().success()
    };
    USERS.iter().find(exists).expect("as root, these tests need the user postgres or nobody")
}

/// That program, run by the user, if there is one.
pub fn as_user(user: Option<&str>, program: &Path) -> Command {
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
