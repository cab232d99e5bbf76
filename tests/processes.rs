//! Reality: three processes of the production build on one machine, a SQLite file and a sink file
//! between them, and real signals. Time limits here only fail a run that hangs; nothing is decided
//! by how long it took.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use fencepost::WallTime;
use fencepost::store::{Entry, MessageId, MessageState, SqliteOutbox};
use rustix::process::{Pid, Signal, kill_process};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const MESSAGES: usize = 1000;
/// The leader is killed when this many are delivered, and its successor stopped at this many.
const KILL_AFTER: u64 = 150;
const STOP_AFTER: u64 = 400;
/// How long the successor is stopped: several leases, elections and activations long.
const STOPPED: Duration = Duration::from_secs(5);
/// How long anything may take before the run counts as hung.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a node may take to end after SIGTERM: the limit of its graceful stop, and some.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The production binary, built once.
fn fencepost() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target = root.join("target/prod");
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "-p", "fencepost", "--target-dir"])
            .arg(&target)
            .args(["--config", "target.'cfg(all())'.rustflags=['--cfg','production']"])
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(root)
            .status();
        assert!(build.expect("cargo starts").success(), "the production build failed");
        target.join("release/fencepost")
    })
}

/// A directory with three configurations, and the processes that run from them.
struct Cluster {
    directory: PathBuf,
    running: BTreeMap<&'static str, Child>,
}

impl Cluster {
    fn new(name: &str) -> Self {
        let unique = format!("{name}-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&directory).unwrap();
        // Held together while they are drawn, so that they differ.
        let held: Vec<_> = NODES.map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).into();
        let voters: Vec<_> = NODES
            .iter()
            .zip(&held)
            .map(|(node, port)| format!("{node} = \"{}\"", port.local_addr().unwrap()))
            .collect();
        for node in NODES {
            let config = format!(
                "cluster = \"processes\"\nnode = \"{node}\"\ndata = \"{node}\"\n\n[voters]\n{}\n\n\
                 [store]\nsqlite = \"outbox.db\"\n\n[sink]\nfile = \"delivered.log\"\n",
                voters.join("\n")
            );
            fs::write(directory.join(format!("{node}.toml")), config).unwrap();
        }
        Self { directory, running: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn command(&self, command: &str, node: &str) -> Command {
        let mut process = Command::new(fencepost());
        process.arg(command).arg("--config").arg(self.path(&format!("{node}.toml")));
        process.env_remove("FENCEPOST_LOG").stdin(Stdio::null());
        process
    }

    fn output(&self, command: &str, node: &str, more: &[&str]) -> Output {
        self.command(command, node).args(more).output().unwrap()
    }

    fn start(&mut self, node: &'static str) {
        let log = self.path(&format!("{node}.log"));
        let log = File::options().create(true).append(true).open(log).unwrap();
        let process = self.command("node", node).stderr(log).spawn().unwrap();
        self.running.insert(node, process);
    }

    fn signal(&self, node: &str, signal: Signal) {
        kill_process(Pid::from_child(&self.running[node]), signal).unwrap();
    }

    fn outbox(&self) -> SqliteOutbox {
        SqliteOutbox::open(&self.path("outbox.db")).unwrap()
    }

    /// The floor, and the node that holds it.
    fn fence(&self) -> (u64, String) {
        let fence = self.outbox().fence().unwrap();
        (fence.floor.0, fence.holder.map_or(String::new(), |holder| holder.node.to_string()))
    }

    /// Tries until there is an answer.
    fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}\n{}", self.logs());
            let mut running = self.running.iter_mut();
            let ended =
                running.find_map(|(node, process)| Some((*node, process.try_wait().ok()??)));
            assert!(ended.is_none(), "ended by itself: {ended:?}\n{}", self.logs());
            sleep(Duration::from_millis(2));
        }
    }

    /// The leader that holds a token above `token`, and its token.
    fn wait_for_leader(&mut self, token: u64) -> (u64, &'static str) {
        self.wait_for("a leader with a higher token", |cluster| {
            let (floor, holder) = cluster.fence();
            let node = NODES.into_iter().find(|node| *node == holder)?;
            (floor > token).then_some((floor, node))
        })
    }

    /// Waits until `least` are delivered, and checks that there is still something to do.
    fn wait_for_delivered(&mut self, outbox: &mut SqliteOutbox, least: u64) {
        let delivered = self.wait_for("deliveries", |_| {
            let delivered = outbox.counts().unwrap().of(MessageState::Delivered);
            (delivered >= least).then_some(delivered)
        });
        assert!(
            delivered < MESSAGES as u64,
            "vacuous: all were delivered before the fault; enlarge MESSAGES"
        );
    }

    /// The end of a process that was asked to end.
    fn wait_for_end(&mut self, node: &'static str) -> ExitStatus {
        let mut process = self.running.remove(node).unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            if began.elapsed() > STOP_LIMIT {
                self.running.insert(node, process);
                panic!("{node} did not end within {STOP_LIMIT:?}\n{}", self.logs());
            }
            sleep(Duration::from_millis(2));
        }
    }

    fn logs(&self) -> String {
        let log = |node: &str| {
            let text = fs::read_to_string(self.path(&format!("{node}.log"))).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("{node}:\n{}\n", lines[lines.len().saturating_sub(30)..].join("\n"))
        };
        NODES.map(log).concat()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.running.values_mut() {
            let _ = process.kill();
            let _ = process.wait();
        }
        // What a failed run leaves behind is evidence.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn wall() -> WallTime {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    WallTime { unix_ms: u64::try_from(unix.as_millis()).unwrap() }
}

