//! Faults that wait for an event: drawn, planned, and injected in its instant.

use super::*;
use crate::faults::Trigger;
use crate::history::{Event, SimTime};

/// A run of a cluster of three with messages and these faults.
fn events(lines: &str, seed: u64) -> Vec<Event> {
    let scenario = scenario(&format!(
        "name = \"x\"\ncluster = {{ voters = 3 }}\nhorizon = \"12s\"\n\
         workload = {{ messages = 60, every = \"100ms\" }}\nfaults = [\n{lines}\n]\n"
    ));
    let plan = generate(&scenario, seed);
    assert_eq!(read_back(&plan), plan);
    run_plan(&plan, &RunOptions::default()).history.events().to_vec()
}

fn faults_begin(events: &[Event]) -> SimTime {
    events.iter().find(|event| event.kind == Kind::Phase(Phase::Faults)).expect("it was led").at
}

/// The moments of such events after the warm-up.
fn moments(events: &[Event], is: impl Fn(&Kind) -> bool) -> Vec<SimTime> {
    let from = faults_begin(events);
    let meant = events.iter().filter(|event| event.at >= from && is(&event.kind));
    meant.map(|event| event.at).collect()
}

fn begins(events: &[Event], part: &str) -> Vec<SimTime> {
    moments(events, |kind| matches!(kind, Kind::Fault { line, .. } if line.contains(part)))
}

/// What a step of the simulation may take: every poll of a task moves the time a little.
const INSTANT: u64 = 20_000;

#[test]
fn a_fault_comes_in_the_instant_of_its_event() {
    for seed in 0..10 {
        let events = events(
            r#"{ when = "claim asked", nth = 7, pause = "leader", for = "3s" },
               { when = "claim", nth = 5, after = "300ms", wall = "n1", step = "1s" },
               { when = "send", nth = 2, wall = "n2", step = "1s" },
               { when = "leader", wall = "n3", step = "1s" },
               { when = "floor", nth = 1, after = "2ms", wall = "n3", step = "2s" }"#,
            seed,
        );
        let is = |part: &str, nth: usize, after: u64, of: &[SimTime]| {
            let fault = begins(&events, part);
            let [fault] = fault[..] else { panic!("seed {seed}: {part}: {fault:?}") };
            let late = fault.0 - (of[nth - 1].0 + after);
            assert!(late < INSTANT, "seed {seed}: {part} comes {late} ns late");
        };
        let asked = moments(&events, |kind| matches!(kind, Kind::ClaimStarted { .. }));
        is("claim asked", 7, 0, &asked);
        is("\"claim\"", 5, 300_000_000, &moments(&events, |k| matches!(k, Kind::Claimed { .. })));
        is("send", 2, 0, &moments(&events, |k| matches!(k, Kind::SendStarted { .. })));
        is("\"leader\", wall", 1, 0, &moments(&events, |k| matches!(k, Kind::GuardIssued { .. })));
        let raised = |kind: &Kind| matches!(kind, Kind::Activated { again: false, .. });
        is("floor", 1, 2_000_000, &moments(&events, raised));
        // The pause fell into the claim: it was neither answered nor asked for again.
        let paused = moments(&events, |kind| matches!(kind, Kind::Paused { .. }));
        assert!(paused[0].0 - asked[6].0 < INSTANT, "seed {seed}");
    }
}

#[test]
fn a_fault_whose_event_does_not_come_is_not_injected() {
    let events = events(
        r#"{ when = "claim", nth = 100000, kill = "leader", down = "1s" },
           { when = "claim", nth = 20, after = "11.9s", kill = "n1", down = "1s" },
           { when = "leader", nth = 3, kill = "n2", down = "1s" }"#,
        1,
    );
    assert_eq!(begins(&events, ""), []);
    assert!(moments(&events, |kind| matches!(kind, Kind::Down { .. })).is_empty());
}

#[test]
fn an_anchored_fault_has_ended_at_the_horizon() {
    let events = events(
        r#"{ when = "claim", nth = 3, pause = "n2", for = "30s" },
           { when = "claim", nth = 2, kill = "n1", down = "20s", slow_start = "20s" }"#,
        3,
    );
    assert_eq!(begins(&events, "for = \"12s\"").len(), 1);
    let ended = moments(&events, |kind| matches!(kind, Kind::FaultEnded { .. }));
    let healing = moments(&events, |kind| *kind == Kind::Phase(Phase::Healing));
    assert_eq!((ended.len(), healing.len()), (2, 1));
    assert!(ended.iter().all(|at| at.0 <= healing[0].0), "{ended:?} {healing:?}");
    let horizon = faults_begin(&events).0 + 12_000_000_000;
    assert!(healing[0].0 - horizon < INSTANT, "nothing outlasts the horizon");
}

