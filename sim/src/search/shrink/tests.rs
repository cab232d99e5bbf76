//! Shrinking with made-up runs, in which a plan fails if a predicate says so.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use fencepost::probe::REACH_POINTS;

use super::*;
use crate::faults::generate;
use crate::faults::lines::Lines;
use crate::faults::plan::{Fault, Harm, PlannedFault, Start, Target};
use crate::history::{History, SimTime};
use crate::oracles::{Outage, Violation};
use crate::run::Verdict;
use crate::scenario::{Expect, Scenario, print};

/// A plan as the swarm draws it, with faults of every kind.
fn plan() -> Plan {
    let text = r#"
name = "made up"
seed = 7
cluster = { voters = 7, observers = 2, disk = "kept" }
workload = { messages = 133, every = "50ms", sink = "plain" }
network = { latency = "1ms..7ms", loss = 0.01, duplicate = 0.0, reorder = 0.0 }
horizon = "30s"
faults = [
  { at = "1.234s", pause = "n6", for = "3.471s" },
  { at = "2s", cut = "leader <-> others, db, sink", for = "5s" },
  { at = "3s", kill = "n1, n2, n3", down = "1.3s", slow_start = "700ms", wipe = true },
  { at = "4s", wall = "leader", step = "-4s" },
  { at = "5s", rate = "n2", ppm = -5000, for = "9s" },
  { at = "6s", slow = "db -> all", by = "870ms", for = "4.4s" },
  { at = "7s", noise = "all <-> all", loss = 0.2, duplicate = 0.1, reorder = 0.0, for = "2s" },
  { at = "8s", kill = "o2", down = "10ms", torn = true },
  { at = "9s", stop = "leader", down = "10ms" },
  { at = "20s", pause = "leader", for = "3s" },
]"#;
    let scenario = Scenario::parse("made-up.toml", text).map_err(miette::Report::new).unwrap();
    generate(&scenario, 7)
}

fn outcome(plan: &Plan, verdict: Verdict) -> RunOutcome {
    let history = History::default();
    RunOutcome {
        seed: plan.seed,
        verdict,
        lines: Lines::new(),
        history,
        outage: Outage::default(),
        reach: [0; REACH_POINTS.len()],
        sink: None,
    }
}

fn broken(properties: &[&'static str]) -> Verdict {
    let violation = |property: &&'static str| Violation {
        property,
        at: SimTime(12_345_678_901),
        event: 0,
        what: format!("{property} was broken"),
    };
    match properties {
        [] => Verdict::Ok,
        some => Verdict::Violated(some.iter().map(violation).collect()),
    }
}

fn shrink(plan: &Plan) -> Shrink<'_> {
    let (options, stop) = (RunOptions::default(), Stop::default());
    Shrink { plan, options, property: None, jobs: 1, limit: RUNS_MAX, time: None, stop }
}

/// Shrinks the plan by what of it breaks which properties.
fn shrunk(plan: &Plan, breaks: impl Fn(&Plan) -> Vec<&'static str> + Sync) -> Shrunk {
    let run = |plan: &Plan| outcome(plan, broken(&breaks(plan)));
    let shrunk = shrink(plan).run_with(&run, &mut |_| {});
    shrunk.unwrap_or_else(|nothing| panic!("{:?}", nothing.outcome.verdict))
}

fn count(plan: &Plan, of: impl Fn(&Fault) -> bool) -> usize {
    plan.faults.iter().filter(|planned| of(&planned.fault)).count()
}

fn is_pause(fault: &Fault) -> bool {
    matches!(fault, Fault::Pause { .. })
}

fn is_step(fault: &Fault) -> bool {
    matches!(fault, Fault::WallStep { .. })
}

fn is_wipe(fault: &Fault) -> bool {
    matches!(fault, Fault::Bounce { harm: Harm::Wipe, graceful: false, .. })
}

#[test]
fn what_is_left_cannot_lose_another_fault() {
    // Two that are far apart, one of them of any kind but a pause.
    let breaks = |plan: &Plan| match (count(plan, is_pause), count(plan, is_wipe)) {
        (1.., 1..) => vec!["F1"],
        _ => vec![],
    };
    let plan = plan();
    let after = shrunk(&plan, breaks).after.plan;
    assert_eq!(after.faults.len(), 2);
    for index in 0..2 {
        let mut fewer = after.clone();
        fewer.faults.remove(index);
        assert!(breaks(&fewer).is_empty(), "{fewer}");
    }
}

