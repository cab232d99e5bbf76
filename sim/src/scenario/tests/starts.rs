//! When a fault begins: what may be written, and what is refused.

use super::*;

const WORK: &str = "workload = { messages = 9 }\n";

/// `fault` as the only line of a scenario with messages.
fn refused_with_work(fault: &str, says: &[&str]) {
    let says: Vec<&str> = says.iter().copied().chain([fault, "[test.toml:6:"]).collect();
    refused(&format!("{HEAD}{WORK}faults = [\n  {fault},\n]\n"), &says);
}

#[test]
fn each_event_is_read_as_it_is_printed() {
    let lines = [
        r#"{ at = "2s", pause = "n1", for = "8s" }"#,
        r#"{ when = "campaign(n3)", after = "2ms", kill = "n1", down = "0s" }"#,
        r#"{ when = "leader", pause = "n1", for = "8s" }"#,
        r#"{ when = "leader(n2)", nth = 2, after = "300ms", wall = "n1", step = "-4s" }"#,
        r#"{ when = "claim asked", nth = 7, pause = "leader", for = "8s" }"#,
        r#"{ when = "claim", after = "1ms", kill = "leader", down = "0s" }"#,
        r#"{ when = "send", cut = "leader <-> others", for = "8s" }"#,
        r#"{ when = "floor", nth = 40, kill = "leader", down = "0s" }"#,
    ];
    let plan = plan(&format!("{HEAD}{WORK}faults = [\n{}\n]", lines.join(",\n")), 1);
    let printed: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    assert_eq!(printed, lines);
}

#[test]
fn a_fault_has_a_time_or_an_event() {
    refused_with_work(
        r#"{ at = "1s", when = "leader(n2)", wall = "n1", step = "-4s" }"#,
        &["both at a time and at an event", "write at = \"1.2s\" for a time"],
    );
    refused_with_work(
        r#"{ at = "1s", nth = 2, kill = "n1" }"#,
        &["\"nth\" belongs to an event", "only with \"when\""],
    );
    refused_with_work(r#"{ at = "1s", after = "2s", kill = "n1" }"#, &["\"after\" belongs to"]);
}

#[test]
fn events_that_do_not_exist_get_the_nearest() {
    refused_with_work(r#"{ when = "laeder", kill = "n1" }"#, &["did you mean \"leader\"?"]);
    refused_with_work(r#"{ when = "claim askd", kill = "n1" }"#, &["mean \"claim asked\"?"]);
    refused_with_work(r#"{ when = "", kill = "n1" }"#, &["expected one of: leader, claim asked"]);
    refused_with_work(r#"{ when = 3, kill = "n1" }"#, &["expected an event such as \"leader\""]);
    refused_with_work(r#"{ when = "leader", aftr = "1s", kill = "n1" }"#, &["mean \"after\"?"]);
}

#[test]
fn only_voters_of_the_cluster_lead() {
    refused_with_work(
        r#"{ when = "leader(n4)", kill = "n1" }"#,
        &["there is no node \"n4\"", "n1 to n3"],
    );
    refused_with_work(r#"{ when = "campaign(n4)", kill = "n1" }"#, &["there is no node \"n4\""]);
    refused_with_work(r#"{ when = "leader(o1)", kill = "n1" }"#, &["an observer, and never leads"]);
    refused_with_work(
        r#"{ when = "leader(m2)", kill = "n1" }"#,
        &["not a voter", "did you mean \"n2\"?"],
    );
}

#[test]
fn bad_counts_and_delays_of_events_are_refused() {
    refused_with_work(r#"{ when = "claim", nth = 0, kill = "n1" }"#, &["\"nth\" is zero"]);
    refused_with_work(r#"{ when = "claim", nth = "3..1", kill = "n1" }"#, &["ends before"]);
    refused_with_work(r#"{ when = "claim", after = "1", kill = "n1" }"#, &["has no unit"]);
    refused_with_work(
        r#"{ when = "claim", after = "60s", kill = "n1" }"#,
        &["1m after any event comes after the horizon"],
    );
}

#[test]
fn events_of_messages_need_messages() {
    fault_refused(
        r#"{ when = "claim", kill = "n1" }"#,
        &["\"claim\" never happens", "add workload = { messages = 200 }"],
    );
    fault_refused(r#"{ when = "floor", kill = "n1" }"#, &["\"floor\" never happens"]);
    parse(&format!("{HEAD}faults = [{{ when = \"leader(n3)\", kill = \"n1\" }}]"));
}

/// What comes in turn comes to its end, or is refused: the rest of it would silently never be.
#[test]
fn what_comes_in_turn_ends_before_the_horizon() {
    let late = r#"{ at = "50s", deploy = "all", voters = 4, gap = "4s" }"#;
    fault_refused(late, &["the last of 4 bounces would come at 62s", "shorten the gap"]);
    let fine = r#"{ at = "50s", deploy = "all", voters = 4, gap = "3s" }"#;
    parse(&format!("{HEAD}faults = [{fine}]"));
}

/// A report names the line as it is written, and where.
#[test]
fn a_line_knows_where_it_is_written() {
    let fault = "{ at = \"1s\",  kill = \"n1\" }";
    let scenario = parse(&format!("# a comment\n{HEAD}faults = [\n  {fault}, {fault},\n]\n"));
    for line in &scenario.faults {
        let Origin { line, text } = &line.origin;
        assert_eq!((*line, text.as_str()), (6, "{ at = \"1s\", kill = \"n1\" }"));
    }
    let moved = parse(&format!("# two\n# comments\n{HEAD}faults = [\n  {fault}, {fault},\n]\n"));
    assert_eq!(moved, scenario, "where it stands is no part of what it says");
    assert_eq!(format!("{moved:?}"), format!("{scenario:?}"));
}
