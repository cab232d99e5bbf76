//! Reality: three processes of the production build on one machine, a SQLite file and a sink file
//! between them, and real signals. Time limits here only fail a run that hangs; nothing is decided
//! by how long it took.

use std::fs;
use std::io::Write;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant};

use audit::{audit, by_token, delivered, payload, wall};
use cluster::Cluster;
use fencepost::store::{MessageId, MessageState, NewMessage, SqliteOutbox};
use rustix::process::Signal;

#[path = "address.rs"]
mod address;
#[path = "processes/audit.rs"]
mod audit;
#[path = "processes/away.rs"]
mod away;
#[path = "processes/cluster.rs"]
mod cluster;
#[path = "processes/enqueue.rs"]
mod enqueue;
#[path = "processes/jobs.rs"]
mod jobs;
#[path = "processes/locked.rs"]
mod locked;
#[path = "processes/names.rs"]
mod names;
#[path = "processes/planted.rs"]
mod planted;
#[path = "processes/shared.rs"]
mod shared;
#[path = "processes/stores.rs"]
mod stores;
#[path = "processes/unread.rs"]
mod unread;
#[path = "processes/verdicts.rs"]
mod verdicts;
#[path = "processes/wiped.rs"]
mod wiped;

/// More than a second's work: a test that waits for some of them is in time before the last.
const MESSAGES: usize = 3000;
/// The leader is killed when this many are delivered, and its successor stopped at this many.
const KILL_AFTER: u64 = 150;
const STOP_AFTER: u64 = 400;
/// How long the successor is stopped: several leases, elections and activations long.
const STOPPED: Duration = Duration::from_secs(5);

/// Tells what a run was like, past the test harness's capture.
fn tell(summary: &str) {
    let _ = writeln!(std::io::stderr(), "{summary}");
}

/// Adds [`MESSAGES`].
fn enqueue_all(outbox: &mut SqliteOutbox) {
    let message = |number| {
        let id = MessageId::new(&format!("m-{number:0>4}")).unwrap();
        NewMessage::new(id.clone(), payload(id.as_str()).as_bytes())
    };
    let messages: Vec<_> = (1..=MESSAGES).map(message).collect();
    messages.chunks(100).for_each(|some| drop(outbox.enqueue(some, wall()).unwrap()));
}

/// Waits until `least` are delivered, and checks that there is still something to do.
fn wait_for_some(cluster: &mut Cluster, outbox: &mut SqliteOutbox, least: u64) {
    let delivered = cluster.wait_for_delivered(outbox, least);
    assert!(
        delivered < MESSAGES as u64,
        "vacuous: all were delivered before the fault; enlarge MESSAGES"
    );
}

#[test]
fn no_message_is_delivered_twice_by_processes_that_are_killed_and_stopped() {
    let mut cluster = Cluster::new("reality");
    let mut outbox = cluster.outbox();
    enqueue_all(&mut outbox);
    cluster.start_all();

    let (token, killed) = cluster.wait_for_leader(0);
    wait_for_some(&mut cluster, &mut outbox, KILL_AFTER);
    cluster.kill(killed);
    let fault = Instant::now();
    let (token, _) = cluster.wait_for_leader(token);
    let failover = fault.elapsed();
    cluster.start(killed);

    wait_for_some(&mut cluster, &mut outbox, STOP_AFTER);
    let (before, stopped) = cluster.wait_for_leader(token - 1);
    cluster.signal(stopped, Signal::STOP);
    sleep(STOPPED);
    let (meanwhile, _) = cluster.fence();
    cluster.signal(stopped, Signal::CONT);

    cluster.wait_for_the_last(&mut outbox);
    cluster.stop_all();

    let lines = delivered(&cluster.path("delivered.log"));
    let entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), MESSAGES);
    let findings = audit(&entries, &lines);
    assert!(findings.is_empty(), "{findings:#?}");

    let by_token = by_token(&lines);
    assert!(by_token.len() >= 2, "vacuous: one leader delivered everything");
    let doubts = entries.iter().filter(|e| e.state == MessageState::InDoubt).count();
    let again = entries.iter().filter(|e| e.attempts > 1).count();
    tell(&format!(
        "delivered {}, in doubt {doubts}, claimed more than once {again}, by token {by_token:?}, \
         failover after the kill of {killed} {failover:?}, while {stopped} was stopped the floor \
         went from {before} to {meanwhile}",
        lines.len(),
    ));
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
    assert_eq!(out(&again).trim(), "added 0, 1 were there already (pending): a-0007");
    assert_eq!(code(&cluster.output("enqueue", "n1", &["--id", ""])), Some(2));
    let counts = cluster.output("outbox", "n1", &["--json", "--in-doubt"]);
    assert_eq!(
        out(&counts).trim(),
        r#"{"pending":12,"claimed":0,"delivered":0,"failed":0,"in_doubt":0,"#.to_owned()
            + r#""fence":{"floor":0,"holder":null,"generation":0,"cluster":null,"#
            + r#""raised_unix_ms":null},"doubts":[]}"#
    );

    cluster.start("n1");
    cluster.wait_for_log("n1", 0, "node starts");
    let second = cluster.output("node", "n1", &[]);
    assert_eq!(code(&second), Some(1));
    assert!(err(&second).contains("another process"), "{}", err(&second));
    assert!(err(&second).contains("runs on"), "{}", err(&second));
    cluster.ask_to_end("n1", Signal::INT);
    cluster.wait_for_end("n1");

    fs::write(cluster.path("other.toml"), text.replace("\"processes\"", "\"other\"")).unwrap();
    let other = cluster.output("node", "other", &[]);
    assert_eq!(code(&other), Some(1));
    assert!(err(&other).contains("belongs to cluster \"processes\""), "{}", err(&other));
    assert!(out(&cluster.output("outbox", "n1", &[])).contains("cluster \"processes\""));
}