fn payload(id: &str) -> String {
    format!("letter to {id}")
}

/// One line of the sink's file.
struct Line {
    token: u64,
    payload: String,
}

/// Everything that was delivered, by id.
fn delivered(path: &Path) -> BTreeMap<String, Vec<Line>> {
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [id, stamp, payload, _checksum] = fields[..] else { panic!("a strange line: {line}") };
        let token = stamp.split('.').next().unwrap().parse().unwrap();
        lines.entry(id.to_owned()).or_default().push(Line { token, payload: payload.to_owned() });
    }
    lines
}

/// Where a message does not have the one effect that its state claims.
fn audit(entries: &[Entry], lines: &BTreeMap<String, Vec<Line>>) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in entries {
        let effects = lines.get(entry.id.as_str()).map_or(&[][..], Vec::as_slice);
        let right = match entry.state {
            MessageState::Delivered => effects.len() == 1,
            MessageState::InDoubt => effects.len() <= 1 && entry.reason.is_some(),
            MessageState::Pending | MessageState::Claimed | MessageState::Failed => false,
        };
        let intact = effects.iter().all(|effect| effect.payload == payload(entry.id.as_str()));
        if !right || !intact {
            findings.push(format!("{} effects, intact: {intact}, of {entry:?}", effects.len()));
        }
    }
    let asked: BTreeSet<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
    findings.extend(
        lines.keys().filter(|id| !asked.contains(id.as_str())).map(|id| format!("{id}: unasked")),
    );
    findings
}

#[test]
fn the_audit_notices_what_is_lost_doubled_changed_or_unasked() {
    let line = |id| Line { token: 1, payload: payload(id) };
    let entry = |id, state| Entry {
        id: MessageId::new(id).unwrap(),
        state,
        token: None,
        parked: false,
        reason: None,
        attempts: 1,
        enqueued: wall(),
        first_claimed: None,
        changed: wall(),
        claimer_wall: None,
    };
    let found = |state, effects: Vec<Line>| {
        audit(&[entry("a", state)], &[("a".to_owned(), effects)].into()).len()
    };
    assert_eq!(found(MessageState::Delivered, vec![line("a")]), 0);
    assert_eq!(found(MessageState::Delivered, vec![]), 1, "lost");
    assert_eq!(found(MessageState::Delivered, vec![line("a"), line("a")]), 1, "doubled");
    assert_eq!(found(MessageState::Delivered, vec![line("b")]), 1, "changed");
    assert_eq!(found(MessageState::Pending, vec![]), 1, "forgotten");
    assert_eq!(found(MessageState::InDoubt, vec![]), 1, "without a reason");
    assert_eq!(audit(&[], &[("a".to_owned(), vec![line("a")])].into()).len(), 1, "unasked");
}

