//! Scheduled jobs, and steps of the store's clock.

use fencepost::jobs::{Misfire, Overlap};

use super::*;

const WORK: &str = "workload = { messages = 9, sink = \"fenced\" }\n";

fn with_jobs(jobs: &str) -> String {
    format!("{HEAD}{WORK}jobs = [\n{jobs}\n]\n")
}

fn jobs_refused(job: &str, says: &[&str]) {
    refused(&with_jobs(job), says);
}

#[test]
fn each_job_is_read_as_it_is_printed() {
    let lines = [
        r#"{ every = "1s", runs = "100ms", misfire = "skip", overlap = "skip", grace = "10s" }"#,
        r#"{ every = "250ms", runs = "1ms..2s", misfire = "run latest", overlap = "queue one", grace = "0s" }"#,
        r#"{ every = "5m", runs = "0s..1s", misfire = "catch up 7", overlap = "allow 3", grace = "1.5s" }"#,
    ];
    let plan = plan(&with_jobs(&lines.join(",\n")), 1);
    assert_eq!(plan.jobs.iter().map(ToString::to_string).collect::<Vec<_>>(), lines);
    let text = plan.to_string();
    assert_eq!(generate(&parse(&text), 1), plan, "{text}");
}

#[test]
fn a_short_job_gets_defaults() {
    let plan = plan(&with_jobs("{ every = \"1s\" }"), 1);
    let job = &plan.jobs[0];
    assert_eq!((job.misfire, job.overlap), (Misfire::RunLatest, Overlap::Skip));
    assert_eq!(job.grace, fencepost::jobs::DEFAULT_GRACE);
}

#[test]
fn each_of_several_jobs_draws_its_own() {
    let line = r#"{ count = "2..4", every = "200ms..9s", misfire = ["skip", "catch up 2"] }"#;
    let text = with_jobs(line);
    let plans: Vec<Plan> = (0..20).map(|seed| plan(&text, seed)).collect();
    let counts: std::collections::BTreeSet<usize> = plans.iter().map(|p| p.jobs.len()).collect();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
    assert!(plans.iter().all(|plan| plan.jobs[0].every != plan.jobs[1].every));
    // Seeds without messages have no store, and so no jobs.
    let some = text.replace("messages = 9", "messages = \"0..1\"");
    assert!((0..20).map(|s| plan(&some, s)).all(|p| p.jobs.is_empty() == p.workload.is_none()));
}

#[test]
fn jobs_that_cannot_be_are_refused() {
    refused(
        &format!("{HEAD}jobs = [{{ every = \"1s\" }}]\n"),
        &["jobs without a workload", "add workload"],
    );
    refused(&format!("{HEAD}{WORK}jobs = 3\n"), &["\"jobs\" is a number", "expected a list"]);
    jobs_refused("{ runs = \"1s\" }", &["a job has no \"every\"", "add every = \"3s\""]);
    jobs_refused(
        "{ every = \"1ms\" }",
        &["\"every\" is out of range", "expected \"100ms\" to \"1h\""],
    );
    jobs_refused("{ every = \"1s\", evry = \"1s\" }", &["unknown key \"evry\" in a job"]);
    jobs_refused(
        "{ every = \"1s\", misfire = \"catch up\" }",
        &["misfire = \"catch up\" is unknown", "did you mean \"catch up 3\"?"],
    );
    jobs_refused("{ every = \"1s\", misfire = \"catch up 0\" }", &["is unknown"]);
    jobs_refused("{ every = \"1s\", overlap = \"allow 65\" }", &["not a policy for overlap"]);
    jobs_refused("{ every = \"1s\", overlap = [] }", &["no overlap policy"]);
    jobs_refused("{ every = \"1s\", count = 99 }", &["too many jobs", "at most 16"]);
}

#[test]
fn the_stores_clock_jumps_where_no_promise_rests_on_it() {
    let line = r#"{ at = "1s", wall = "db", step = "-4s" }"#;
    let with_sink = |sink: &str| {
        let workload = format!("workload = {{ messages = 9, sink = {sink} }}\n");
        format!("{HEAD}{workload}faults = [{line}]\n")
    };
    let printed = plan(&with_sink("\"fenced\""), 1).faults[0].to_string();
    assert_eq!(printed, line);
    // Of several sinks, for the seeds that have another.
    let several = with_sink("[\"dedup\", \"plain\"]");
    let plans: Vec<Plan> = (0..20).map(|seed| plan(&several, seed)).collect();
    assert!(plans.iter().any(|plan| plan.faults.is_empty()));
    let dedup = |plan: &Plan| {
        matches!(plan.workload.map(|w| w.sink), Some(crate::oracles::SinkKind::Dedup { .. }))
    };
    assert!(plans.iter().all(|plan| plan.faults.is_empty() == dedup(plan)));
    refused(&with_sink("\"dedup\""), &["rests on the store's clock", "write sink = \"fenced\""]);
    fault_refused(line, &["there is no database", "add workload"]);
}
