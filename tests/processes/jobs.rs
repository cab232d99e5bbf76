//! What became of scheduled jobs, by the command of the real binary.

use std::time::Duration;

use fencepost::jobs::Schedule;
use fencepost::store::{JobName, JobPlan, RunEnd, Skip, SkipReason, Step};
use fencepost::{Generation, Identity, Token, WallTime};

use crate::cluster::Cluster;

fn at(unix_ms: u64) -> WallTime {
    WallTime { unix_ms }
}

/// Two jobs, registered at 0 s. "report" skips two instants and fails the third; "sweep" waits.
fn record_some(cluster: &Cluster) {
    let mut outbox = cluster.outbox();
    let token = Token(7);
    let holder = Identity { node: "n1".parse().unwrap(), incarnation: fencepost::Incarnation(1) };
    outbox.activate(Generation::NONE, token, holder, at(0)).unwrap();
    let [report, sweep] = ["report", "sweep"].map(|name| JobName::new(name).unwrap());
    outbox.take_over_jobs(token, &[sweep, report.clone()], at(0)).unwrap();
    let schedule = Schedule::every(Duration::from_secs(1)).unwrap().to_text();
    outbox.announce_jobs(&[JobPlan { name: report.clone(), schedule }], at(0)).unwrap();
    let skip = Skip { first: at(1000), last: at(2000), count: 2, why: SkipReason::Misfire };
    let step = Step { skip: Some(skip), run: Some(at(3000)) };
    outbox.begin_run(token, &report, at(0), &step, at(3250)).unwrap();
    let reason = format!("no paper,\n{}", "or no ink ".repeat(20));
    outbox.finish_run(token, &report, at(3000), &RunEnd::Failed { reason }, at(4250)).unwrap();
}

#[test]
fn jobs_and_what_became_of_them_are_listed() {
    let cluster = Cluster::new("jobs");
    let run = |more: &[&str], code: i32| {
        let output = cluster.output("jobs", "n1", more);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(code), "{more:?}: {text:?}");
        text.concat()
    };
    assert!(run(&[], 1).contains("there is no outbox"));
    drop(cluster.outbox());
    assert!(run(&[], 0).starts_with("no jobs: they are recorded when"));
    record_some(&cluster);
    let all = run(&[], 0);
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines[0], "report");
    assert_eq!(lines[1], "  schedule  every 1s");
    let until = "decided until 1970-01-01T00:00:03.000Z";
    assert_eq!(lines[2], format!("  next      1970-01-01T00:00:04.000Z, {until}"));
    assert_eq!(lines[3], "  waits     for a leader that runs this job");
    let lines = [&lines[..1], &lines[4..]].concat();
    assert_eq!(lines[1], "  1970-01-01T00:00:03.000Z  failed       token 7, 250ms late, took 1s");
    assert!(lines[2].starts_with("    no paper, or no ink or no ink"), "{all}");
    assert!(lines[2].ends_with('…') && lines[2].chars().count() == 100, "{all}");
    assert_eq!(
        lines[3..],
        [
            "  1970-01-01T00:00:01.000Z  skipped      token 7, 2 instants until \
             1970-01-01T00:00:02.000Z",
            "    late: the misfire policy skips it",
            "sweep",
            "  schedule  not known: no node that has it has started yet",
            "  no instant has come yet",
        ]
    );
    assert_eq!(run(&["report", "--last", "1"], 0).lines().count(), 6);
    let stands = run(&["report", "--last", "0", "--json"], 0);
    let expected =
        r#"{"job":"report","schedule":"every 1s","cursor_unix_ms":3000,"next_unix_ms":4000,"#;
    assert_eq!(stands, format!("{expected}\"waits\":\"for a leader that runs this job\"}}\n"));
    assert_eq!(
        run(&["report", "--last", "9", "--json"], 0).lines().last().unwrap(),
        r#"{"job":"report","first_unix_ms":1000,"last_unix_ms":2000,"count":2,"state":"skipped","#
            .to_owned()
            + r#""token":7,"begun_unix_ms":3250,"ended_unix_ms":3250,"#
            + r#""reason":"late: the misfire policy skips it"}"#
    );
    let nobody = run(&["backup"], 1);
    assert!(nobody.contains(r#"no job "backup", but ["report", "sweep"]"#), "{nobody}");
}
