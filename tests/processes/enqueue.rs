//! What `enqueue` says of messages that are there, of one that is too large, and to nobody.

use std::io::Write;
use std::process::{Output, Stdio};

use fencepost::store::{
    Attempt, MAX_PAYLOAD_LEN, MessageId, MessageState, NewMessage, Permit, Settlement,
};
use fencepost::{Generation, Identity, Incarnation, Token};

use crate::audit::wall;
use crate::cluster::Cluster;

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

#[test]
fn enqueue_tells_where_those_stand_that_are_there() {
    let cluster = Cluster::new("enqueue-again");
    let mut outbox = cluster.outbox();
    let holder = Identity { node: "n1".parse().unwrap(), incarnation: Incarnation(1) };
    outbox.activate(Generation::NONE, Token(1), holder, wall()).unwrap();
    let names = ["a-0001", "a-0002", "a-0003"];
    outbox.enqueue(&names.map(|name| NewMessage::new(id(name), *b"hello")), wall()).unwrap();
    let first = Attempt { id: id("a-0001"), number: 1 };
    let permit = Permit::of_holder(Token(1));
    outbox.claim(&permit, std::slice::from_ref(&first), wall(), wall()).unwrap();
    outbox.settle(Token(1), &[(first, Settlement::Delivered)], wall()).unwrap();
    let again = |more: &[&str]| {
        let output = cluster.output("enqueue", "n1", more);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        out(&output).to_owned()
    };
    let one = again(&["--id", "a-0001"]);
    assert_eq!(one, "added 0, 1 were there already (delivered): a-0001\n");
    let some = again(&["--id", "a", "--count", "4"]);
    let expected = "added 1, 3 were there already (2 pending, 1 delivered): a-0001 to a-0004\n";
    assert_eq!(some, expected);
}

/// Not a byte can be written: the pipe's other end was closed before the command began.
#[test]
fn messages_are_in_though_nobody_reads_what_is_said() {
    let cluster = Cluster::new("enqueue-unread");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = cluster.command("enqueue", "n1");
    let output = command.args(["--id", "m"]).stdout(writer).stderr(Stdio::piped()).spawn();
    let output = output.unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(cluster.outbox().state_of(&id("m")), Ok(Some(MessageState::Pending)));
}

/// Where it was made up, nobody else knows the id of what is in.
#[test]
fn an_id_that_was_made_up_is_said_elsewhere_if_need_be() {
    let cluster = Cluster::new("enqueue-unsaid");
    let enqueue = |stdout: Stdio| {
        let mut command = cluster.command("enqueue", "n1");
        let process = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let output = process.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (code, unread) = enqueue(writer.into());
    assert_eq!(code, Some(0), "{unread}");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let (code, full) = enqueue(full.into());
    assert_eq!(code, Some(1), "{full}");
    let entries = cluster.outbox().entries(None).unwrap();
    assert_eq!(entries.len(), 2);
    for (entry, said) in entries.iter().zip([unread, full]) {
        assert!(said.contains(&format!("added 1: {}\n", entry.id)), "{said}");
    }
}

#[test]
fn a_payload_that_is_too_large_is_bad_input() {
    let cluster = Cluster::new("enqueue-large");
    let enqueue = |name: &str, len: usize| {
        let mut command = cluster.command("enqueue", "n1");
        command.args(["--id", name, "-"]).stdin(Stdio::piped());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(&vec![b'x'; len]).unwrap();
        drop(stdin);
        process.wait_with_output().unwrap()
    };
    let largest = enqueue("largest", MAX_PAYLOAD_LEN);
    assert_eq!((largest.status.code(), out(&largest)), (Some(0), "added 1: largest\n"));
    let larger = enqueue("larger", MAX_PAYLOAD_LEN + 1);
    assert_eq!((larger.status.code(), out(&larger)), (Some(2), ""));
    let why = String::from_utf8(larger.stderr).unwrap();
    assert!(why.contains("too large") && why.contains(&MAX_PAYLOAD_LEN.to_string()), "{why}");
    let mut outbox = cluster.outbox();
    assert_eq!(outbox.state_of(&id("larger")), Ok(None));
    let found = outbox.pending(9, wall()).unwrap();
    assert_eq!(found.iter().map(|it| it.payload.len()).collect::<Vec<_>>(), [MAX_PAYLOAD_LEN]);
}
