//! `fencepost check` and `fencepost outbox` as operators use them on sinks and on what sinks refused.

use std::path::Path;
use std::process::{Command, Output};

use fencepost::delivery::sinks::FileSink;
use fencepost::delivery::{Sink, Stamp};
use fencepost::store::{
    Attempt, MessageId, MessageState, NewMessage, OrderingKey, Permit, Settlement, SqliteOutbox,
};
use fencepost::{Generation, Identity, Incarnation, Token, WallTime};

use crate::{message, run, stamp};

const NODE: &str = "cluster = \"mail\"\nnode = \"n1\"\ndisk = \"none\"\n[voters]\n\
                    n1 = \"127.0.0.1:7401\"\n[store]\nsqlite = \"mail.db\"\n";

fn fencepost(directory: &Path, sink: &str, args: &[&str]) -> Output {
    let config = directory.join("n1.toml");
    std::fs::write(&config, format!("{NODE}{sink}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fencepost"));
    command.args(args).arg("--config").arg(&config).env_remove("FENCEPOST_TEST_UNSET");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_refuses_what_a_node_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let hook = "[sink.webhook]\nurl = \"https://example.org/\"\n";
    let secret = format!("{hook}secret_headers.x = {{ env = \"FENCEPOST_TEST_UNSET\" }}\n");
    let ca = format!("{hook}ca = \"missing.pem\"\n");
    let mail = "[sink.smtp]\nhost = \"mail.example.org\"\nfrom = \"a b@c@d\"\nto = [\"a@b\"]\n";
    for (sink, shows) in [
        (secret.as_str(), "FENCEPOST_TEST_UNSET"),
        (&ca, "missing.pem"),
        (mail, "a b@c@d"),
        ("[sink]\nfile = \".\"\n", "directory"),
    ] {
        let checked = fencepost(directory.path(), sink, &["check"]);
        let said = text(&checked.stderr);
        assert_eq!(checked.status.code(), Some(2), "{sink}: {said}");
        assert!(said.contains(shows), "{sink}: {said}");
        let runs = fencepost(directory.path(), sink, &["node"]);
        assert!(!runs.status.success(), "{sink}: {}", text(&runs.stderr));
    }
    let checked = fencepost(directory.path(), hook, &["check"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

/// 1,200 dead letters, of which every third was refused by 404, beside one that waits.
fn refused(directory: &Path) -> SqliteOutbox {
    let mut outbox = SqliteOutbox::open(&directory.join("mail.db")).unwrap();
    let wall = WallTime { unix_ms: 1_000 };
    let new = |n: usize| NewMessage {
        key: n.is_multiple_of(2).then(|| OrderingKey::new(&format!("k{}", n % 4)).unwrap()),
        ..NewMessage::new(id(&format!("m{n}")), *b"x")
    };
    let holder = Identity { node: "n1".parse().unwrap(), incarnation: Incarnation::FIRST };
    outbox.activate(Generation::NONE, Token(5), holder, wall).unwrap();
    for n in 0..1200 {
        outbox.enqueue(&[new(n)], wall).unwrap();
        let attempt = Attempt { id: id(&format!("m{n}")), number: 1 };
        let attempts = std::slice::from_ref(&attempt);
        outbox.claim(&Permit::of_holder(Token(5)), attempts, wall, wall).unwrap();
        let reason = if n % 3 == 0 { "HTTP 404 Not Found" } else { "HTTP 422 No" };
        let settlement = Settlement::Failed { reason: reason.into() };
        outbox.settle(Token(5), &[(attempt, settlement)], wall).unwrap();
    }
    outbox.enqueue(&[NewMessage::new(id("waits"), *b"x")], wall).unwrap();
    outbox
}

const FILE: &str = "[sink]\nfile = \"out.log\"\n";

#[test]
fn many_dead_letters_are_requeued_by_what_was_said_of_them_after_a_look() {
    let directory = tempfile::tempdir().unwrap();
    let mut outbox = refused(directory.path());
    let requeue = |more: &[&str]| {
        let base = ["outbox", "requeue", "--why", "the route is back", "--by", "Ada"];
        let asked = fencepost(directory.path(), FILE, &[&base[..], more].concat());
        (asked.status.code(), text(&asked.stdout), text(&asked.stderr))
    };
    let (code, _, said) = requeue(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("which messages?") && said.contains("--all"), "{said}");
    let (code, said, _) = requeue(&["--reason", "HTTP 404"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("400 dead letters would go from failed to pending:\n"), "{said}");
    assert!(said.contains("m0: HTTP 404 Not Found") && said.contains("and 395 more"), "{said}");
    assert!(said.contains("nothing was changed: add --yes"), "{said}");
    assert_eq!(outbox.counts().unwrap().of(MessageState::Failed), 1200);
    let (_, said, _) = requeue(&["--reason", "HTTP 404", "--key", "k0"]);
    assert!(said.starts_with("100 dead letters"), "{said}");
    let (_, said, _) = requeue(&["--reason", "HTTP 404", "--newer-than", "1h"]);
    assert!(said.starts_with("0 dead letters"), "{said}");
    let (code, said, _) = requeue(&["--reason", "HTTP 404", "--older-than", "1h", "--yes"]);
    assert_eq!((code, said.as_str()), (Some(0), "400 dead letters: failed → pending\n"));
    let counts = outbox.counts().unwrap();
    let of = |state| counts.of(state);
    assert_eq!((of(MessageState::Failed), of(MessageState::Pending)), (800, 401));
    let trail = outbox.trail(&id("m3")).unwrap();
    assert_eq!((trail.len(), trail[0].by.as_str()), (1, "Ada"));
    assert_eq!(trail[0].why, "the route is back");
    // One and many are not mixed up.
    let (code, ..) = requeue(&["m1", "--yes"]);
    assert_eq!(code, Some(2));
    let (code, said, _) = requeue(&["m1"]);
    assert_eq!((code, said.as_str()), (Some(0), "m1: failed → pending\n"));
}

#[test]
fn a_long_outbox_is_listed_in_pages() {
    let directory = tempfile::tempdir().unwrap();
    refused(directory.path());
    let list = |more: &[&str]| {
        let listed = fencepost(directory.path(), FILE, &[&["outbox", "list"], more].concat());
        assert!(listed.status.success(), "{}", text(&listed.stderr));
        let said = text(&listed.stdout);
        said.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = list(&[]);
    assert_eq!((all.len(), all[0].as_str(), all[1200].as_str()), (1201, "m0", "waits"));
    assert_eq!(list(&["--limit", "700"]), all[..700]);
    assert_eq!(list(&["--after", "m699"]), all[700..]);
    assert_eq!(list(&["--after", "m699", "--limit", "2"]), ["m700", "m701"]);
    assert_eq!(list(&["--state", "pending"]), ["waits"]);
    assert_eq!(list(&["--state", "failed", "--reason", "404", "--limit", "3"]), ["m0", "m3", "m6"]);
    let missing = fencepost(directory.path(), FILE, &["outbox", "list", "--after", "nobody"]);
    assert_eq!(missing.status.code(), Some(1));
}

/// A check opens nothing that a running node holds.
#[test]
fn check_leaves_the_file_of_a_running_node_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.log");
    let sink = FileSink::open(&file).unwrap();
    let lowest: Stamp = stamp(7, 0);
    run(async {
        sink.ready().await.unwrap();
        sink.send(&message("m", b"x"), lowest).await.unwrap();
    });
    let checked = fencepost(directory.path(), FILE, &["check"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}
