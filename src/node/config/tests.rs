//! Each mistake, and how it is shown.

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::*;
use crate::election::{MAX_PRIORITY, Timing};

const GOOD: &str = r#"cluster = "mail"
node = "n1"
listen = "127.0.0.1:7401"
data = "data/n1"

[voters]
n1 = "127.0.0.1:7401"
n2 = "127.0.0.1:7402"
n3 = "127.0.0.1:7403"

[timing]
heartbeat = "50ms"

[store]
sqlite = "mail.db"

[sink]
file = "/var/mail/sent.log"

[delivery]
poll = "1s"
batch = 7
"#;

fn parse(text: &str) -> Result<NodeConfig, ConfigFileError> {
    NodeConfig::parse(text, "n1.toml", Path::new("/etc/mail"))
}

/// What a person sees of the mistake in `GOOD` with `from` replaced by `to`.
fn shown(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    rendered(&parse(&GOOD.replacen(from, to, 1)).unwrap_err())
}

pub(super) fn rendered(error: &ConfigFileError) -> String {
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    handler.with_width(200).render_report(&mut out, error).unwrap();
    out
}

#[track_caller]
pub(super) fn assert_shows(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part:?} is missing in:\n{shown}");
    }
}

#[test]
fn a_good_file_is_read() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.cluster, "mail");
    assert_eq!(config.election.me.as_str(), "n1");
    assert_eq!(config.election.voters.len(), 3);
    assert_eq!(config.election.timing.heartbeat, Duration::from_millis(50));
    assert_eq!(config.election.timing.lease, Timing::default().lease);
    assert_eq!(config.listen.unwrap().port(), 7401);
    assert_eq!(
        config.data.as_deref(),
        Some(Path::new("/etc/mail/data/n1")),
        "relative to the file"
    );
    assert_eq!(config.sink, SinkConfig::File("/var/mail/sent.log".into()), "absolute");
    assert_eq!((config.dispatcher().poll, config.dispatcher().batch), (Duration::from_secs(1), 7));
    assert_eq!(config.shared_delivery(), None);
    let spread = parse(&GOOD.replace("batch = 7", "spread = 256")).unwrap();
    assert_eq!(spread.shared_delivery().unwrap().units, 256);
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let text = GOOD.replace("listen = \"127.0.0.1:7401\"\n", "");
    let text = text.split("[timing]").next().unwrap().to_owned()
        + "[store]\nsqlite = \"a\"\n[sink]\nfile = \"b\"\n";
    let config = parse(&text).unwrap();
    assert_eq!(config.listen, Some(config.voters[&config.election.me]));
    assert_eq!((config.election.priority, config.election.observer), (MAX_PRIORITY, false));
    assert_eq!(config.election.timing, Timing::default());
    assert_eq!(config.dispatcher().batch, DispatcherConfig::default().batch);
}

#[test]
fn a_node_may_listen_on_every_interface() {
    let config = parse(&GOOD.replacen("listen = \"127.0.0.1", "listen = \"0.0.0.0", 1)).unwrap();
    assert_eq!(config.listen.unwrap().to_string(), "0.0.0.0:7401");
}

/// `GOOD` of an observer that is on no list.
fn observer() -> String {
    GOOD.replacen("node = \"n1\"", "node = \"o1\"\nobserver = true", 1).replacen(
        "listen = \"127.0.0.1:7401\"\ndata = \"data/n1\"\n",
        "",
        1,
    )
}

#[test]
fn an_observer_votes_nowhere_listens_nowhere_and_keeps_nothing() {
    let config = parse(&observer()).unwrap();
    assert!(config.election.observer);
    assert_eq!((config.listen, config.data), (None, None));
    assert_eq!(config.voters.len(), 3);

    let with = |line: &str| {
        rendered(
            &parse(&observer().replacen("[voters]", &format!("{line}\n[voters]"), 1)).unwrap_err(),
        )
    };
    for (line, why) in [
        ("listen = \"127.0.0.1:7401\"", "an observer listens nowhere: it has no `listen`"),
        ("priority = 3", "an observer never leads: it has no `priority`"),
        ("disk = \"kept\"", "an observer remembers nothing: it has no `disk`"),
        ("data = \"data/o1\"", "an observer remembers nothing: it has no `data`"),
    ] {
        let name = line.split(' ').next().unwrap();
        assert_shows(&with(line), &[why, &format!("5 │ {line}"), &format!("remove `{name}`")]);
    }
    assert_shows(
        &rendered(&parse(&observer().replacen("\"o1\"", "\"n3\"", 1)).unwrap_err()),
        &["n3 is an observer and among the voters", "2 │ node", "take n3 out of [voters]"],
    );
    let voter = GOOD.replacen("node = \"n1\"", "node = \"n1\"\nobserver = false", 1);
    assert_eq!(parse(&voter).unwrap(), parse(GOOD).unwrap());
}

