//! What the faults of machines and services do to a run.

use std::collections::BTreeMap;

use fencepost::NodeId;
use fencepost::election::HardState;
use fencepost::probe::REACH_POINTS;

use crate::faults::generate;
use crate::faults::plan::node;
use crate::history::{Event, Kind, MessageKind, Phase, ProofKind, SendOutcome};
use crate::report::stats::Stats;
use crate::run::{RunOptions, RunOutcome, Verdict, run_plan};
use crate::scenario::Scenario;

/// Runs the first seed of a cluster of three with these faults, and expects nothing to be wrong.
fn run(transport: &str, sink: &str, faults: &str) -> RunOutcome {
    let text = format!(
        "name = \"x\"\nhorizon = \"20s\"\nheal = \"15s\"\n\
         cluster = {{ voters = 3, transport = \"{transport}\" }}\n\
         workload = {{ messages = 150, every = \"100ms\", sink = \"{sink}\" }}\n\
         faults = [\n{faults}\n]\n"
    );
    let scenario = Scenario::parse("x.toml", &text).unwrap_or_else(|error| panic!("{error:?}"));
    let outcome = run_plan(&generate(&scenario, 1), &RunOptions::default());
    assert_eq!(outcome.verdict, Verdict::Ok);
    outcome
}

/// The events, with the milliseconds since the faults began.
fn events(outcome: &RunOutcome) -> Vec<(u64, &Event)> {
    let all = outcome.history.events();
    let begin = all.iter().find(|event| event.kind == Kind::Phase(Phase::Faults)).unwrap().at;
    all.iter().map(|event| (event.at.since(begin) / 1_000_000, event)).collect()
}

fn reached(outcome: &RunOutcome, name: &str) -> u32 {
    outcome.reach[REACH_POINTS.iter().position(|(point, _)| *point == name).unwrap()]
}

/// How often each node's process went down and came up within that time.
fn bounces(outcome: &RunOutcome, within: std::ops::Range<u64>) -> BTreeMap<NodeId, (u32, u32)> {
    let mut bounces: BTreeMap<NodeId, (u32, u32)> = BTreeMap::new();
    for (_, event) in events(outcome).iter().filter(|(ms, _)| within.contains(ms)) {
        match event.kind {
            Kind::Down { node, .. } => bounces.entry(node).or_default().0 += 1,
            Kind::Booted { node, .. } => bounces.entry(node).or_default().1 += 1,
            _ => {}
        }
    }
    bounces
}

#[test]
fn a_fault_that_meets_nothing_is_told_and_not_counted() {
    let outcome = run(
        "links",
        "dedup",
        r#"{ at = "1s", judge = "doubts", thinks = "100ms" },
           { at = "3s", kill = "all", down = "2s" },
           { at = "4s", die = "leader", down = "1s" },
           { at = "4.5s", cut = "leader <-> follower", for = "1s" },
           { at = "8s", cut = "leader <-> follower", for = "100ms" }"#,
    );
    let missed: Vec<u64> = events(&outcome)
        .iter()
        .filter(|(_, event)| matches!(event.kind, Kind::FaultMissed { .. }))
        .map(|(ms, _)| *ms)
        .collect();
    assert_eq!(missed, [1_000, 4_000, 4_500], "nobody is up, and nothing was in doubt");
    let counted = Stats::of(&outcome).faults;
    assert_eq!(counted, BTreeMap::from([("kill", 1), ("cut-link", 1)]));
    // What a fault does comes after it.
    let kinds: Vec<&Kind> = outcome.history.events().iter().map(|event| &event.kind).collect();
    let fault = kinds.iter().position(|kind| matches!(kind, Kind::Fault { .. })).unwrap();
    let down = kinds.iter().position(|kind| matches!(kind, Kind::Down { .. })).unwrap();
    assert_eq!(down, fault + 1);
    let ended = kinds.iter().filter(|kind| matches!(kind, Kind::FaultEnded { .. })).count();
    assert_eq!(ended, 2, "what did not begin does not end");
}