#[test]
fn any_three_faults_are_found_to_be_three() {
    let plan = plan();
    for three in [[0, 1, 2], [0, 4, 9], [3, 6, 8], [7, 8, 9]] {
        let wanted: Vec<_> = three.map(|index| kind(&plan.faults[index].fault)).into();
        let run = |plan: &Plan| {
            let mut left: Vec<_> = plan.faults.iter().map(|p| kind(&p.fault)).collect();
            let all = wanted.iter().all(|kind| {
                let found = left.iter().position(|other| other == kind);
                found.map(|index| left.remove(index)).is_some()
            });
            if all { vec!["E1"] } else { vec![] }
        };
        assert_eq!(shrunk(&plan, run).after.plan.faults.len(), 3, "{three:?}");
    }
}

fn kind(fault: &Fault) -> std::mem::Discriminant<Fault> {
    std::mem::discriminant(fault)
}

#[test]
fn nothing_is_left_of_a_plan_that_fails_whatever_it_does() {
    let plan = plan();
    let shrunk = shrunk(&plan, |_| vec!["E1"]);
    let after = &shrunk.after.plan;
    assert_eq!((after.faults.len(), after.voters, after.observers), (0, 1, 0));
    assert_eq!((after.workload, after.seed), (None, plan.seed));
    assert_eq!(after.network, crate::faults::plan::Network::default());
    assert!(!shrunk.stopped);
}

#[test]
fn another_property_does_not_count() {
    // Without the pause it is D1 that breaks, without the step nothing does.
    let breaks = |plan: &Plan| match (count(plan, is_pause), count(plan, is_step)) {
        (2.., 1..) => vec!["L2", "D1"],
        (_, 1..) => vec!["D1"],
        _ => vec![],
    };
    let plan = plan();
    let first = shrunk(&plan, breaks);
    assert_eq!(first.aim, Aim::Property("L2"));
    assert_eq!(first.after.plan.faults.len(), 3);

    let run = |plan: &Plan| outcome(plan, broken(&breaks(plan)));
    let asked = Shrink { property: Some("D1"), ..shrink(&plan) };
    let asked = asked.run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("D1 is broken"));
    assert_eq!((asked.aim, asked.after.plan.faults.len()), (Aim::Property("D1"), 1));

    let other = Shrink { property: Some("E1"), ..shrink(&plan) };
    let nothing = other.run_with(&run, &mut |_| {}).expect_err("E1 holds");
    assert!(matches!(nothing.outcome.verdict, Verdict::Violated(_)));
}

#[test]
fn a_planted_bug_is_shrunk_as_what_it_breaks() {
    let run = |plan: &Plan| outcome(plan, broken(&["D3", "D1", "F1"]));
    let plan = plan();
    let mut planted = shrink(&plan);
    planted.options.mutant = Some(fencepost::probe::Mutant::NoFenceCheck);
    let shrunk = planted.run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("it is broken"));
    assert_eq!(shrunk.aim, Aim::Property("D1"));
}

#[test]
fn a_panic_counts_by_its_place() {
    let run = |plan: &Plan| {
        assert!(count(plan, is_step) == 0, "the wall clock of {} jumped", plan.voters);
        assert!(count(plan, is_pause) == 2, "another place");
        outcome(plan, Verdict::Ok)
    };
    let plan = plan();
    let shrunk = shrink(&plan).run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("no panic"));
    let Aim::Panic(place) = &shrunk.aim else { panic!("{}", shrunk.aim) };
    assert!(place.contains("tests.rs:"), "{place}");
    // The message is another one, the place is the same.
    assert_eq!((shrunk.after.plan.faults.len(), shrunk.after.plan.voters), (1, 1));
    assert!(is_step(&shrunk.after.plan.faults[0].fault));
}

#[test]
fn a_plan_that_breaks_nothing_is_left_alone() {
    let mut tried = 0;
    let plan = plan();
    let run = |plan: &Plan| outcome(plan, Verdict::Ok);
    let nothing = shrink(&plan).run_with(&run, &mut |_| tried += 1);
    assert_eq!(nothing.expect_err("it holds").outcome.verdict, Verdict::Ok);
    assert_eq!(tried, 0);
}