#[test]
fn a_voter_without_a_disk_says_so() {
    let without = GOOD.replacen("data = \"data/n1\"", "disk = \"none\"", 1);
    assert_eq!(parse(&without).unwrap().data, None);
    assert_shows(
        &shown("data = \"data/n1\"\n", ""),
        &["n1 does not say where its data are", "2 │ node", "`disk = \"none\"`"],
    );
    assert_shows(
        &shown("listen =", "disk = \"none\"\nlisten ="),
        &["a node without a disk has no data directory", "5 │ data", "remove `data`"],
    );
    assert_shows(
        &shown("listen =", "disk = \"nnoe\"\nlisten ="),
        &["this is no disk", "3 │ disk", "did you mean \"none\"?"],
    );
    assert_shows(&shown("listen =", "disk = \"/dev/sda\"\nlisten ="), &["write \"kept\", or"]);
}

#[test]
fn priorities_are_few() {
    let config = parse(&GOOD.replacen("listen =", "priority = 0\nlisten =", 1)).unwrap();
    assert_eq!(config.election.priority, 0);
    for wrong in ["-1", "4", "300"] {
        assert_shows(
            &shown("listen =", &format!("priority = {wrong}\nlisten =")),
            &["priority is out of range", &format!("3 │ priority = {wrong}"), "write 0 to 3"],
        );
    }
}

#[test]
fn an_even_list_works_and_is_warned_of() {
    let config = parse(&GOOD.replacen("n3 = \"127.0.0.1:7403\"\n", "", 1)).unwrap();
    assert!(config.election.warning().unwrap().contains("2 voters"));
    assert_eq!(parse(GOOD).unwrap().election.warning(), None);
}

#[test]
fn a_misspelt_key_is_shown_with_the_nearest_known_one() {
    assert_shows(
        &shown("listen =", "lisen ="),
        &["unknown field `lisen`", "3 │ lisen = ", "n1.toml:3:1", "did you mean `listen`?"],
    );
    assert_shows(
        &shown("heartbeat =", "heart_beat ="),
        &["12 │ heart_beat", "did you mean `heartbeat`?"],
    );
    assert_shows(
        &shown("batch =", "colour ="),
        &["22 │ colour", "known here: poll, batch, backoff"],
    );
}

#[test]
fn a_missing_key_is_named() {
    assert_shows(&shown("node = \"n1\"\n", ""), &["missing field `node`", "add `node`"]);
    assert_shows(
        &shown("sqlite = \"mail.db\"", ""),
        &["there is no store", "14 │ [store]", "postgres = "],
    );
}

#[test]
fn broken_toml_and_wrong_types_are_shown() {
    assert_shows(&shown("node = \"n1\"", "node = \"n1"), &["2 │ node = \"n1"]);
    assert_shows(&shown("batch = 7", "batch = \"7\""), &["invalid type", "22 │ batch = \"7\""]);
}

#[test]
fn a_node_outside_the_voters_is_shown() {
    assert_shows(
        &shown("node = \"n1\"", "node = \"n11\""),
        &["n11 is not among the voters", "2 │ node = \"n11\"", "did you mean `n1`?"],
    );
    assert_shows(
        &shown("node = \"n1\"", "node = \"zebra\""),
        &["add a line `zebra = ", "observer = true"],
    );
    assert_shows(&shown("node = \"n1\"", "node = \"n 1\""), &["cannot name a node", "2 │ node"]);
    assert_shows(&shown("n2 = \"127", "\"n 2\" = \"127"), &["cannot name a node", "8 │ \"n 2\""]);
}

