//! A cluster of real processes: its configuration files, its signals, its log lines.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fencepost::store::{MessageState, SqliteOutbox};
use rustix::process::{Pid, Signal, kill_process};

use crate::address::free_address;

pub const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// How long anything may take before the run counts as hung.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a node may take to end after SIGTERM: the limit of its graceful stop, and some.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The production binary, built once. With assertions, and from the dependencies that other tests of
/// the real build have already compiled.
pub fn fencepost() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target = root.join("target/prod");
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "fencepost", "--target-dir"])
            .arg(&target)
            .args(["--config", "target.'cfg(all())'.rustflags=['--cfg','production']"])
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(root)
            .status();
        assert!(build.expect("cargo starts").success(), "the production build failed");
        target.join("debug/fencepost")
    })
}

/// A directory with three configurations, and the processes that run from them.
pub struct Cluster {
    directory: PathBuf,
    running: BTreeMap<&'static str, Child>,
    /// Asked to end.
    ending: BTreeMap<&'static str, Child>,
}

impl Cluster {
    pub fn new(name: &str) -> Self {
        let unique = format!("{name}-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&directory).unwrap();
        let voters = NODES.map(|node| format!("{node} = \"{}\"", free_address()));
        for node in NODES {
            let config = format!(
                "cluster = \"processes\"\nnode = \"{node}\"\ndata = \"{node}\"\n\n[voters]\n{}\n\n\
                 [store]\nsqlite = \"outbox.db\"\n\n[sink]\nfile = \"delivered.log\"\n",
                voters.join("\n")
            );
            fs::write(directory.join(format!("{node}.toml")), config).unwrap();
        }
        Self { directory, running: BTreeMap::new(), ending: BTreeMap::new() }
    }

    /// Writes the configuration of another node, `like` but with these texts replaced.
    pub fn add(&self, node: &str, like: &str, replaced: &[(&str, &str)]) {
        let mut config = fs::read_to_string(self.path(&format!("{like}.toml"))).unwrap();
        for (from, to) in replaced {
            assert!(config.contains(from), "{from} is not in:\n{config}");
            config = config.replacen(from, to, 1);
        }
        fs::write(self.path(&format!("{node}.toml")), config).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn command(&self, command: &str, node: &str) -> Command {
        let mut process = Command::new(fencepost());
        process.arg(command).arg("--config").arg(self.path(&format!("{node}.toml")));
        process.env_remove("FENCEPOST_LOG").stdin(Stdio::null());
        process
    }

    pub fn output(&self, command: &str, node: &str, more: &[&str]) -> Output {
        self.command(command, node).args(more).output().unwrap()
    }

    pub fn start(&mut self, node: &'static str) {
        let log = self.path(&format!("{node}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let process = self.command("node", node).stderr(log).spawn().unwrap();
        self.running.insert(node, process);
    }

    /// With everything logged into a pipe that stays open and is never read.
    pub fn start_unread(&mut self, node: &'static str) {
        let mut command = self.command("node", node);
        let process = command.args(["--log", "trace"]).stderr(Stdio::piped()).spawn().unwrap();
        self.running.insert(node, process);
    }

    pub fn start_all(&mut self) {
        NODES.into_iter().for_each(|node| self.start(node));
    }

    /// Deletes what the node remembers.
    pub fn wipe(&self, node: &str) {
        assert!(!self.running.contains_key(node));
        match fs::remove_dir_all(self.path(node)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }

    /// Everything the node has logged.
    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.path(&format!("{node}.log"))).unwrap_or_default()
    }

    /// Waits until the node logs a line with `part`, the first `skipped` bytes not counted.
    pub fn wait_for_log(&mut self, node: &str, skipped: usize, part: &str) {
        self.wait_for(part, |cluster| cluster.log(node)[skipped..].contains(part).then_some(()));
    }

    pub fn signal(&self, node: &str, signal: Signal) {
        kill_process(Pid::from_child(&self.running[node]), signal).unwrap();
    }

    pub fn outbox(&self) -> SqliteOutbox {
        SqliteOutbox::open(&self.path("outbox.db")).unwrap()
    }

    /// The floor, and the node that holds it.
    pub fn fence(&self) -> (u64, String) {
        let fence = self.outbox().fence().unwrap();
        (fence.floor.0, fence.holder.map_or(String::new(), |holder| holder.node.to_string()))
    }

    /// Tries until there is an answer.
    pub fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: not after {PATIENCE:?}\n{}\n{}",
                self.stored(),
                self.logs()
            );
            let mut running = self.running.iter_mut();
            let ended =
                running.find_map(|(node, process)| Some((*node, process.try_wait().ok()??)));
            assert!(ended.is_none(), "ended by itself: {ended:?}\n{}", self.logs());
            sleep(Duration::from_millis(2));
        }
    }

