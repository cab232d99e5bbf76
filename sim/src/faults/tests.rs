//! From scenario and seed to plan, and from plan to text and back.

mod anchors;
mod in_vain;
mod links;
mod overlaps;
mod portions;
mod timing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fencepost::Identity;
use proptest::prelude::*;

use super::kind::FAULT_KINDS;
use super::plan::{DiskMode, Harm, Plan};
use super::{Fault, PlannedFault, Start, Target, generate};
use crate::history::{Kind, Phase};
use crate::run::{RunOptions, run_plan};
use crate::scenario::{DrawKind, Expect, Scenario, print};

const HEAD: &str = "name = \"test\"\ncluster = { voters = 3 }\nhorizon = \"60s\"\n";

fn scenario(text: &str) -> Scenario {
    Scenario::parse("test.toml", text).unwrap_or_else(|error| panic!("{error:?}"))
}

fn with_faults(lines: &str) -> Scenario {
    scenario(&format!("{HEAD}faults = [\n{lines}\n]\n"))
}

/// Everything that can be drawn, in clusters of all small sizes.
fn everything() -> Scenario {
    let draw: Vec<String> = DrawKind::ALL.iter().map(|k| format!("{} = 1", k.name())).collect();
    scenario(&format!(
        "name = \"all \\\"of\\\" it\\n\"\nhorizon = \"20s..40s\"\n\
         cluster = {{ voters = \"1..7\", observers = \"0..3\", \
         disk = [\"kept\", \"wiped\", \"none\"] }}\n\
         workload = {{ messages = \"0..3\", every = \"1ms..2s\", \
         sink = [\"dedup\", \"fenced\", \"plain\"], window = \"90s\", \
         keys = \"0..5\", batch = \"1..9\", attempts = \"1..9\" }}\n\
         jobs = [{{ count = \"0..3\", every = \"100ms..9s\", runs = \"1ms..2s\", \
         misfire = [\"skip\", \"run latest\", \"catch up 2\"], grace = \"0s..9s\", \
         overlap = [\"skip\", \"queue one\", \"allow 2\"] }}]\n\
         timing = {{ heartbeat = \"50ms..200ms\", lease = \"600ms..2s\", \
         jitter = \"1ms..800ms\", margin = \"0ms..50ms\", max_drift_ppm = \"1000..20000\" }}\n\
         network = {{ latency = \"1us..3ms\", shape = \"normal-ish\", loss = 0.015, links = [\
         {{ between = \"n1 -> db\", latency = \"1ms..3ms\" }}] }}\n\
         faults = [{{ at = \"3s\", stop = \"n1, leader\", wipe = \"sometimes\" }}]\n\
         [swarm]\ncount = \"0..30\"\nfar_node = 50\nlong_tail = 50\ndraw = {{ {} }}\n",
        draw.join(", ")
    ))
}

#[test]
fn a_rolling_restart_becomes_one_bounce_for_each_node() {
    let plan = generate(
        &with_faults(
            r#"{ at = "9s", rolling = "graceful", gap = "3s", down = "500ms" },
               { at = "8s", rolling = "kill", gap = "2s", slow_start = "1s" }"#,
        ),
        1,
    );
    let printed: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            r#"{ at = "8s", kill = "n1", down = "0s", slow_start = "1s" }"#,
            r#"{ at = "9s", stop = "n1", down = "500ms" }"#,
            r#"{ at = "10s", kill = "n2", down = "0s", slow_start = "1s" }"#,
            r#"{ at = "12s", stop = "n2", down = "500ms" }"#,
            r#"{ at = "12s", kill = "n3", down = "0s", slow_start = "1s" }"#,
            r#"{ at = "15s", stop = "n3", down = "500ms" }"#,
        ]
    );
}

