//! What a person sees and decides, by the commands of the real binary.

use fencepost::Token;
use fencepost::store::{
    Attempt, Checked, MessageId, MessageState, NewMessage, Permit, Proof, Settlement, SqliteOutbox,
};
use fencepost::{Generation, Identity};

use crate::audit::wall;
use crate::cluster::Cluster;

fn id(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

/// An outbox with "parked" in doubt, "dead" failed and "waiting" pending.
fn outbox(cluster: &Cluster) -> SqliteOutbox {
    let mut outbox = cluster.outbox();
    let token = Token(1);
    let holder = Identity { node: "n1".parse().unwrap(), incarnation: fencepost::Incarnation(1) };
    outbox.activate(Generation::NONE, token, holder, wall()).unwrap();
    let names = ["parked", "dead", "waiting"];
    outbox.enqueue(&names.map(|name| NewMessage::new(id(name), *b"hello")), wall()).unwrap();
    let attempts = ["parked", "dead"].map(|name| Attempt { id: id(name), number: 1 });
    let claimed = outbox.claim(&Permit::of_holder(token), &attempts, wall(), wall()).unwrap();
    assert!(matches!(claimed, Checked::Passed(_)));
    let [parked, dead] = attempts;
    let said = [
        (parked.clone(), Settlement::InDoubt { reason: "timeout".into() }),
        (dead, Settlement::Failed { reason: "550 \u{1b}[2Jno such\r\nstreet".into() }),
    ];
    outbox.settle(token, &said, wall()).unwrap();
    let park = Proof::Park { reason: "timeout;\tthe sink cannot tell".into() };
    outbox.resolve(token, &parked, &park, wall()).unwrap();
    outbox
}

#[test]
fn a_person_lists_shows_settles_and_requeues() {
    let cluster = Cluster::new("verdicts");
    let mut outbox = outbox(&cluster);
    let run = |more: &[&str], code: i32| {
        let output = cluster.output("outbox", "n1", more);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(code), "{more:?}: {text:?}");
        text.concat()
    };
    let summary = run(&["--in-doubt"], 0);
    assert!(
        summary.contains("\n  parked  token 1, parked for a person: timeout; the"),
        "{summary}"
    );
    let list = run(&["list", "--state", "in-doubt"], 0);
    assert_eq!(
        list,
        "parked  attempts 1, in doubt, parked for a person: timeout; the sink cannot tell\n"
    );
    assert_eq!(run(&["list", "--json"], 0).lines().count(), 3);
    let list = run(&["list", "--state", "failed"], 0);
    let expected = "dead  attempts 1, failed: 550  [2Jno such  street\n";
    assert_eq!(list, expected, "a recipient's words move nobody's cursor");
    let shown = run(&["show", "dead"], 0);
    assert!(shown.contains("\nreason             550  [2Jno such  street\n"), "{shown}");
    let json = run(&["show", "dead", "--json"], 0);
    assert!(json.contains(r#""reason":"550 \u001b[2Jno such\u000d\u000astreet""#), "{json}");
    let settle = ["settle", "parked", "--as", "delivered", "--by", "Ada"];
    assert!(run(&settle, 2).contains("--why"), "a verdict has a reason");
    let settle = [&settle[..], &["--why", "the recipient says so"]].concat();
    assert_eq!(run(&settle, 0), "parked: in doubt → delivered\n");
    assert!(run(&settle, 1).contains("the message is delivered, not in doubt"));
    let shown = run(&["show", "parked"], 0);
    assert!(
        shown.contains("by Ada, after attempt 1: in doubt → delivered: the recipient"),
        "{shown}"
    );
    let json = run(&["show", "parked", "--json"], 0);
    assert!(json.contains("\"verdicts\":[{\"at_unix_ms\":"), "{json}");
    let requeue = ["requeue", "dead", "--why", "the street was built", "--by", "Ada"];
    assert_eq!(run(&requeue, 0), "dead: failed → pending\n");
    assert_eq!(outbox.state_of(&id("dead")), Ok(Some(MessageState::Pending)));
    let requeue = ["requeue", "waiting", "--why", "x", "--by", "Ada"];
    assert!(run(&requeue, 1).contains("the message is pending, not failed"));
    assert!(run(&["show", "nobody"], 1).contains("there is no message nobody"));
    assert!(run(&["show", ""], 2).contains("names no message"));
}