    /// The leader that holds a token above `token`, and its token.
    pub fn wait_for_leader(&mut self, token: u64) -> (u64, &'static str) {
        self.wait_for("a leader with a higher token", |cluster| {
            let (floor, holder) = cluster.fence();
            let node = NODES.into_iter().find(|node| *node == holder)?;
            (floor > token).then_some((floor, node))
        })
    }

    /// Waits until `least` are delivered, and answers how many are.
    pub fn wait_for_delivered(&mut self, outbox: &mut SqliteOutbox, least: u64) -> u64 {
        self.wait_for("deliveries", |_| {
            let delivered = outbox.counts().unwrap().of(MessageState::Delivered);
            (delivered >= least).then_some(delivered)
        })
    }

    /// Waits until every message is at its end, and nothing is in doubt that proof could settle.
    pub fn wait_for_the_last(&mut self, outbox: &mut SqliteOutbox) {
        self.wait_for("every message at its end", |_| {
            let counts = outbox.counts().unwrap();
            let open = counts.of(MessageState::Pending) + counts.of(MessageState::Claimed);
            (open == 0 && outbox.doubts(1).unwrap().is_empty()).then_some(())
        });
    }

    /// SIGTERM or SIGINT; see [`Self::wait_for_end`].
    pub fn ask_to_end(&mut self, node: &'static str, signal: Signal) {
        self.signal(node, signal);
        let process = self.running.remove(node).unwrap();
        self.ending.insert(node, process);
    }

    /// SIGKILL.
    pub fn kill(&mut self, node: &'static str) {
        self.signal(node, Signal::KILL);
        self.running.remove(node).unwrap().wait().unwrap();
    }

    /// Stops whatever runs, gracefully.
    pub fn stop_all(&mut self) {
        let running: Vec<_> = self.running.keys().copied().collect();
        for &node in &running {
            self.ask_to_end(node, Signal::TERM);
        }
        for node in running {
            self.wait_for_end(node);
        }
    }

    /// Waits for the end of a process that was asked to end, which must be a good one.
    pub fn wait_for_end(&mut self, node: &'static str) {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.ending.get_mut(node).unwrap().try_wait().unwrap() {
                break status;
            }
            assert!(
                began.elapsed() < STOP_LIMIT,
                "{node} did not end within {STOP_LIMIT:?}\n{}",
                self.logs()
            );
            sleep(Duration::from_millis(2));
        };
        self.ending.remove(node);
        assert_eq!(status.code(), Some(0), "{node}\n{}", self.logs());
    }

    /// What the store has, as far as it can be asked.
    fn stored(&self) -> String {
        SqliteOutbox::open(&self.path("outbox.db")).map_or_else(
            |error| error.to_string(),
            |mut outbox| format!("{:?}\n{:?}", outbox.counts(), outbox.fence()),
        )
    }

    pub fn logs(&self) -> String {
        let mut files: Vec<_> = fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .filter(|path| !path.ends_with("delivered.log"))
            .collect();
        files.sort();
        let log = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            format!("{}:\n{last}\n", path.display())
        };
        files.iter().map(log).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.running.values_mut().chain(self.ending.values_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
        // What a failed run leaves behind is evidence.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