#[test]
fn every_fault_ends_at_the_horizon() {
    let plan = generate(
        &with_faults(
            r#"{ at = "58s", pause = "n1", for = "8s" },
               { at = "58s", cut = "n1 -> n2", for = "1s" },
               { at = "58s", kill = "n2", down = "1s", slow_start = "5s" },
               { at = "59s", stop = "n2", down = "3s", slow_start = "5s" },
               { at = "51s", crash_loop = "n3", times = 9, up = "2s", down = "1s" },
               { at = "59s", crash_loop = "n3", times = 9, up = "2s", down = "3s" },
               { at = "58s", die = "n3", down = "1s", slow_start = "5s" },
               { at = "58s", restart = "db", down = "5s" },
               { at = "58s", commit = "lost", for = "5s" }"#,
        ),
        1,
    );
    let printed: Vec<String> = plan.faults.iter().map(|p| p.fault.to_string()).collect();
    assert_eq!(
        printed,
        [
            // A fourth kill would have its process back at 61 s.
            r#"crash_loop = "n3", times = 3, up = "2s", down = "1s""#,
            r#"pause = "n1", for = "2s""#,
            r#"cut = "n1 -> n2", for = "1s""#,
            r#"kill = "n2", down = "1s", slow_start = "1s""#,
            r#"die = "n3", down = "1s", slow_start = "1s""#,
            r#"restart = "db", down = "2s""#,
            r#"commit = "lost", share = 1.0, for = "2s""#,
            r#"stop = "n2", down = "1s""#,
            r#"crash_loop = "n3", times = 1, up = "2s", down = "1s""#,
        ]
    );
}

#[test]
fn each_line_has_a_stream_of_its_own() {
    let lines = [
        r#"{ at = "1s..50s", pause = "n1", for = "1s..9s" },"#,
        r#"{ at = "1s..50s", cut = "n1 -> n2", for = "1s..9s" },"#,
        r#"{ at = "1s..50s", wall = "n3", step = "-4s..4s" },"#,
    ];
    let all = generate(&with_faults(&lines.concat()), 7);
    // Another kind of fault in the middle, which draws more often, leaves the others alone.
    let middle = r#"{ at = "1s..50s", kill = "n1", down = "1s..2s", slow_start = "1s..2s" },"#;
    let other = generate(&with_faults(&[lines[0], middle, lines[2]].concat()), 7);
    let same = all.faults.iter().filter(|planned| other.faults.contains(planned)).count();
    assert_eq!(same, 2, "{all}\n{other}");
    let fewer = generate(&with_faults(&lines[..2].concat()), 7);
    assert!(fewer.faults.iter().all(|planned| all.faults.contains(planned)));
}

#[test]
fn a_fault_deleted_from_a_plan_changes_nothing_else() {
    let plan = generate(&everything(), 4);
    assert!(plan.faults.len() > 5, "{plan}");
    for index in 0..plan.faults.len() {
        let mut shorter = plan.clone();
        shorter.faults.remove(index);
        assert_eq!(read_back(&shorter), shorter);
    }
}

#[test]
fn a_swarm_draws_everything() {
    let swarm = everything();
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..300 {
        let plan = generate(&swarm, seed);
        assert_eq!(generate(&swarm, seed), plan);
        for planned in &plan.faults {
            *kinds.entry(planned.fault.kind(&plan.timing)).or_default() += 1;
        }
    }
    // People's verdicts are in scenarios of their own.
    let drawn = |name: &&str| !["requeue", "verdicts"].contains(name);
    let all: BTreeSet<&str> = FAULT_KINDS.iter().map(|(name, _)| *name).filter(drawn).collect();
    assert_eq!(kinds.keys().copied().collect::<BTreeSet<_>>(), all, "{kinds:?}");
    assert!(kinds.values().all(|count| *count >= 20), "{kinds:?}");
}

#[test]
fn seeds_leave_out_some_kinds() {
    let swarm =
        scenario(&format!("{HEAD}[swarm]\ncount = 40\ndraw = {{ kill = 1, wall-step = 1 }}"));
    let kinds = |seed| {
        let plan = generate(&swarm, seed);
        plan.faults.iter().map(|p| p.fault.kind(&plan.timing)).collect::<BTreeSet<_>>().len()
    };
    let counts: BTreeSet<usize> = (0..20).map(kinds).collect();
    assert_eq!(counts, BTreeSet::from([1, 2]));
}