#[test]
fn no_message_is_delivered_twice_by_processes_that_are_killed_and_stopped() {
    let mut cluster = Cluster::new("reality");
    let mut outbox = cluster.outbox();
    for number in 1..=MESSAGES {
        let id = MessageId::new(&format!("m-{number:0>4}")).unwrap();
        outbox.enqueue(&id, payload(id.as_str()).as_bytes(), wall()).unwrap();
    }
    NODES.into_iter().for_each(|node| cluster.start(node));

    let (token, killed) = cluster.wait_for_leader(0);
    cluster.wait_for_delivered(&mut outbox, KILL_AFTER);
    cluster.signal(killed, Signal::KILL);
    let fault = Instant::now();
    cluster.running.remove(killed).unwrap().wait().unwrap();
    let (token, _) = cluster.wait_for_leader(token);
    let failover = fault.elapsed();
    cluster.start(killed);

    cluster.wait_for_delivered(&mut outbox, STOP_AFTER);
    let (before, stopped) = cluster.wait_for_leader(token - 1);
    cluster.signal(stopped, Signal::STOP);
    sleep(STOPPED);
    let (meanwhile, _) = cluster.fence();
    cluster.signal(stopped, Signal::CONT);

    cluster.wait_for("every message at its end", |_| {
        let counts = outbox.counts().unwrap();
        let open = counts.of(MessageState::Pending) + counts.of(MessageState::Claimed);
        (open == 0 && outbox.doubts(1).unwrap().is_empty()).then_some(())
    });
    for node in NODES {
        cluster.signal(node, Signal::TERM);
    }
    for node in NODES {
        let status = cluster.wait_for_end(node);
        assert_eq!(status.code(), Some(0), "{node}\n{}", cluster.logs());
    }

    let lines = delivered(&cluster.path("delivered.log"));
    let entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), MESSAGES);
    let findings = audit(&entries, &lines);
    assert!(findings.is_empty(), "{findings:#?}");

    let mut by_token: BTreeMap<u64, usize> = BTreeMap::new();
    for line in lines.values().flatten() {
        *by_token.entry(line.token).or_default() += 1;
    }
    assert!(by_token.len() >= 2, "vacuous: one leader delivered everything");
    let doubts = entries.iter().filter(|e| e.state == MessageState::InDoubt).count();
    let again = entries.iter().filter(|e| e.attempts > 1).count();
    let summary = format!(
        "delivered {}, in doubt {doubts}, claimed more than once {again}, by token {by_token:?}, \
         failover after the kill of {killed} {failover:?}, while {stopped} was stopped the floor \
         went from {before} to {meanwhile}",
        lines.len(),
    );
    // Past the test harness's capture: this is what the run is for.
    let _ = writeln!(std::io::stderr(), "{summary}");
}

#[test]
fn commands_end_as_they_say() {
    let mut cluster = Cluster::new("commands");
    let code = |output: &Output| output.status.code();
    let err = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let out = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();

    assert_eq!(code(&cluster.output("check", "n1", &[])), Some(0));
    let missing = cluster.output("check", "n9", &[]);
    assert_eq!(code(&missing), Some(2));
    assert!(err(&missing).contains("cannot read the configuration"), "{}", err(&missing));
    let text = fs::read_to_string(cluster.path("n1.toml")).unwrap();
    fs::write(cluster.path("bad.toml"), text.replace("data =", "dato =")).unwrap();
    let bad = cluster.output("node", "bad", &[]);
    assert_eq!(code(&bad), Some(2));
    assert!(err(&bad).contains("did you mean `data`?"), "{}", err(&bad));

    let none = cluster.output("outbox", "n1", &[]);
    assert_eq!(code(&none), Some(1));
    assert!(err(&none).contains("there is no outbox"), "{}", err(&none));
    let added = cluster.output("enqueue", "n1", &["--id", "a", "--count", "12"]);
    assert_eq!((code(&added), out(&added).trim()), (Some(0), "added 12: a-0001 to a-0012"));
    let again = cluster.output("enqueue", "n1", &["--id", "a-0007", "hello"]);
    assert_eq!(out(&again).trim(), "added 0, 1 were there already: a-0007");
    assert_eq!(code(&cluster.output("enqueue", "n1", &["--id", ""])), Some(2));
    let counts = cluster.output("outbox", "n1", &["--json", "--in-doubt"]);
    assert_eq!(
        out(&counts).trim(),
        r#"{"pending":12,"claimed":0,"delivered":0,"failed":0,"in_doubt":0,"#.to_owned()
            + r#""fence":{"floor":0,"holder":null,"generation":0,"cluster":null,"#
            + r#""raised_unix_ms":null},"doubts":[]}"#
    );

    cluster.start("n1");
    let ready = |cluster: &mut Cluster| {
        let log = fs::read_to_string(cluster.path("n1.log")).unwrap();
        log.contains("node starts").then_some(())
    };
    cluster.wait_for("the start of n1", ready);
    let second = cluster.output("node", "n1", &[]);
    assert_eq!(code(&second), Some(1));
    assert!(err(&second).contains("another process"), "{}", err(&second));
    assert!(err(&second).contains("runs on"), "{}", err(&second));
    cluster.signal("n1", Signal::INT);
    assert_eq!(cluster.wait_for_end("n1").code(), Some(0));

    fs::write(cluster.path("other.toml"), text.replace("\"processes\"", "\"other\"")).unwrap();
    let other = cluster.output("node", "other", &[]);
    assert_eq!(code(&other), Some(1));
    assert!(err(&other).contains("belongs to cluster \"processes\""), "{}", err(&other));
    assert!(out(&cluster.output("outbox", "n1", &[])).contains("cluster \"processes\""));
}