#[test]
fn who_cannot_write_its_vote_down_does_not_send_it_and_is_started_again() {
    let outcome = run(
        "links",
        "dedup",
        r#"{ at = "2s", disk = "all", is = "full", for = "6s" },
           { at = "2.5s", kill = "leader", down = "10ms" }"#,
    );
    for (ms, event) in events(&outcome) {
        // The moment before may still have something under way.
        if !(2_010..8_000).contains(&ms) {
            continue;
        }
        match &event.kind {
            Kind::Persisted { .. } | Kind::Elected { .. } => panic!("at {ms} ms: {event:?}"),
            Kind::Sent { what: MessageKind::VoteReply, vote: Some((_, true)), .. }
            | Kind::Sent { what: MessageKind::VoteRequest, .. } => panic!("at {ms} ms: {event:?}"),
            _ => {}
        }
    }
    let failed = bounces(&outcome, 2_600..8_000);
    assert!(!failed.is_empty() && failed.values().all(|(downs, _)| *downs <= 8), "{failed:?}");
    let elected =
        |(ms, event): &(u64, &Event)| *ms >= 8_000 && matches!(event.kind, Kind::Elected { .. });
    assert!(events(&outcome).iter().any(elected), "somebody, as soon as a disk works");
}

#[test]
fn who_cannot_read_its_disk_tries_until_it_can() {
    let outcome = run(
        "links",
        "dedup",
        r#"{ at = "2s", disk = "n1", is = "unreadable", for = "5s" },
           { at = "3s", kill = "n1", down = "100ms" }"#,
    );
    let mut kept: Option<&HardState> = None;
    let mut found = Vec::new();
    let all = events(&outcome);
    for (ms, event) in &all {
        match &event.kind {
            Kind::Persisted { node: n, hard } if *n == node(1) => kept = Some(hard),
            Kind::Started { node: n, hard } if *n == node(1) && *ms > 0 => {
                found.push((*ms, Some(hard) == kept));
            }
            _ => {}
        }
    }
    let [(ms, same)] = found[..] else { panic!("{found:?}") };
    assert!((7_000..8_200).contains(&ms) && same, "with all that it had kept, at {ms} ms");
    let (downs, ups) = bounces(&outcome, 3_000..9_000)[&node(1)];
    assert!((4..=8).contains(&downs) && ups == downs, "{downs} downs, {ups} ups");
}

#[test]
fn the_dead_say_nothing() {
    let outcome = run(
        "tcp",
        "dedup",
        r#"{ at = "2s", die = "n2", down = "3s" },
           { at = "6s", pause = "n3", for = "4s" },
           { at = "7s", die = "n3", down = "1s", wipe = true }"#,
    );
    let n2: Vec<(u64, &Event)> = events(&outcome)
        .into_iter()
        .filter(|(_, event)| crate::report::event::place(&event.kind) == Some(node(2)))
        .filter(|(ms, _)| (2_000..5_100).contains(ms))
        .collect();
    let downs = n2.iter().position(|(_, e)| matches!(e.kind, Kind::Down { graceful: false, .. }));
    let next = &n2[downs.expect("it died") + 1];
    assert!(matches!(next.1.kind, Kind::Booted { boot: 2, .. }) && next.0 >= 5_000, "{next:?}");
    // Who died while it stood still stands still until that is over, and is then another process.
    let boots = |(ms, event): &(u64, &Event)| match event.kind {
        Kind::Booted { node: n, boot } if n == node(3) && *ms > 0 => Some((*ms / 1_000, boot)),
        _ => None,
    };
    assert_eq!(events(&outcome).iter().filter_map(boots).collect::<Vec<_>>(), [(10, 2)]);
}

#[test]
fn a_crash_loop_kills_as_often_as_it_says() {
    let line = r#"{ at = "2s", crash_loop = "n1, n2", times = 4, up = "300ms", down = "200ms" }"#;
    let outcome = run("links", "dedup", line);
    let within = bounces(&outcome, 2_000..3_710);
    assert_eq!(within.into_values().collect::<Vec<_>>(), [(4, 4), (4, 4)]);
    assert!(bounces(&outcome, 3_710..30_000).is_empty());
}

