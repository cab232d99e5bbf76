//! Disks, observers, and bounces of several nodes.

use super::*;
use crate::faults::Target;
use crate::faults::plan::DiskMode;

/// A scenario with that cluster and that fault, in the lines 3 and 5.
fn in_cluster(cluster: &str, fault: &str) -> String {
    format!("name = \"x\"\nhorizon = \"60s\"\ncluster = {cluster}\nfaults = [\n  {fault},\n]\n")
}

fn printed(cluster: &str, fault: &str, seed: u64) -> Vec<String> {
    let plan = plan(&in_cluster(cluster, fault), seed);
    plan.faults.iter().map(|planned| planned.fault.to_string()).collect()
}

#[test]
fn impossible_disks_and_observers_are_refused() {
    let cluster = |cluster: &str, says: &[&str]| {
        refused(&format!("name = \"x\"\nhorizon = \"9s\"\ncluster = {cluster}\n"), says);
    };
    cluster("{ voters = 3, disk = \"wipe\" }", &["test.toml:3:", "did you mean \"wiped\"?"]);
    cluster("{ voters = 3, disk = [\"kept\", \"nome\"] }", &["\"nome\"", "did you mean \"none\"?"]);
    cluster("{ voters = 3, disk = [] }", &["no kind of disk", "kept, wiped, none"]);
    cluster("{ voters = 3, disk = true }", &["true or false", "expected a name"]);
    cluster("{ voters = 3, observers = 9 }", &["too many observers", "expected 0 to 8"]);
    cluster("{ voters = 3, observers = \"2..1\" }", &["ends before it begins"]);
    cluster("{ voters = 3, observer = 1 }", &["did you mean \"observers\"?"]);
    let scenario = parse("name = \"x\"\nhorizon = \"9s\"\ncluster = { voters = 3 }");
    assert_eq!((scenario.disks, scenario.observers), (vec![DiskMode::Kept], Between::exactly(0)));
}

#[test]
fn bounces_of_several_nodes_are_read_as_they_are_printed() {
    let cluster = "{ voters = 3, observers = 2 }";
    for line in [
        r#"kill = "all", down = "1s""#,
        r#"stop = "all", down = "0s", slow_start = "500ms", wipe = true"#,
        r#"kill = "majority", down = "1s", wipe = true"#,
        r#"kill = "n1, n2", down = "1s", torn = true"#,
        r#"stop = "leader, follower, o2", down = "1s""#,
        r#"pause = "o1", for = "1s""#,
        r#"cut = "o1, n1 <-> majority, db", for = "1s""#,
    ] {
        assert_eq!(printed(cluster, &format!("{{ at = \"1s\", {line} }}"), 1), [line]);
    }
    let plan = plan(&in_cluster(cluster, "{ at = \"1s\", rolling = \"kill\", gap = \"1s\" }"), 1);
    let hit: Vec<String> = plan.faults.iter().map(|planned| planned.fault.to_string()).collect();
    let each = ["n1", "n2", "n3", "o1", "o2"].map(|n| format!("kill = \"{n}\", down = \"0s\""));
    assert_eq!(hit, each, "a deployment restarts the observers, too");
}

