//! Silent deaths, crash loops, disks, sleeping machines, strobes, and what is wrong with services.

use super::*;

#[test]
fn machines_that_cannot_do_that_are_refused() {
    let refused = fault_refused;
    refused(r#"{ at = "1s", die = "n1" }"#, &["no \"down\"", "add down = \"3s\""]);
    refused(r#"{ at = "1s", die = "n1", down = "0s" }"#, &["\"down\" is zero"]);
    refused(r#"{ at = "1s", die = "sink", down = "1s" }"#, &["die cannot meet \"sink\""]);
    refused(r#"{ at = "1s", dye = "n1", down = "1s" }"#, &["did you mean \"die\"?"]);
    let looped = |rest: &str, says: &[&str]| {
        refused(&format!(r#"{{ at = "1s", crash_loop = "n1", {rest} }}"#), says);
    };
    looped("up = \"1s\"", &["no \"times\"", "add times = 5"]);
    looped("times = 0, up = \"1s\"", &["cannot be killed so often", "expected 1 to 1000"]);
    looped("times = 5000, up = \"1s\"", &["cannot be killed so often"]);
    looped("times = 5", &["no \"up\""]);
    refused(
        r#"{ at = "1s", suspend = "n1", uncounted = "yes", for = "1s" }"#,
        &["\"uncounted\" is a string", "expected true or false"],
    );
    refused(
        r#"{ at = "1s", strobe = "n1", by = "2s", every = "1us", for = "9s" }"#,
        &["more than 10000 times", "write every = \"900us\" or more"],
    );
    refused(
        r#"{ at = "1s", strobe = "n1", by = "2s", every = "0s", for = "9s" }"#,
        &["\"every\" is zero"],
    );
}

#[test]
fn disks_that_cannot_fail_like_that_are_refused() {
    let disk = |rest: &str, says: &[&str]| {
        fault_refused(&format!(r#"{{ at = "1s", disk = "n1", for = "1s"{rest} }}"#), says);
    };
    disk("", &["no \"is\"", "add is = \"full\""]);
    disk(", is = \"ful\"", &["is = \"ful\" is not known", "did you mean \"full\"?"]);
    disk(", is = \"slow\"", &["no \"by\""]);
    disk(", is = \"full\", by = \"1s\"", &["does not belong to a disk that is full"]);
    let none = HEAD.replace("voters = 3", "voters = 3, disk = \"none\"");
    let fault = r#"{ at = "1s", disk = "n1", is = "full", for = "1s" }"#;
    let says = ["no node of this cluster has a disk", "write disk = \"kept\""];
    refused(&format!("{none}faults = [{fault}]\n"), &says);
    let draw = "[swarm]\ncount = 1\ndraw = { disk-full = 1 }\n";
    refused(&format!("{none}{draw}"), &["disk-full does nothing", "only with a disk"]);
}

#[test]
fn a_line_about_disks_is_left_out_for_seeds_that_have_none() {
    let some = HEAD.replace("voters = 3", "voters = 3, disk = [\"kept\", \"none\"]");
    let fault = r#"{ at = "1s", disk = "n1", is = "full", for = "1s" }"#;
    let text = format!("{some}faults = [{fault}]\n");
    let lines: std::collections::BTreeSet<(&str, usize)> = (0..20)
        .map(|seed| plan(&text, seed))
        .map(|plan| (plan.disk.name(), plan.faults.len()))
        .collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), [("kept", 1), ("none", 0)]);
}

#[test]
fn services_that_cannot_do_that_are_refused() {
    let refused = fault_refused;
    refused(r#"{ at = "1s", restart = "n1", down = "1s" }"#, &["expected \"db\" or \"sink\""]);
    refused(r#"{ at = "1s", restart = "db" }"#, &["no \"down\""]);
    refused(r#"{ at = "1s", fail = "dbb", for = "1s" }"#, &["did you mean \"db\"?"]);
    refused(r#"{ at = "1s", fail = "db", share = 0, for = "1s" }"#, &["\"share\" is zero"]);
    refused(r#"{ at = "1s", fail = "db", share = 2, for = "1s" }"#, &["not a probability"]);
    refused(r#"{ at = "1s", commit = "late", for = "1s" }"#, &["no \"by\""]);
    refused(
        r#"{ at = "1s", commit = "lost", by = "1s", for = "1s" }"#,
        &["not late as well", "write commit = \"late\""],
    );
    refused(r#"{ at = "1s", effect = "lots", for = "1s" }"#, &["did you mean \"lost\"?"]);
    // Without a share it meets all.
    let text = format!("{HEAD}faults = [{{ at = \"1s\", effect = \"lost\", for = \"1s\" }}]\n");
    let printed = plan(&text, 1).faults[0].fault.to_string();
    assert_eq!(printed, r#"effect = "lost", share = 1.0, for = "1s""#);
}

#[test]
fn faults_that_would_do_nothing_are_refused() {
    let refused = |fault: &str, says: &str| {
        fault_refused(&format!(r#"{{ at = "1s", {fault} }}"#), &[says, "for example"]);
    };
    refused(r#"noise = "all <-> all", for = "1s""#, "this noise does nothing");
    refused(
        r#"noise = "all <-> all", loss = 0.0, duplicate = 0, reorder = 0.0000001, for = "1s""#,
        "all zero",
    );
    refused(r#"slow = "n1 -> n2", by = "0s", for = "1s""#, "\"by\" is zero");
    refused(r#"slow = "n1 -> n2", by = "0s..2s", for = "1s""#, "\"by\" is zero");
    refused(r#"disk = "n1", is = "slow", by = "0s", for = "1s""#, "\"by\" is zero");
    refused(r#"commit = "late", by = "0s", for = "1s""#, "\"by\" is zero");
    refused(r#"effect = "late", by = "0ms..1s", for = "1s""#, "\"by\" is zero");
    refused(r#"rate = "n1", ppm = 0, for = "1s""#, "\"ppm\" is zero");
    refused(r#"wall = "n1", step = "0s""#, "\"step\" is zero");
    refused(r#"wall = "n1", step = "-0s..0s""#, "\"step\" is zero");
    refused(r#"strobe = "n1", by = "0s", every = "1s", for = "9s""#, "\"by\" is zero");
    section_refused("[swarm]\ncount = 1\nranges = { by = \"0s..1s\" }", &["\"by\" is zero"]);
    // A calm network is not a fault.
    parse(&format!("{HEAD}network = {{ loss = 0.0 }}\n"));
}

#[test]
fn a_range_that_includes_nothing_draws_something() {
    let faults = [
        r#"{ at = "1s", wall = "n1", step = "-1ms..1ms" }"#,
        r#"{ at = "2s", strobe = "n2", by = "0s..1ms", every = "1s", for = "9s" }"#,
        r#"{ at = "3s", rate = "n3", ppm = "-1..0", for = "9s" }"#,
    ];
    let text = format!("{HEAD}faults = [{}]\n", faults.join(", "));
    for seed in 0..50 {
        let plan = plan(&text, seed);
        let back = self::plan(&print(&plan, &Expect::default()), seed);
        assert_eq!(back, plan, "seed {seed}");
    }
}

#[test]
fn a_person_judges_messages_that_there_are() {
    let lines = [
        r#"{ at = "1s", judge = "doubts", thinks = "0s" }"#,
        r#"{ at = "2s", judge = "dead letters", thinks = "1.5s" }"#,
    ];
    let work = "workload = { messages = 9, sink = \"plain\" }\n";
    let plan = plan(&format!("{HEAD}{work}faults = [{}]\n", lines.join(", ")), 1);
    let printed: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    assert_eq!(printed, lines);
    let kinds: Vec<&str> = plan.faults.iter().map(|p| p.fault.kind(&plan.timing)).collect();
    assert_eq!(kinds, ["verdicts", "requeue"]);
    fault_refused(lines[0], &["there is no workload", "add workload = "]);
    let refused = |fault: &str, says: &str| {
        super::refused(&format!("{HEAD}{work}faults = [{{ at = \"1s\", {fault} }}]\n"), &[says]);
    };
    refused("judge = \"doubt\", thinks = \"1s\"", "did you mean \"doubts\"?");
    refused("judge = \"doubts\"", "no \"thinks\"");
}