#[test]
fn a_sleep_that_a_clock_does_not_count_is_outside_the_bound() {
    let outcome = run(
        "links",
        "fenced",
        r#"{ at = "2s", suspend = "n1, n2", for = "3s" },
           { at = "8s", suspend = "n1", uncounted = true, for = "3s" },
           { at = "9s", rate = "n1", ppm = 5000, for = "1s" }"#,
    );
    let all = events(&outcome);
    let rates: Vec<_> = all
        .iter()
        .filter_map(|(ms, event)| match event.kind {
            Kind::ClockRate { node: n, reading, ppm, within_bound } if n == node(1) && *ms > 0 => {
                Some((*ms / 1_000, reading, ppm, within_bound))
            }
            _ => None,
        })
        .collect();
    let [(8, stopped, -1_000_000, false), (11, goes_on, 0, true)] = rates[..] else {
        panic!("{rates:?}")
    };
    assert_eq!(stopped, goes_on, "it stood still, whatever else pulls at it");
    let asleep = |ms: u64, n| n == node(1) && (8_001..11_000).contains(&ms);
    let heard = all.iter().find(|(ms, event)| {
        crate::report::event::place(&event.kind).is_some_and(|n| asleep(*ms, n))
    });
    assert!(heard.is_none(), "{heard:?}");
}

#[test]
fn a_strobe_leaves_the_clock_as_it_was() {
    let line = r#"{ at = "2s", strobe = "n1", by = "-90s", every = "300ms", for = "3s" }"#;
    let outcome = run("links", "dedup", line);
    let steps: Vec<i64> = outcome
        .history
        .events()
        .iter()
        .filter_map(|event| match event.kind {
            Kind::WallStep { by_ms, .. } => Some(by_ms),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [-90_000, 90_000].repeat(5));
}

#[test]
fn a_database_that_restarts_commits_nothing_meanwhile_and_says_so() {
    let outcome = run(
        "links",
        "dedup",
        r#"{ at = "1s", slow = "all <-> db", by = "30ms", for = "9s" },
           { at = "3s", restart = "db", down = "2s" },
           { at = "7s", restart = "db", down = "0s" }"#,
    );
    for (ms, event) in events(&outcome) {
        let commits = matches!(
            event.kind,
            Kind::Claimed { .. } | Kind::Moved { .. } | Kind::Activated { .. }
        );
        assert!(!(commits && (3_000..5_000).contains(&ms)), "at {ms} ms: {event:?}");
    }
    let unknown = reached(&outcome, "claim_outcome_unknown");
    let unknown = unknown + reached(&outcome, "settle_outcome_unknown");
    assert!((1..=2).contains(&unknown), "one call under way at each restart at most: {unknown}");
    let failed = reached(&outcome, "claim_failed") + reached(&outcome, "settle_failed");
    assert!(failed >= 5, "it was asked again and again, and known to have refused: {failed}");
}

#[test]
fn what_was_refused_for_now_is_not_in_doubt() {
    let outcome = run(
        "links",
        "plain",
        r#"{ at = "2s", fail = "sink", for = "4s" },
           { at = "4s", stop = "leader", down = "100ms" }"#,
    );
    let all = outcome.history.events();
    let refusals = all.iter().enumerate().filter_map(|(at, event)| match event.kind {
        Kind::SendEnded { outcome: SendOutcome::NotNow, message, .. } => Some((at, message)),
        _ => None,
    });
    let refusals: Vec<_> = refusals.collect();
    assert!(!refusals.is_empty(), "the sink was connected to when it began to fail");
    // Others go back unsent with the rest of their batch, once the sink is left alone.
    for (at, refused) in refusals {
        let back = all[at..].iter().any(|event| match event.kind {
            Kind::Moved { proof: Some(ProofKind::NeverSent), message, .. } => message == refused,
            _ => false,
        });
        assert!(back, "{refused} waits without a claim");
    }
    let parked = |event: &Event| matches!(event.kind, Kind::Final { parked: true, .. });
    assert!(!all.iter().any(parked));
}