/// Only the draws of `kinds`, from many seeds of a cluster with observers.
fn drawn(kind: &str) -> Vec<Plan> {
    let swarm = scenario(&format!(
        "name = \"one\"\ncluster = {{ voters = 5, observers = 2 }}\nhorizon = \"60s\"\n\
         [swarm]\ncount = 1\ndraw = {{ {kind} = 1 }}\n"
    ));
    // What the horizon cuts off is another matter.
    let whole = |plan: &Plan| {
        plan.faults
            .iter()
            .all(|f| time(f) + f.fault.duration() < plan.horizon - Duration::from_secs(9))
    };
    (0..200).map(|seed| generate(&swarm, seed)).filter(whole).collect()
}

#[test]
fn a_wiped_node_comes_back_while_it_is_cut_off_and_is_then_healed() {
    let plans = drawn("wiped-cut-off");
    assert!(plans.len() > 50);
    for plan in plans {
        let [cut, kill] = &plan.faults[..] else { panic!("{plan}") };
        let (Fault::Cut { links, lasts }, Fault::Bounce { nodes, harm, .. }) =
            (&cut.fault, &kill.fault)
        else {
            panic!("{plan}")
        };
        assert_eq!(&links.from, nodes, "one and the same node");
        assert!(links.both_ways && links.to.contains(&Target::Others), "{plan}");
        assert_eq!(*harm, Harm::Wipe);
        assert!(plan.voter_nodes().any(|voter| nodes[..] == [Target::Node(voter)]), "{plan}");
        assert!(time(cut) < time(kill), "{plan}");
        assert!(time(kill) + kill.fault.duration() < time(cut) + *lasts, "{plan}");
    }
}

#[test]
fn a_majority_is_named_or_is_what_the_moment_makes_it() {
    let mut groups = BTreeSet::new();
    for plan in drawn("kill-majority-wiped") {
        assert!(plan.faults.iter().all(|f| f.start == plan.faults[0].start), "at once: {plan}");
        let hit: Vec<Target> = plan
            .faults
            .iter()
            .flat_map(|planned| match &planned.fault {
                Fault::Bounce { nodes, graceful: false, harm: Harm::Wipe, .. } => nodes.clone(),
                other => panic!("{other}"),
            })
            .collect();
        if hit != [Target::Majority] {
            let distinct: BTreeSet<Target> = hit.iter().copied().collect();
            assert_eq!((hit.len(), distinct.len()), (3, 3), "three of five voters: {plan}");
        }
        groups.insert(hit);
    }
    assert!(groups.contains(&vec![Target::Majority]) && groups.len() >= 5, "{groups:?}");
}

#[test]
fn a_bounce_meets_all_that_it_names_at_once() {
    let scenario = scenario(
        r#"name = "x"
        cluster = { voters = 3, observers = 2 }
        horizon = "25s"
        faults = [
          { at = "2s", kill = "all", down = "1s" },
          { at = "9s", stop = "n1, o1", down = "1s" },
          { at = "14s", kill = "majority", down = "1s" },
          { at = "20s", kill = "leader", down = "1s", wipe = true },
        ]"#,
    );
    let outcome = run_plan(&generate(&scenario, 1), &RunOptions::default());
    let (mut holder, mut start) = (None, 0);
    let (mut downs, mut boots) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
    let (mut kept, mut found, mut at_14_s) = (BTreeMap::new(), Vec::new(), None);
    for event in outcome.history.events() {
        match &event.kind {
            Kind::Phase(Phase::Faults) => start = event.at.0,
            Kind::GuardIssued { holder: Identity { node, .. }, .. } => holder = Some(*node),
            Kind::Fault { line, .. } if line.contains("majority") => at_14_s = holder,
            Kind::Down { node, graceful } => {
                downs.entry((event.at.0, *graceful)).or_default().push(node.to_string());
            }
            Kind::Booted { node, boot: 2.. } => {
                boots.entry(event.at.0 / 1_000_000).or_default().push(node.to_string());
            }
            Kind::Persisted { node, hard } => drop(kept.insert(*node, hard.clone())),
            // An observer has nothing to remember.
            Kind::Started { node, hard } if start > 0 && node.as_str().starts_with('n') => {
                found.push((event.at.0 - start, kept.get(node) == Some(hard)));
            }
            _ => {}
        }
    }
    let downs: Vec<_> =
        downs.into_iter().map(|((at, by_itself), who)| (at, by_itself, who)).collect();
    let [(_, false, all), stops @ .., (_, false, majority), (_, false, leader)] = &downs[..] else {
        panic!("{downs:?}")
    };
    assert_eq!(all[..], ["n1", "n2", "n3", "o1", "o2"]);
    let mut stopped: Vec<&String> = stops.iter().flat_map(|(_, _, who)| who).collect();
    stopped.sort();
    assert_eq!(stopped, ["n1", "o1"]);
    assert!(stops.iter().all(|(_, by_itself, _)| *by_itself), "{downs:?}");
    let led = at_14_s.expect("someone led").to_string();
    assert!(majority.len() == 2 && majority.contains(&led), "{led} led: {downs:?}");
    assert_eq!(leader.len(), 1);
    let sizes: Vec<usize> = boots.values().map(Vec::len).collect();
    assert_eq!(sizes, [5, 2, 2, 1], "what ended at once starts at once: {boots:?}");
    // All find what they had written, but for the one whose disk was wiped.
    let (before, after): (Vec<_>, Vec<_>) = found.iter().partition(|(at, _)| *at < 20_000_000_000);
    assert!(before.len() >= 6 && before.iter().all(|(_, same)| *same), "{found:?}");
    assert!(after.iter().all(|(_, same)| !same), "{found:?}");
}

