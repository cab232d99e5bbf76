//! What a scenario file may hold, and what its errors look like.

mod disks;
mod jobs;
mod networks;
mod overlaps;
mod starts;
mod timings;
mod troubles;

use fencepost::election::Timing;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::*;
use crate::faults::{Plan, generate};
use crate::search::elsewhere;

const HEAD: &str = "name = \"test\"\ncluster = { voters = 3 }\nhorizon = \"60s\"\n";

fn rendered(error: &dyn Diagnostic) -> String {
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_width(200)
        .render_report(&mut out, error)
        .unwrap();
    out
}

fn parse(text: &str) -> Scenario {
    Scenario::parse("test.toml", text).unwrap_or_else(|error| panic!("{}", rendered(&error)))
}

fn plan(text: &str, seed: u64) -> Plan {
    generate(&parse(text), seed)
}

fn problems(text: &str) -> (usize, String) {
    match Scenario::parse("test.toml", text) {
        Ok(scenario) => panic!("accepted: {text}\n{scenario:?}"),
        Err(error @ ScenarioError::Unreadable { .. }) => panic!("{error}"),
        Err(error) => {
            let shown = rendered(&error);
            let ScenarioError::Unusable { problems, .. } = error else { unreachable!() };
            (problems.len(), shown)
        }
    }
}