#[test]
fn the_one_that_raises_the_floor_is_the_leader() {
    for seed in 0..10 {
        let events = events(
            r#"{ at = "1s", kill = "leader", down = "100ms" },
               { when = "floor", kill = "leader", down = "1s" }"#,
            seed,
        );
        let from = faults_begin(&events);
        let raised = events.iter().find_map(|event| match event.kind {
            Kind::Activated { holder, again: false, .. } if event.at > from => {
                Some((holder.node, event.at))
            }
            _ => None,
        });
        let (node, at) = raised.expect("another one led");
        let down = events.iter().find_map(|event| match event.kind {
            Kind::Down { node, .. } if event.at >= at => Some((node, event.at)),
            _ => None,
        });
        let (killed, when) = down.expect("it was killed");
        assert_eq!(killed, node, "seed {seed}");
        assert!(when.0 - at.0 < INSTANT, "seed {seed}");
    }
}

#[test]
fn a_rolling_restart_can_wait_for_an_event() {
    let plan = generate(
        &scenario(
            "name = \"x\"\ncluster = { voters = 3 }\nhorizon = \"30s\"\n\
             faults = [{ when = \"leader(n2)\", nth = 2, rolling = \"kill\", gap = \"2s\" }]\n",
        ),
        1,
    );
    let printed: Vec<String> = plan.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            r#"{ when = "leader(n2)", nth = 2, kill = "n1", down = "0s" }"#,
            r#"{ when = "leader(n2)", nth = 2, after = "2s", kill = "n2", down = "0s" }"#,
            r#"{ when = "leader(n2)", nth = 2, after = "4s", kill = "n3", down = "0s" }"#,
        ]
    );
}

#[test]
fn ranges_of_an_anchor_are_drawn() {
    let line = r#"{ when = "claim", nth = "1..40", after = "0ms..300ms", kill = "n1" }"#;
    let scenario = scenario(&format!("{HEAD}workload = {{ messages = 9 }}\nfaults = [{line}]\n"));
    let starts: BTreeSet<Start> =
        (0..50).map(|seed| generate(&scenario, seed).faults[0].start).collect();
    assert!(starts.len() > 40, "{starts:?}");
    for start in starts {
        let Start::When { event: Trigger::Claim, nth, after } = start else { panic!("{start}") };
        assert!((1..=40).contains(&nth) && after <= Duration::from_millis(300), "{start}");
    }
}

#[test]
fn a_swarm_anchors_about_a_quarter_of_the_faults_of_the_leader() {
    let swarm = scenario(&format!(
        "{HEAD}workload = {{ messages = 100 }}\n[swarm]\ncount = 20\ndraw = {{ pause-leader = 1 }}"
    ));
    let plans: Vec<Plan> = (0..50).map(|seed| generate(&swarm, seed)).collect();
    let all = plans.iter().flat_map(|plan| &plan.faults);
    let anchored: Vec<&PlannedFault> =
        all.filter(|planned| matches!(planned.start, Start::When { .. })).collect();
    assert!((180..320).contains(&anchored.len()), "{} of 1000", anchored.len());
    let events: BTreeSet<String> = anchored
        .iter()
        .map(|planned| match planned.start {
            Start::When { event, .. } => event.to_string(),
            Start::At(_) => unreachable!("these are anchored"),
        })
        .collect();
    let all = ["claim", "claim asked", "floor", "leader", "leader(n1)", "leader(n2)", "send"];
    assert!(all.iter().all(|event| events.contains(*event)), "{events:?}");
    // Without messages nobody claims: what would never come is not drawn.
    let election = scenario(&format!("{HEAD}[swarm]\ncount = 20\ndraw = {{ pause-leader = 1 }}"));
    for seed in 0..20 {
        let plan = generate(&election, seed);
        assert_eq!(plan.faults.len(), 20, "{plan}");
        assert!(plan.faults.iter().all(|planned| match planned.start {
            Start::At(_) => true,
            Start::When { event, .. } => matches!(event, Trigger::Leader(_)),
        }));
    }
}