#[test]
fn bounces_that_meet_nobody_or_the_same_node_twice_are_refused() {
    let kill = |nodes: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", kill = "{nodes}" }}"#), says);
    };
    kill("n1, db", &["kill cannot meet \"db\"", "\"majority\" or \"all\""]);
    kill("others", &["kill cannot meet \"others\""]);
    kill("n1, n2, n1", &["\"n1\" is named twice", "name it once"]);
    kill("all, n1", &["leaves nobody", "write \"all\", or name"]);
    kill("n1,", &["a name is missing"]);
    kill("n1, n4", &["no node \"n4\"", "n1 to n3"]);
    kill("majorty", &["did you mean \"majority\"?"]);
    kill("o1", &["no node \"o1\"", "no observers: write observers = 1 in cluster"]);
    fault_refused(r#"{ at = "1s", pause = "db", for = "1s" }"#, &["pause cannot meet \"db\""]);
    fault_refused(r#"{ at = "1s", kill = ["n1"] }"#, &["\"kill\" is a list", "\"n1, n2\""]);
}

#[test]
fn observers_that_some_seeds_do_not_have_are_refused() {
    let kill = |observers: &str, name: &str, says: &[&str]| {
        let fault = format!("{{ at = \"1s\", kill = \"{name}\" }}");
        let cluster = format!("{{ voters = 3, observers = {observers} }}");
        let says: Vec<&str> = says.iter().copied().chain(["[test.toml:5:"]).collect();
        refused(&in_cluster(&cluster, &fault), &says);
    };
    kill("2", "o3", &["the observers o1 to o2"]);
    kill("\"1..2\"", "o2", &["only 1 observers", "o1 to o1"]);
    kill("\"0..2\"", "o1", &["some seeds have no observers", "name a voter"]);
}

#[test]
fn a_wipe_that_contradicts_the_rest_is_refused_at_its_line() {
    let kill = |rest: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", kill = "n1", {rest} }}"#), says);
    };
    kill("wipe = true, torn = true", &["both wiped and torn", "or two faults"]);
    kill("wipe = \"sometimes\", torn = true", &["both wiped and torn"]);
    kill("wipe = \"often\"", &["\"often\" is not a choice", "wipe = \"sometimes\""]);
    kill("torn = 1", &["\"torn\" is a number", "write torn = true"]);
    kill("lose = true", &["unknown key \"lose\" in a kill"]);
    fault_refused(r#"{ at = "1s", stop = "n1", torn = true }"#, &["\"torn\" does not belong"]);

    let contradiction = |disk: &str, fault: &str, says: &[&str]| {
        let cluster = format!("{{ voters = 3, disk = {disk} }}");
        let says: Vec<&str> = says.iter().copied().chain(["[test.toml:5:"]).collect();
        refused(&in_cluster(&cluster, fault), &says);
    };
    let wipe = r#"{ at = "1s", rolling = "kill", gap = "1s", wipe = true }"#;
    contradiction("\"none\"", wipe, &["\"wipe\" does nothing", "no disk", "write disk = \"kept\""]);
    let torn = r#"{ at = "1s", kill = "n1", torn = true }"#;
    contradiction("\"none\"", torn, &["\"torn\" does nothing", "no disk"]);
    contradiction("[\"wiped\", \"none\"]", torn, &["\"torn\" does nothing", "an empty disk"]);
}

#[test]
fn a_draw_that_no_disk_can_take_is_refused() {
    let draw = |disk: &str, draw: &str| {
        format!(
            "name = \"x\"\nhorizon = \"60s\"\ncluster = {{ voters = 3, disk = {disk} }}\n\
             [swarm]\ncount = 1\n{draw}\n"
        )
    };
    let says = ["test.toml:6:", "kill-wiped does nothing", "write disk = \"kept\" in cluster"];
    refused(&draw("\"none\"", "draw = { kill-wiped = 1 }"), &says);
    refused(&draw("\"wiped\"", "draw = { torn = 1 }"), &["torn does nothing"]);
    parse(&draw("[\"kept\", \"none\"]", "draw = { torn = 1, wiped-cut-off = 1 }"));
    // Without a list, only what can be carried out is drawn.
    let swarm = parse(&draw("\"none\"", "")).swarm.expect("a swarm");
    assert!(swarm.draw.contains_key(&DrawKind::Kill) && !swarm.draw.contains_key(&DrawKind::Torn));
    assert!(!swarm.draw.contains_key(&DrawKind::WipedCutOff));
}

#[test]
fn the_plan_says_what_becomes_of_each_disk() {
    let kinds = |disk: &str, rest: &str| {
        let fault = format!("{{ at = \"1s\", kill = \"n1\"{rest} }}");
        let plan = plan(&in_cluster(&format!("{{ voters = 3, disk = {disk} }}"), &fault), 1);
        plan.faults[0].fault.kind(&plan.timing)
    };
    assert_eq!(kinds("\"kept\"", ""), "kill");
    assert_eq!(kinds("\"kept\"", ", wipe = true"), "kill-wiped");
    assert_eq!(kinds("\"kept\"", ", wipe = false, torn = true"), "torn");
    assert_eq!(kinds("\"wiped\"", ""), "kill-wiped", "the deployment wipes whatever the line says");
    assert_eq!(kinds("\"none\"", ""), "kill");
    let several = in_cluster(
        "{ voters = 3, disk = [\"kept\", \"wiped\", \"none\"] }",
        "{ at = \"1s\", kill = \"n1\", torn = true }",
    );
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let plan = plan(&several, seed);
        seen.insert((plan.disk.name(), plan.faults[0].fault.kind(&plan.timing)));
    }
    let all = [("kept", "torn"), ("none", "kill"), ("wiped", "kill-wiped")];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn a_seed_decides_each_bounce_of_a_sometimes() {
    let rolling = r#"{ at = "1s", rolling = "graceful", gap = "1s", wipe = "sometimes" }"#;
    let wiped: Vec<usize> = (0..50)
        .map(|seed| {
            let lines = printed("{ voters = 3 }", rolling, seed);
            lines.iter().filter(|line| line.ends_with(", wipe = true")).count()
        })
        .collect();
    for count in 0..=3 {
        assert!(wiped.contains(&count), "{count} of 3: {wiped:?}");
    }
}

#[test]
fn roles_are_named_without_a_number() {
    // The letters that name nodes begin other names, too.
    let plan = plan(
        &in_cluster("{ voters = 3 }", "{ at = \"1s\", cut = \"leader <-> others\", for = \"1s\" }"),
        1,
    );
    let crate::faults::Fault::Cut { links, .. } = &plan.faults[0].fault else { panic!("{plan}") };
    assert_eq!((links.from[0], links.to[0]), (Target::Leader, Target::Others));
    fault_refused(r#"{ at = "1s", kill = "o0" }"#, &["neither a node nor a group"]);
    fault_refused(r#"{ at = "1s", kill = "n" }"#, &["neither a node nor a group"]);
}