/// Something that needs two faults of one kind, some length, some voters and some messages.
fn particular(plan: &Plan) -> Vec<&'static str> {
    let long = |fault: &Fault| is_pause(fault) && fault.duration() > Duration::from_millis(1_700);
    let messages = plan.workload.map_or(0, |workload| workload.messages);
    let enough = count(plan, long) >= 2 && plan.voters >= 3 && messages >= 17;
    if enough { vec!["V3"] } else { vec![] }
}

#[test]
fn what_comes_of_it_does_not_depend_on_the_number_of_jobs() {
    let plan = plan();
    let mut results = Vec::new();
    for jobs in [1, 2, 7] {
        let run = |plan: &Plan| {
            // The first plans of a round are the slowest.
            std::thread::sleep(Duration::from_micros(50 * (10 - plan.faults.len() as u64)));
            outcome(plan, broken(&particular(plan)))
        };
        let shrink = Shrink { jobs, ..shrink(&plan) };
        let mut told = Vec::new();
        let shrunk = shrink.run_with(&run, &mut |tried| told.push((tried.runs, tried.size)));
        let shrunk = shrunk.unwrap_or_else(|_| panic!("it breaks"));
        assert!(told.is_sorted_by_key(|(runs, _)| *runs), "progress goes forward");
        results.push((shrunk.after.plan, shrunk.runs, told));
    }
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn numbers_become_small_and_readable() {
    let plan = plan();
    let after = shrunk(&plan, particular).after.plan;
    let mut starts = Vec::new();
    for planned in &after.faults {
        let lasts = planned.fault.duration();
        assert!(Duration::from_millis(1_700) < lasts && lasts <= Duration::from_secs(2), "{after}");
        starts.push(planned.start);
    }
    assert_eq!(starts, [Start::At(Duration::ZERO); 2], "the gaps are closed");
    assert_eq!((after.voters, after.observers), (3, 0));
    assert!((17..=19).contains(&after.workload.unwrap().messages), "{after}");
    assert!(after.horizon < Duration::from_secs(3), "{after}");
}

#[test]
fn a_fault_is_weakened_in_each_of_its_parts() {
    let plan = plan();
    let bounce = shrunk(&plan, |plan| match count(plan, |f| matches!(f, Fault::Bounce { .. })) {
        0 => vec![],
        _ => vec!["E1"],
    });
    let [planned] = bounce.after.plan.faults.as_slice() else { panic!("{}", bounce.after.plan) };
    let Fault::Bounce { nodes, graceful, harm, down, slow_start } = &planned.fault else {
        panic!("{planned}")
    };
    assert_eq!((nodes.len(), *graceful, *harm), (1, true, Harm::None));
    assert_eq!(*down + *slow_start, Duration::ZERO);

    let cut = shrunk(&plan, |plan| {
        let hurts = |fault: &Fault| match fault {
            Fault::Cut { links, .. } => links.from.iter().chain(&links.to).any(|t| !t.is_nodes()),
            _ => false,
        };
        if count(plan, hurts) > 0 { vec!["V1"] } else { vec![] }
    });
    let [planned] = cut.after.plan.faults.as_slice() else { panic!("{}", cut.after.plan) };
    let Fault::Cut { links, lasts } = &planned.fault else { panic!("{planned}") };
    assert!(!links.both_ways && links.from.len() == 1 && links.to.len() == 1, "{planned}");
    assert_eq!(*lasts, Duration::from_millis(1));
    assert!(!links.to.contains(&Target::Others) && !links.from.contains(&Target::Others));
}

#[test]
fn a_fault_never_becomes_nothing() {
    let plan = plan();
    for wanted in [
        |fault: &Fault| matches!(fault, Fault::Noise { .. }),
        |fault: &Fault| matches!(fault, Fault::Slow { .. }),
        |fault: &Fault| matches!(fault, Fault::Rate { .. }),
        is_step,
    ] {
        let breaks = |plan: &Plan| if count(plan, wanted) > 0 { vec!["E1"] } else { vec![] };
        let after = shrunk(&plan, breaks).after.plan;
        let [planned] = after.faults.as_slice() else { panic!("{after}") };
        let mut fault = planned.fault.clone();
        let sizes: Vec<u64> =
            weaken::amounts(&mut fault).iter().map(weaken::Amount::size).collect();
        let (last, lasts) = (sizes[sizes.len() - 1], 1_000_000);
        match fault {
            Fault::Noise { .. } => assert_eq!(sizes.iter().sum::<u64>(), lasts + 1, "{planned}"),
            Fault::Slow { .. } => assert_eq!(last, lasts, "{planned}"),
            _ => assert_eq!(last, 1, "{planned}"),
        }
        for milder in weaken::weaker(&fault, &[]).into_iter().flatten() {
            let plan = Plan {
                faults: vec![PlannedFault { start: planned.start, fault: milder }],
                ..after.clone()
            };
            assert!(trials::as_written(&plan).is_some(), "{plan}");
        }
    }
}

#[test]
fn two_faults_become_one_that_does_as_much() {
    // Only cuts that meet both the followers and the database do harm, one of them or two.
    let meets = |plan: &Plan, target: Target| {
        count(plan, |fault| match fault {
            Fault::Cut { links, .. } => links.to.contains(&target),
            _ => false,
        }) > 0
    };
    let mut plan = plan();
    plan.faults.retain(|planned| matches!(planned.fault, Fault::Cut { .. }));
    let mut both = plan.faults[0].clone();
    if let Fault::Cut { links, .. } = &mut both.fault {
        links.to = vec![Target::Database];
    }
    if let Fault::Cut { links, .. } = &mut plan.faults[0].fault {
        links.to = vec![Target::Follower];
    }
    plan.faults.push(both);
    let after = shrunk(&plan, |plan| {
        let all = meets(plan, Target::Follower) && meets(plan, Target::Database);
        if all { vec!["E1"] } else { vec![] }
    });
    assert_eq!(after.after.plan.faults.len(), 1, "{}", after.after.plan);
}

#[test]
fn no_plan_runs_twice_and_no_more_than_the_limit() {
    let plan = plan();
    for (jobs, limit) in [(1, 40), (3, 40), (1, RUNS_MAX)] {
        let ran = Mutex::new(BTreeMap::<String, u32>::new());
        let run = |plan: &Plan| {
            *ran.lock().unwrap().entry(plan.to_string()).or_default() += 1;
            outcome(plan, broken(&particular(plan)))
        };
        let limited = Shrink { jobs, limit, ..shrink(&plan) };
        let shrunk = limited.run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("it breaks"));
        assert!(shrunk.runs <= limit);
        assert_eq!(shrunk.stopped, shrunk.runs == limit);
        assert_eq!(shrunk.stopped, limit == 40);
        let ran = ran.into_inner().unwrap();
        assert!(ran.values().all(|times| *times == 1), "a plan ran twice");
        assert!(Size::of(&shrunk.after.plan) < Size::of(&plan), "what was found is kept");
    }
}