/// One problem, and all of `says` in what is shown of it: the line, its number and the remedy.
fn refused(text: &str, says: &[&str]) {
    let (count, shown) = problems(text);
    assert_eq!(count, 1, "{shown}");
    for part in says {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
}

/// `fault` as the only line of a scenario.
fn fault_refused(fault: &str, says: &[&str]) {
    let says: Vec<&str> = says.iter().copied().chain([fault, "[test.toml:5:"]).collect();
    refused(&format!("{HEAD}faults = [\n  {fault},\n]\n"), &says);
}

/// `section` in an otherwise good scenario.
fn section_refused(section: &str, says: &[&str]) {
    refused(&format!("{HEAD}{section}\n"), says);
}

#[test]
fn a_short_scenario_gets_defaults() {
    let scenario = parse(HEAD);
    assert_eq!(scenario.voters, Between::exactly(3));
    assert_eq!(scenario.transport, Transport::Links);
    assert_eq!(generate(&scenario, 1).timing, Timing::default());
    assert_eq!(scenario.heal, Between::exactly(DEFAULT_HEAL));
    assert_eq!((scenario.workload, scenario.swarm, scenario.seed), (None, None, None));
    assert!(plan(&format!("{HEAD}workload = {{ messages = 0 }}\n"), 1).workload.is_none());
}

#[test]
fn each_fault_is_read_as_it_is_printed() {
    let lines = [
        r#"{ at = "1.2s", pause = "n1", for = "8s" }"#,
        r#"{ at = "1.3s", cut = "n1 -> n2, n3", for = "5s" }"#,
        r#"{ at = "1.4s", cut = "n1, n2 <-> n3", for = "5s" }"#,
        r#"{ at = "1.5s", cut = "all <-> db", for = "5s" }"#,
        r#"{ at = "1.6s", flap = "n1 <-> n2", up = "200ms", down = "300ms", for = "5s" }"#,
        r#"{ at = "1.7s", topology = "star(n2)", for = "5s" }"#,
        r#"{ at = "1.8s", topology = "star(leader)", for = "5s" }"#,
        r#"{ at = "1.9s", topology = "chain", for = "5s" }"#,
        r#"{ at = "2s", slow = "n2 -> n1", by = "900ms", for = "3s" }"#,
        r#"{ at = "3s", noise = "all <-> all", loss = 0.2, duplicate = 0.0, reorder = 1.0, for = "3s" }"#,
        r#"{ at = "4s", kill = "leader", down = "1s", slow_start = "500ms" }"#,
        r#"{ at = "5s", stop = "follower", down = "0s" }"#,
        r#"{ at = "5.1s", pause = "n1, follower", for = "300ms" }"#,
        r#"{ at = "5.2s", suspend = "majority", for = "4s" }"#,
        r#"{ at = "5.3s", suspend = "leader", uncounted = true, for = "4s" }"#,
        r#"{ at = "5.4s", die = "n1", down = "3s", slow_start = "1s", torn = true }"#,
        r#"{ at = "5.5s", crash_loop = "n1, n2", times = 5, up = "300ms", down = "200ms", wipe = true }"#,
        r#"{ at = "5.6s", disk = "all", is = "full", for = "3s" }"#,
        r#"{ at = "5.7s", disk = "n1", is = "unreadable", for = "3s" }"#,
        r#"{ at = "5.8s", disk = "n1", is = "slow", by = "200ms", for = "3s" }"#,
        r#"{ at = "5.9s", restart = "db", down = "800ms" }"#,
        r#"{ at = "5.91s", restart = "sink", down = "0s" }"#,
        r#"{ at = "5.92s", fail = "db", share = 0.5, for = "3s" }"#,
        r#"{ at = "5.93s", fail = "sink", share = 1.0, for = "3s" }"#,
        r#"{ at = "5.94s", commit = "late", by = "1.5s", share = 0.25, for = "3s" }"#,
        r#"{ at = "5.95s", commit = "lost", share = 0.000001, for = "3s" }"#,
        r#"{ at = "5.96s", effect = "late", by = "20ms", share = 0.25, for = "3s" }"#,
        r#"{ at = "5.97s", effect = "lost", share = 0.3, for = "3s" }"#,
        r#"{ at = "5.98s", strobe = "n1", by = "-2s", every = "50ms", for = "5s" }"#,
        r#"{ at = "6s", wall = "n1", step = "-4s" }"#,
        r#"{ at = "7s", rate = "n1", ppm = -5000, for = "10s" }"#,
    ];
    let plan = plan(&format!("{HEAD}faults = [\n{}\n]", lines.join(",\n")), 1);
    let printed: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    assert_eq!(printed, lines);
}

#[test]
fn a_node_cut_off_is_cut_off_from_everything() {
    let plan = plan(&format!("{HEAD}faults = [{{ at = \"1s\", cut = \"n1\", for = \"5s\" }}]"), 1);
    let fault = &plan.faults[0].fault;
    assert_eq!(fault.to_string(), "cut = \"n1 <-> others, db, sink\", for = \"5s\"");
    assert_eq!(fault.kind(&plan.timing), "cut-node");
}

#[test]
fn an_unreadable_file_is_named() {
    let error = Scenario::load(Path::new("no/such/file.toml")).unwrap_err();
    let shown = rendered(&error);
    for part in ["cannot read the scenario no/such/file.toml", "cargo sim list"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn what_is_not_toml_is_shown_at_its_line() {
    let (_, shown) = problems("name = \"test\nhorizon = \"60s\"\n");
    for part in ["not TOML", "test.toml:1:", "name = \"test", "one fault a line"] {
        assert!(shown.contains(part), "{shown}");
    }
    let (count, shown) = problems("");
    assert_eq!(count, 3, "{shown}");
    assert!(shown.contains("add cluster = { voters = 3 }"), "{shown}");
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let (count, shown) = problems(
        "nam = \"x\"\nname = 3\ncluster = { voters = 0, disc = \"kept\" }\nhorizon = \"60\"\n\
         faults = [{ at = \"1s\", pause = \"n1\" }, { at = \"x\", cut = \"n1 -> ndb\", for = 3 }]\n",
    );
    assert_eq!(count, 9, "{shown}");
    let places: Vec<usize> = ["\"nam\"", "\"name\"", "voters", "disc", "\"60\"", "\"for\""]
        .iter()
        .map(|part| shown.find(part).unwrap_or_else(|| panic!("{part}: {shown}")))
        .collect();
    assert!(places.is_sorted(), "{shown}");
}

#[test]
fn misspelt_keys_get_the_nearest_name() {
    let root = format!("{HEAD}workloads = {{}}\n");
    refused(&root, &["test.toml:4:1", "workloads = {}", "did you mean \"workload\"?"]);
    section_refused("timing = { leese = \"900ms\" }", &["leese", "did you mean \"lease\"?"]);
    section_refused("network = { latancy = \"1ms\" }", &["did you mean \"latency\"?"]);
    section_refused("workload = { messages = 1, sinc = 1 }", &["did you mean \"sink\"?"]);
    section_refused("[swarm]\ncount = 1\ndraws = {}", &["did you mean \"draw\"?"]);
    section_refused("[expect]\nkill = []", &["[expect]", "did you mean \"kills\"?"]);
    section_refused(
        "[swarm]\ncount = 1\nranges = { pauze = \"1s\" }",
        &["pauze", "did you mean \"pause\"?"],
    );
    fault_refused(r#"{ at = "1s", puase = "n1", for = "8s" }"#, &["did you mean \"pause\"?"]);
    fault_refused(r#"{ at = "1s", xyz = "n1" }"#, &["expected one of: pause, cut, flap"]);
    fault_refused(r#"{ at = "1s", pause = "n1", for = "8s", fro = 1 }"#, &["did you mean \"for\""]);
}

#[test]
fn impossible_clusters_are_refused() {
    let cluster = |cluster: &str, says: &[&str]| {
        refused(&format!("name = \"x\"\nhorizon = \"9s\"\ncluster = {cluster}\n"), says);
    };
    cluster("{ voters = 0 }", &["test.toml:3:", "{ voters = 0 }", "write voters = 1 at least"]);
    cluster("{ voters = 16 }", &["too many voters", "at most 15"]);
    cluster("{ voters = \"5..3\" }", &["ends before it begins", "\"3..5\""]);
    cluster("{ voters = -1 }", &["whole number"]);
    cluster("{}", &["add voters = 3"]);
    cluster("3", &["the cluster is a number", "expected a table"]);
    cluster("{ voters = 3, disk = \"keep\" }", &["did you mean \"kept\"?"]);
    cluster("{ voters = 3, transport = \"link\" }", &["did you mean \"links\"?"]);
    assert_eq!(parse("name = \"x\"\nhorizon = \"9s\"\ncluster = { voters = 4 }").voters.low, 4);
}

#[test]
fn faults_on_nodes_that_do_not_exist_are_refused() {
    fault_refused(
        r#"{ at = "1s", pause = "n4", for = "8s" }"#,
        &["there is no node \"n4\"", "the cluster has the nodes n1 to n3"],
    );
    fault_refused(r#"{ at = "1s", cut = "n1 -> n2, n9", for = "8s" }"#, &["\"n9\"", "n1 to n3"]);
    fault_refused(r#"{ at = "1s", kill = "laeder" }"#, &["did you mean \"leader\"?"]);
    fault_refused(r#"{ at = "1s", kill = "db" }"#, &["kill cannot meet \"db\"", "name nodes"]);
    refused(
        "name = \"x\"\nhorizon = \"9s\"\ncluster = { voters = \"3..5\" }\n\
         faults = [{ at = \"1s\", kill = \"n4\" }]\n",
        &["some seeds have only 3 voters", "test.toml:4:"],
    );
}

#[test]
fn links_that_do_not_exist_are_refused() {
    let cut = |links: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", cut = "{links}", for = "8s" }}"#), says);
    };
    cut("n1 -> n1", &["\"n1\" is on both sides", "no link to itself"]);
    cut("n1, n1 -> n2", &["named twice"]);
    cut("db -> sink", &["no node has a part", "all <-> db"]);
    cut("others -> db", &["\"others\" than whom?", "leader -> others"]);
    cut("db", &["names no link", "n1 <-> n2"]);
    cut("n1 -> ", &["a name is missing", "leader, follower"]);
    cut("n1 <- n2", &["neither a node nor a group"]);
    fault_refused(
        r#"{ at = "1s", noise = "n1 -> db", loss = 0.1, for = "8s" }"#,
        &["election messages only", "use `cut` or `slow`"],
    );
}

#[test]
fn faults_that_come_too_late_are_refused() {
    fault_refused(
        r#"{ at = "60s", pause = "n1", for = "8s" }"#,
        &["after the horizon", "before horizon = \"1m\""],
    );
    fault_refused(r#"{ at = "1s..70s", kill = "n1" }"#, &["after the horizon"]);
    fault_refused(
        r#"{ at = "10s", rolling = "kill", gap = "25s" }"#,
        &["the last of 3 bounces would come at 1m", "shorten the gap"],
    );
}

#[test]
fn bad_values_are_refused_with_an_example() {
    let pause = |lasts: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", pause = "n1", for = {lasts} }}"#), says);
    };
    pause("\"8\"", &["has no unit", "such as \"300us\""]);
    pause("8", &["a number without a unit", "expected a duration"]);
    pause("\"8 parsecs\"", &["\"parsecs\" is not a unit of time", "ns, us, ms, s, m, h"]);
    pause("\"3s..1s\"", &["ends before it begins"]);
    pause("\"0s\"", &["\"for\" is zero", "for = \"3s\""]);
    fault_refused(r#"{ at = "1s", pause = "n1" }"#, &["no \"for\"", "add for = \"3s\""]);
    fault_refused(r#"{ pause = "n1", for = "1s" }"#, &["no \"at\" and no \"when\"", "add at = "]);
    fault_refused(r#"{ at = "1s" }"#, &["has no fault", "add one of: pause"]);
    fault_refused(r#"{ at = "1s", wall = "n1", step = "1us" }"#, &["millisecond", "-1h..1h"]);
    fault_refused(r#"{ at = "1s", rate = "n1", ppm = 2000000, for = "1s" }"#, &["900000"]);
    fault_refused(r#"{ at = "1s", kill = "n1", stop = "n2" }"#, &["both \"kill\" and \"stop\""]);
    fault_refused(
        r#"{ at = "1s", kill = "n1", for = "1s" }"#,
        &["kill takes: at, when, nth, after, down, slow_start, wipe, torn"],
    );
    fault_refused(
        r#"{ at = "1s", rolling = "gracefull", gap = "1s" }"#,
        &["did you mean \"graceful\"?"],
    );
    fault_refused(
        r#"{ at = "1s", noise = "all <-> all", loss = 1.5, for = "1s" }"#,
        &["not a probability", "loss = 0.05"],
    );
    section_refused("network = { loss = \"a lot\" }", &["not a probability"]);
    section_refused("seed = -1", &["\"seed\" is not a seed", "seed = 17"]);
    section_refused("faults = 3", &["expected a list"]);
    section_refused("workload = { messages = 9, sink = \"smtp\" }", &["dedup, fenced, plain"]);
    section_refused("workload = { messages = 100001 }", &["at most 100000"]);
    section_refused("workload = { messages = 9, sink = [] }", &["no sink"]);
    section_refused("workload = { messages = 9, batch = 0 }", &["\"batch\" is zero", "batch = 1"]);
    section_refused("workload = { messages = 9, attempts = \"0..3\" }", &["\"attempts\" is zero"]);
    section_refused("workload = { messages = 9, keys = 1001 }", &["expected at most 1000"]);
    section_refused(
        "workload = { messages = 9, sink = \"plain\", window = \"1m\" }",
        &["only a dedup sink has a window"],
    );
}

#[test]
fn timings_that_break_the_lease_rule_are_refused_at_their_line() {
    section_refused(
        "timing = { lease = \"2s\" }",
        &["test.toml:4:", "lease = \"2s\"", "lease rule", "write promise = \"2.060", "shorten"],
    );
    section_refused(
        "timing = { election_timeout = \"940ms\" }",
        &["too short beside promise", "write election_timeout = \"950ms\" or more"],
    );
    section_refused("timing = { jitter = \"2h\" }", &["out of range", "\"1ms\" to \"1h\""]);
    section_refused("timing = { max_drift_ppm = 600000 }", &["from 0 to 500000"]);
}

#[test]
fn names_that_name_nothing_get_the_nearest() {
    let expect = |line: &str, says: &[&str]| {
        section_refused(&format!("[expect]\n{line}"), &[&["test.toml:5:", line], says].concat());
    };
    expect(
        "reach = [\"claim_rejected_stale_tokn\"]",
        &["no reach point", "did you mean \"claim_rejected_stale_token\"?"],
    );
    expect("kills = [\"no_fence\"]", &["no planted bug", "did you mean \"no_fence_check\"?"]);
    expect("faults = [\"pauze\"]", &["no kind of fault", "did you mean \"pause\"?"]);
    expect("verdict = \"L9\"", &["no property \"L9\"", "did you mean \"L1\"?"]);
    expect("verdict = [\"ok\", \"L1\"]", &["either \"ok\" or"]);
    expect("leader_changes = \"1..3\"", &["cannot be a range"]);
    expect("outage = \"1s..3s\"", &["cannot be a range"]);
    expect("outage = 5", &["outage"]);
    section_refused(
        "[swarm]\ncount = 1\ndraw = { pause-leder = 1 }",
        &["test.toml:6:", "did you mean \"pause-leader\"?"],
    );
    section_refused("[swarm]\ncount = 1\ndraw = { pause = 0 }", &["all weights are zero"]);
    section_refused("[swarm]\ncount = 5000", &["at most 1000"]);
    section_refused(
        "[swarm]\ncount = 1\ndraw = { rate-outside = 1 }\nranges = { ppm_outside = \"1..9\" }",
        &["begin within", "10001..500000"],
    );
}

#[test]
fn the_tcp_transport_takes_no_noise() {
    let tcp = |rest: &str, says: &[&str]| {
        let head = HEAD.replace("voters = 3", "voters = 3, transport = \"tcp\"");
        refused(&format!("{head}{rest}\n"), says);
    };
    let noise = r#"faults = [{ at = "1s", noise = "all <-> all", loss = 0.1, for = "1s" }]"#;
    tcp(noise, &["does not reach the tcp transport", "transport = \"links\""]);
    let slow = r#"faults = [{ at = "1s", slow = "n1 -> n2", by = "1ms", for = "1s" }]"#;
    tcp(slow, &["slow between nodes"]);
    tcp("network = { loss = 0.1 }", &["\"loss\" does not reach"]);
    tcp("[swarm]\ncount = 1\ndraw = { noise = 1 }", &["noise does not reach"]);
}

#[test]
fn every_file_in_scenarios_is_good_and_can_inject_what_it_expects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    for folder in [root.clone(), root.join("mutants")] {
        let entries = std::fs::read_dir(folder).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    assert!(files.len() >= 19, "{files:?}");
    let mut names = std::collections::BTreeSet::new();
    let mut killed = Vec::new();
    for file in files {
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{}", rendered(&error)));
        assert!(names.insert(scenario.name.clone()), "two scenarios are called {}", scenario.name);
        // A plan is about what it shows.
        let says = scenario.about.is_some() || scenario.seed.is_some();
        assert!(says, "{file:?} does not say what it is about");
        killed.extend(scenario.expect.kills.clone());
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let plan = generate(&scenario, seed);
            kinds.extend(plan.faults.iter().map(|planned| planned.fault.kind(&plan.timing)));
            let back = Scenario::parse("plan", &print(&plan, &scenario.expect)).unwrap();
            assert_eq!(generate(&back, back.seed.unwrap()), plan, "{file:?}");
            assert_eq!(back.expect, scenario.expect, "{file:?}");
        }
        for kind in &scenario.expect.faults {
            assert!(kinds.contains(kind), "{file:?} expects {kind} and injects {kinds:?}");
        }
    }
    for mutant in Mutant::ALL {
        let scenarios = killed.iter().filter(|killed| *killed == mutant).count();
        let found = scenarios > 0 || elsewhere(*mutant).is_some();
        assert!(found, "{} is killed by no scenario, and nowhere else", mutant.name());
    }
}

proptest::proptest! {
    /// Whatever is done to a file, it is read or refused, and the refusal can be shown.
    #[test]
    fn a_damaged_file_never_panics(
        edits in proptest::collection::vec((0usize..2_000, "[\"{}=,.<>0-9a-z -]{0,3}"), 1..4)
    ) {
        let mut text: Vec<char> = DAMAGED.chars().collect();
        for (place, with) in edits {
            let place = place % text.len();
            let end = (place + with.len()).min(text.len());
            text.splice(place..end, with.chars());
        }
        match Scenario::parse("test.toml", &text.iter().collect::<String>()) {
            Ok(scenario) => drop(generate(&scenario, 1)),
            Err(error) => proptest::prop_assert!(rendered(&error).contains("test.toml")),
        }
    }
}

const DAMAGED: &str = r#"name = "test"
cluster = { voters = "3..5", observers = "0..2", disk = ["kept", "none"], transport = "links" }
timing = { lease = "800ms..900ms", jitter = "50ms", max_drift_ppm = "1000..9000" }
network = { latency = "300us..2ms", shape = "long-tail", loss = 0.1, links = [
  { between = "n1 <-> n3, db", latency = "20ms..40ms", shape = "normal-ish" },
] }
workload = { messages = 20, every = "50ms", sink = ["dedup", "plain"], window = "5m", keys = "0..3", batch = "1..9", attempts = 5 }
horizon = "60s"
faults = [
  { at = "1s..2s", cut = "n1, n2 <-> n3, db", for = "5s" },
  { at = "3s", noise = "all <-> all", loss = 0.2, for = "3s" },
  { at = "9s", rolling = "kill", gap = "3s", down = "500ms", wipe = "sometimes" },
  { at = "9s", kill = "n1, n2", torn = true },
  { at = "9s", flap = "n1 -> n2", up = "20ms..30ms", down = "1s", for = "3s" },
  { at = "9s", topology = "star(n2)", for = "3s" },
  { at = "10s", wall = "leader", step = "-4s..4s" },
  { when = "leader(n2)", nth = "1..4", after = "300ms", pause = "leader", for = "2s" },
  { when = "claim asked", kill = "leader" },
  { at = "11s", rate = "n1", ppm = 5000, for = "10s" },
]
[swarm]
count = "3..12"
far_node = 20
draw = { pause = 3, ring = 1, rate-outside = 2, kill-all-wiped = 1 }
ranges = { pause = "1s..2s", ppm_outside = "50000..60000" }
[expect]
verdict = "ok"
reach = ["lease_expired"]
kills = ["no_fence_check"]
"#;

/// The limit is part of the plan, so that a shrunk one breaks it, too.
#[test]
fn the_longest_outage_goes_with_the_plan() {
    let text = "name = \"x\"\ncluster = { voters = 3 }\nhorizon = \"9s\"\n\
                [expect]\noutage = \"2500ms\"\n";
    let scenario = Scenario::parse("x.toml", text).map_err(miette::Report::new).unwrap();
    let plan = generate(&scenario, 7);
    assert_eq!(plan.outage, Some(Duration::from_millis(2_500)));
    let printed = plan.to_string();
    assert!(printed.ends_with("[expect]\noutage = \"2.5s\"\n"), "{printed}");
    let again = Scenario::parse("y.toml", &printed).map_err(miette::Report::new).unwrap();
    assert_eq!(generate(&again, 7), plan);
}