#[test]
fn a_listen_address_that_is_not_the_voters_is_shown() {
    assert_shows(
        &shown("listen = \"127.0.0.1:7401", "listen = \"127.0.0.1:9999"),
        &[
            "n1 listens at 127.0.0.1:9999, but the others look for it at 127.0.0.1:7401",
            "3 │ listen",
            "[voters] says 127.0.0.1:7401",
        ],
    );
}

#[test]
fn bad_addresses_are_shown() {
    assert_shows(
        &shown("n3 = \"127.0.0.1:7403\"", "n3 = \"localhost:7403\""),
        &["this is no address", "9 │ n3 = \"localhost:7403\"", "host names are not looked up"],
    );
    assert_shows(&shown("7403", "0"), &["port 0 is no port", "9 │ n3"]);
    assert_shows(&shown("7403", "7402"), &["n2 and n3 have the same address", "9 │ n3"]);
    assert_shows(
        &shown("n3 = \"127.0.0.1", "n3 = \"0.0.0.0"),
        &["no node can be reached at 0.0.0.0:7403", "9 │ n3"],
    );
}

#[test]
fn timing_that_breaks_the_lease_rule_is_shown_with_both_values() {
    assert_shows(
        &shown("heartbeat = \"50ms\"", "lease = \"2s\""),
        &["promise = 950ms", "lease = 2s", "11 │ [timing]", "with this timing"],
    );
}

#[test]
fn bad_durations_and_ranges_are_shown() {
    assert_shows(
        &shown("\"50ms\"", "\"50 parsecs\""),
        &["this is no duration", "12 │ heartbeat", "as in \"100ms\""],
    );
    assert_shows(&shown("\"50ms\"", "\"0s\""), &["heartbeat = 0ns is out of range"]);
    assert_shows(&shown("poll = \"1s\"", "poll = \"0s\""), &["poll is out of range", "21 │ poll"]);
    assert_shows(&shown("batch = 7", "batch = 0"), &["batch is out of range", "22 │ batch"]);
    let backoff = shown("batch = 7", "backoff_max = \"25h\"");
    assert_shows(&backoff, &["backoff_max is out of range", "22 │ backoff_max"]);
    assert_shows(&shown("batch = 7", "attempts = 0"), &["attempts is zero", "22 │ attempts"]);
    for spread in [0, 257] {
        assert_shows(
            &shown("batch = 7", &format!("spread = {spread}")),
            &["spread is out of range", "22 │ spread", "1 to 256 units", "the leader delivers"],
        );
    }
    assert_shows(&shown("\"mail\"", "\"\""), &["cannot name a cluster", "1 │ cluster"]);
}

#[test]
fn no_voters_and_too_many_are_shown() {
    let without = GOOD.lines().filter(|line| !line.starts_with('n') || line.starts_with("node"));
    let error = parse(&without.collect::<Vec<_>>().join("\n")).unwrap_err();
    assert_shows(&rendered(&error), &["n1 is not among the voters"]);
    let more: String = (20..40).map(|n| format!("n{n} = \"127.0.0.1:74{n}\"\n")).collect();
    assert_shows(
        &shown("n3 = ", &format!("{more}n3 = ")),
        &["23 voters", "6 │ [voters]", "these voters"],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = NodeConfig::load(Path::new("/nonexistent/n1.toml")).unwrap_err();
    assert_shows(&rendered(&error), &["cannot read the configuration /nonexistent/n1.toml"]);
}

#[test]
fn the_examples_are_good_and_agree() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/three-nodes");
    let load = |node: &str| NodeConfig::load(&directory.join(format!("{node}.toml"))).unwrap();
    let [one, two, three] = ["n1", "n2", "n3"].map(load);
    for (node, name) in [(&one, "n1"), (&two, "n2"), (&three, "n3")] {
        assert_eq!(node.election.me.as_str(), name);
        assert_eq!(node.voters, one.voters);
        assert_eq!(node.cluster, one.cluster);
        assert_eq!(node.election.timing, one.election.timing);
        assert_eq!((&node.store, &node.sink), (&one.store, &one.sink));
    }
    assert!(one.data != two.data && two.data != three.data && one.data != three.data);
    let observer = load("o1");
    assert!(observer.election.observer);
    assert_eq!((observer.cluster, observer.voters), (one.cluster, one.voters));
    assert_eq!((observer.store, observer.sink), (one.store, one.sink));
}