#[test]
fn every_candidate_is_a_file_that_reads_back() {
    let run = |plan: &Plan| {
        assert!(reads_back(plan), "{plan}");
        let text = print(plan, &Expect::default());
        let read = Scenario::parse("", &text).map_err(miette::Report::new).unwrap();
        assert_eq!((generate(&read, plan.seed), read.seed), (plan.clone(), Some(plan.seed)));
        outcome(plan, broken(&particular(plan)))
    };
    let plan = plan();
    // A panic of the run would be shrunk as one.
    let shrunk = shrink(&plan).run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("it breaks"));
    assert_eq!(shrunk.aim, Aim::Property("V3"));
}

/// Ctrl-C, or the end of `--for`: what was found until then is kept.
#[test]
fn a_wish_or_the_time_ends_it_with_the_smallest_so_far() {
    let plan = plan();
    let run = |plan: &Plan| outcome(plan, broken(&particular(plan)));
    let stop = Stop::default();
    let wishes = stop.clone();
    let wished = Shrink { stop, ..shrink(&plan) };
    let mut watch = |tried: Tried| {
        if tried.size < Size::of(&plan) {
            wishes.wish();
        }
    };
    let shrunk = wished.run_with(&run, &mut watch).unwrap_or_else(|_| panic!("it breaks"));
    assert!(shrunk.stopped && shrunk.runs < 100, "{} tries", shrunk.runs);
    assert!(Size::of(&shrunk.after.plan) < Size::of(&plan));
    let late = Shrink { time: Some(Duration::ZERO), ..shrink(&plan) };
    let shrunk = late.run_with(&run, &mut |_| {}).unwrap_or_else(|_| panic!("it breaks"));
    assert_eq!((shrunk.runs, shrunk.stopped), (0, true));
    assert_eq!(shrunk.after.plan, plan);
}
