//! What a person does with an outbox in PostgreSQL, by the commands of the real binary.

use fencepost::store::{
    Attempt, Checked, Fence, MessageId, Outbox, Permit, PostgresStore, Proof, Settlement,
};
use fencepost::{Generation, Identity, Incarnation, Token, WallTime};

use crate::nodes::Nodes;

/// As a holder leaves messages that its sink cannot tell about.
async fn park(store: &PostgresStore, ids: &[&str]) {
    let token = Token(1);
    let holder = Identity { node: "n1".parse().unwrap(), incarnation: Incarnation(1) };
    store.activate(Generation::NONE, token, holder).await.unwrap();
    for id in ids {
        let attempt = Attempt { id: MessageId::new(id).unwrap(), number: 1 };
        let permit = Permit::of_holder(token);
        let claimed =
            store.claim(&permit, std::slice::from_ref(&attempt), WallTime::default()).await;
        assert!(matches!(claimed, Ok(Checked::Passed(_))), "{claimed:?}");
        let doubt = Settlement::InDoubt { reason: "timeout".into() };
        store.settle(token, &[(attempt.clone(), doubt)]).await.unwrap();
        let proof = Proof::Park { reason: "timeout; the sink cannot tell".into() };
        store.resolve(token, &attempt, proof).await.unwrap();
    }
}

#[test]
fn a_person_enqueues_lists_shows_and_settles() {
    let nodes = Nodes::new("");
    let checked = nodes.run(&["check"], 0);
    assert!(checked.contains("outbox in PostgreSQL: host="), "{checked}");
    assert!(checked.contains("delivers while it leads"), "{checked}");
    assert_eq!(
        nodes.run(&["enqueue", "--id", "a", "--count", "3"], 0),
        "added 3: a-0001 to a-0003\n"
    );
    let again = nodes.run(&["enqueue", "--id", "a-0002", "other"], 0);
    assert_eq!(again, "added 0, 1 were there already (pending): a-0002\n");
    nodes.wait(park(&nodes.store, &["a-0001", "a-0002"]));
    let summary = nodes.run(&["outbox", "--in-doubt"], 0);
    assert!(summary.contains("pending           1\n"), "{summary}");
    assert!(summary.contains("in doubt          2\n"), "{summary}");
    assert!(summary.contains("a-0001  token 1, parked for a person: timeout"), "{summary}");
    let settle = |id, ruling| {
        ["outbox", "settle", id, "--as", ruling, "--by", "Ada", "--why", "the log there says so"]
    };
    assert_eq!(nodes.run(&settle("a-0001", "delivered"), 0), "a-0001: in doubt → delivered\n");
    let refused = nodes.run(&settle("a-0001", "resend"), 1);
    assert!(refused.contains("the message is delivered, not in doubt"), "{refused}");
    assert_eq!(nodes.run(&settle("a-0002", "resend"), 0), "a-0002: in doubt → pending\n");
    let shown = nodes.run(&["outbox", "show", "a-0001"], 0);
    assert!(shown.contains("by Ada, after attempt 1: in doubt → delivered"), "{shown}");
    assert!(shown.contains("last claimed by    token 1\n"), "{shown}");
    let json = nodes.run(&["outbox", "show", "a-0001", "--json"], 0);
    assert!(json.contains("\"worker\":null") && json.contains("\"verdicts\":[{"), "{json}");
}

#[test]
fn a_node_without_its_database_says_what_is_missing() {
    let mut nodes = Nodes::new("");
    let text = std::fs::read_to_string(nodes.path("n1.toml")).unwrap();
    let elsewhere = text.replace("dbname=", "dbname=no_");
    std::fs::write(nodes.path("n1.toml"), elsewhere).unwrap();
    // It takes part all the same, because its vote may be the one that is missing; a command does not.
    nodes.start("n1");
    let log = nodes.path("n1.log");
    nodes.wait_for("a word about the database", async |_| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        (said.contains("it is not known yet whose store it is") && said.contains("does not exist"))
            .then_some(())
    });
    nodes.stop_all();
    let said = nodes.run(&["outbox"], 1);
    assert!(said.contains("cannot open the outbox in PostgreSQL"), "{said}");
    assert!(said.contains("does not exist"), "{said}");
}

/// Lets COMMITs fail that add a row to this table: what became of them nobody says.
fn fail_commits(nodes: &Nodes, table: &str) {
    let text = std::fs::read_to_string(nodes.path("n1.toml")).unwrap();
    let address = text.lines().find_map(|line| line.strip_prefix("postgres = ")).unwrap();
    let fail = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''lost''; END';
        CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON fencepost.{table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();"
    );
    nodes.wait(async {
        let (client, connection) =
            tokio_postgres::connect(address.trim_matches('"'), tokio_postgres::NoTls)
                .await
                .unwrap();
        tokio::spawn(connection);
        client.batch_execute(&fail).await.unwrap();
    });
}

/// What a report says, however it was broken into lines.
fn flat(report: &str) -> String {
    report.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn an_unknown_outcome_is_repeated_under_the_same_ids() {
    let nodes = Nodes::new("");
    fail_commits(&nodes, "outbox");
    let said = nodes.run(&["enqueue", "--count", "3", "hello", "--key", "a b"], 1);
    assert!(flat(&said).contains("may have been added, or not"), "{said}");
    assert!(!said.contains("cannot add"), "{said}");
    let again = said.lines().find(|line| line.contains("fencepost enqueue")).unwrap();
    let made_up = again.split("--id m").nth(1).expect("an id");
    assert!(made_up.contains(" --count 3 --key 'a b' and the same payload"), "{said}");
    // Said with an id, it is that one.
    let said = nodes.run(&["enqueue", "--id", "known"], 1);
    let again = said.lines().find(|line| line.contains("fencepost enqueue")).unwrap();
    assert!(again.ends_with("n1.toml --id known"), "{said}");
}

#[test]
fn a_verdict_of_which_nobody_heard_may_have_been_passed() {
    let nodes = Nodes::new("");
    nodes.run(&["enqueue", "--id", "m"], 0);
    nodes.wait(park(&nodes.store, &["m"]));
    fail_commits(&nodes, "verdict");
    let settle = ["outbox", "settle", "m", "--as", "delivered", "--by", "Ada", "--why", "it is"];
    let said = flat(&nodes.run(&settle, 1));
    assert!(said.contains("the verdict about m may have been passed, or not"), "{said}");
    assert!(said.contains("show m"), "{said}");
}