/// When a drawn fault begins: a swarm draws times.
fn time(planned: &PlannedFault) -> Duration {
    let Start::At(at) = planned.start else { panic!("not at a time: {planned}") };
    at
}

fn read_back(plan: &Plan) -> Plan {
    let text = print(plan, &Expect::default());
    let scenario = scenario(&text);
    assert!(scenario.swarm.is_none());
    generate(&scenario, scenario.seed.expect("a printed plan has its seed"))
}

/// What every plan promises to the run.
fn is_explicit_and_in_bounds(plan: &Plan) {
    assert!(plan.faults.is_sorted_by_key(|planned| planned.start));
    plan.timing.validate().expect("every draw keeps the lease rule");
    for planned in &plan.faults {
        let fault = &planned.fault;
        if let Start::At(at) = planned.start {
            assert!(at < plan.horizon, "{planned}");
            assert!(at + fault.duration() <= plan.horizon, "{planned}");
        }
        let lasting = !matches!(
            fault,
            Fault::WallStep { .. }
                | Fault::Bounce { .. }
                | Fault::CrashLoop { .. }
                | Fault::Deploy { .. }
                | Fault::Retire { .. }
                | Fault::Restart { .. }
        );
        assert!(!lasting || fault.duration() > Duration::ZERO, "{planned}");
        if let Fault::Pause { nodes, .. }
        | Fault::Suspend { nodes, .. }
        | Fault::Lies { nodes, .. }
        | Fault::Disk { nodes, .. }
        | Fault::Bounce { nodes, .. }
        | Fault::Die { nodes, .. }
        | Fault::CrashLoop { nodes, .. } = fault
        {
            for named in nodes {
                let Target::Node(node) = named else { continue };
                assert!(plan.nodes().any(|n| n == *node), "{planned}");
            }
        }
        if let Some(harm) = fault.clone().harm_mut() {
            assert_eq!(plan.disk.fit(*harm), *harm, "{planned}");
        }
        let disk = matches!(fault, Fault::Disk { .. });
        assert!(!disk || plan.disk != DiskMode::None, "{planned}");
        if let Fault::Rate { ppm, .. } = fault {
            assert!((100..=500_000).contains(&ppm.unsigned_abs()), "{planned}");
        }
        if let Fault::WallStep { by_ms, .. } = fault {
            assert!((1..=3_600_000).contains(&by_ms.unsigned_abs()), "{planned}");
        }
    }
}

proptest! {
    #[test]
    fn every_plan_prints_and_reads_back(seed in any::<u64>()) {
        let plan = generate(&everything(), seed);
        is_explicit_and_in_bounds(&plan);
        prop_assert_eq!(read_back(&plan), plan);
    }

    #[test]
    fn every_plan_of_the_swarm_prints_and_reads_back(seed in any::<u64>()) {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/swarm.toml");
        let plan = generate(&Scenario::load(&file).expect("it is good"), seed);
        is_explicit_and_in_bounds(&plan);
        prop_assert_eq!(read_back(&plan), plan);
    }
}
