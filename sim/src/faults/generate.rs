//! From a scenario and a seed to a plan: every range becomes a value, every pattern a list of
//! faults. Pure: the same scenario and seed give the same plan on every machine.
//!
//! Each line of the scenario and each draw of the swarm has a random stream of its own, so that
//! editing one leaves the others as they were.

use std::time::Duration;

use fencepost::NodeId;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pick::{chance, log_duration, one_of, uniform, uniform_duration, uniform_nonzero};
use super::plan::{
    DiskMode, DiskTrouble, Fault, Handling, Harm, Plan, PlannedFault, ServiceTrouble, Size, Start,
    Target, Workload, node, observer,
};
use super::{draw, lists, overlap};
use crate::oracles::SinkKind;
use crate::scenario::units::Between;
use crate::scenario::{
    DiskSpec, FaultLine, FaultSpec, HarmSpec, Scenario, ServiceSpec, StartSpec, Swarm, WorkloadSpec,
};
use crate::streams::stream;

/// A plan, and where its faults come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What a run executes.
    pub plan: Plan,
    /// For each fault of the plan, the number of its line in the scenario's list; none for one that the
    /// swarm has drawn.
    pub lines: Vec<Option<u32>>,
}

/// Renders `seed` to the plan that a run executes.
pub fn generate(scenario: &Scenario, seed: u64) -> Plan {
    render(scenario, seed).plan
}

/// [`generate()`], which also tells where each fault comes from.
pub fn render(scenario: &Scenario, seed: u64) -> Rendered {
    let size = Size {
        voters: uniform_u32(&mut stream(seed, "plan/voters", 0), scenario.voters),
        observers: uniform_u32(&mut stream(seed, "plan/observers", 0), scenario.observers),
    };
    let disk = one_of(&mut stream(seed, "plan/disk", 0), &scenario.disks);
    let horizon = uniform_duration(&mut stream(seed, "plan/horizon", 0), scenario.horizon);
    let heal = uniform_duration(&mut stream(seed, "plan/heal", 0), scenario.heal);
    let mut workload = scenario.workload.as_ref().and_then(|spec| workload(spec, seed));
    if let (Some(swarm), Some(workload)) = (&scenario.swarm, &mut workload)
        && !chance(&mut stream(seed, "plan/shared", 0), swarm.shared.into())
    {
        (workload.handling.units, workload.handling.spread) = (0, 0);
    }
    let jobs = match workload {
        Some(_) => draw::jobs(&scenario.jobs, &mut stream(seed, "plan/jobs", 0)),
        None => Vec::new(),
    };
    let timing = draw::timing(&scenario.timing, &mut stream(seed, "plan/timing", 0));
    let (mut faults, mut lines) = (Vec::new(), Vec::new());
    for (number, line) in (0_u32..).zip(&scenario.faults) {
        expand(line, size, &mut stream(seed, "plan/fault", number.into()), &mut faults);
        lines.resize(faults.len(), Some(number));
    }
    let percent = |of: fn(&Swarm) -> u32| scenario.swarm.as_ref().map_or(0, of).into();
    let minor = chance(&mut stream(seed, "plan/minor", 0), percent(|swarm| swarm.minor))
        && size.voters >= draw::minor::LEAST_VOTERS;
    match &scenario.swarm {
        Some(swarm) if minor => draw::minor::faults(&swarm.ranges, seed, horizon, &mut faults),
        Some(swarm) => {
            draw::all(swarm, seed, size, horizon, &timing, workload.is_some(), &mut faults);
        }
        None => {}
    }
    lines.resize(faults.len(), None);
    let mut faults: Vec<(PlannedFault, Option<u32>)> = faults.into_iter().zip(lines).collect();
    // What cannot come is no part of a plan.
    faults.retain(|(PlannedFault { start, fault }, _)| {
        let comes = match start {
            Start::When { event, .. } => workload.is_some() || !event.needs_workload(),
            Start::At(_) => true,
        };
        let does_something = match fault {
            Fault::Topology { topology, .. } => size.nodes() >= topology.least_nodes(),
            // A line may be meant for the seeds whose sink does not rest on the store's clock.
            Fault::WallStep { node: Target::Database, .. } => {
                workload.is_some_and(|work| !matches!(work.sink, SinkKind::Dedup { .. }))
            }
            // And these for the seeds that have messages.
            Fault::Judge { .. } => workload.is_some(),
            // A line may be meant for the seeds that have disks.
            Fault::Disk { .. } => disk != DiskMode::None,
            _ => true,
        };
        comes && does_something && start.earliest() < horizon
    });
    for (PlannedFault { start, fault }, _) in &mut faults {
        fault.clip(horizon - start.earliest());
        // A line may be meant for the seeds that keep their disks; the plan says what is done.
        if let Some(harm) = fault.harm_mut() {
            *harm = disk.fit(*harm);
        }
    }
    // Faults of one moment keep the order of the scenario.
    faults.sort_by_key(|(planned, _)| planned.start);
    let (faults, mut lines): (Vec<PlannedFault>, Vec<Option<u32>>) = faults.into_iter().unzip();
    let network = match minor {
        true => scenario.network.clone(),
        false => draw::network(scenario, size, &mut stream(seed, "plan/network", 0)),
    };
    let mut plan = Plan {
        scenario: scenario.name.clone(),
        seed,
        voters: size.voters,
        observers: size.observers,
        disk,
        transport: scenario.transport,
        timing,
        network,
        workload,
        jobs,
        horizon,
        heal,
        stable: scenario.stable || minor,
        outage: scenario.expect.outage,
        faults,
    };
    let listed = scenario
        .faults
        .iter()
        .any(|line| matches!(line.spec, FaultSpec::Deploy { .. } | FaultSpec::Retire { .. }));
    // Draws that met each other, or the horizon, may leave a deployment half-way.
    if !listed && !lists::are_kept_in_step(&plan) {
        let kept = |fault: &Fault| !matches!(fault, Fault::Deploy { .. } | Fault::Retire { .. });
        let mut fates = plan.faults.iter().map(|planned| kept(&planned.fault));
        lines.retain(|_| fates.next().unwrap_or(true));
        plan.faults.retain(|planned| kept(&planned.fault));
    }
    // Last, because a deployment leaves open what other faults meet.
    while let Some(vain) = overlap::in_vain(&plan.faults, size) {
        plan.faults.remove(vain);
        lines.remove(vain);
    }
    Rendered { plan, lines }
}

fn workload(spec: &WorkloadSpec, seed: u64) -> Option<Workload> {
    let mut rng = stream(seed, "plan/workload", 0);
    let messages = uniform_u32(&mut rng, spec.messages);
    let every = uniform_duration(&mut rng, spec.every);
    let last = spec.sinks.len() as u64 - 1;
    let sink = match spec.sinks[uniform(&mut rng, 0, last) as usize] {
        SinkKind::Dedup { .. } => {
            let window = log_duration(&mut stream(seed, "plan/window", 0), spec.window);
            SinkKind::Dedup { window }
        }
        other => other,
    };
    let mut rng = stream(seed, "plan/handling", 0);
    let handling = Handling {
        keys: uniform_u32(&mut rng, spec.keys),
        batch: uniform_u32(&mut rng, spec.batch),
        attempts: uniform_u32(&mut rng, spec.attempts),
        units: uniform_u32(&mut rng, spec.units),
        spread: uniform_u32(&mut rng, spec.spread),
    };
    (messages > 0).then_some(Workload { messages, every, sink, handling })
}

fn uniform_u32(rng: &mut Xoshiro256PlusPlus, range: Between<u32>) -> u32 {
    uniform(rng, range.low.into(), range.high.into()) as u32
}

/// Adds what one line of the scenario comes to.
fn expand(
    line: &FaultLine,
    size: Size,
    rng: &mut Xoshiro256PlusPlus,
    faults: &mut Vec<PlannedFault>,
) {
    let start = match line.start {
        StartSpec::At(at) => Start::At(uniform_duration(rng, at)),
        StartSpec::When { event, nth, after } => {
            Start::When { event, nth: uniform_u32(rng, nth), after: uniform_duration(rng, after) }
        }
    };
    let mut pick = |range: Between<Duration>| uniform_duration(rng, range);
    let fault = match &line.spec {
        FaultSpec::Pause { nodes, lasts } => {
            Fault::Pause { nodes: nodes.clone(), lasts: pick(*lasts) }
        }
        FaultSpec::Lies { nodes, lasts } => {
            Fault::Lies { nodes: nodes.clone(), lasts: pick(*lasts) }
        }
        FaultSpec::Suspend { nodes, counted, lasts } => {
            Fault::Suspend { nodes: nodes.clone(), counted: *counted, lasts: pick(*lasts) }
        }
        FaultSpec::Cut { links, lasts } => Fault::Cut { links: links.clone(), lasts: pick(*lasts) },
        FaultSpec::Flap { links, up, down, lasts } => Fault::Flap {
            links: links.clone(),
            up: pick(*up),
            down: pick(*down),
            lasts: pick(*lasts),
        },
        FaultSpec::Topology { topology, lasts } => {
            Fault::Topology { topology: *topology, lasts: pick(*lasts) }
        }
        FaultSpec::Slow { links, by, lasts } => {
            Fault::Slow { links: links.clone(), by: pick(*by), lasts: pick(*lasts) }
        }
        FaultSpec::Noise { links, noise, lasts } => {
            Fault::Noise { links: links.clone(), noise: *noise, lasts: pick(*lasts) }
        }
        FaultSpec::Bounce { nodes, graceful, harm, down, slow_start } => Fault::Bounce {
            nodes: nodes.clone(),
            graceful: *graceful,
            down: pick(*down),
            slow_start: pick(*slow_start),
            harm: harm_of(*harm, rng),
        },
        FaultSpec::Rolling { graceful, harm, gap, down, slow_start } => {
            let gap = pick(*gap);
            faults.extend((0..size.nodes()).map(|index| {
                let bounce = Fault::Bounce {
                    nodes: vec![size.node(index + 1)],
                    graceful: *graceful,
                    down: uniform_duration(rng, *down),
                    slow_start: uniform_duration(rng, *slow_start),
                    harm: harm_of(*harm, rng),
                };
                PlannedFault { start: start.later(gap * index), fault: bounce }
            }));
            return;
        }
        FaultSpec::Deploy { node: Some(node), voters, down, .. } => {
            Fault::Deploy { node: *node, voters: *voters, down: pick(*down) }
        }
        FaultSpec::Deploy { node: None, voters, gap, down } => {
            let gap = pick(*gap);
            let nodes = deployed(size, *voters).into_iter().zip(0..);
            faults.extend(nodes.map(|(node, index)| {
                let down = uniform_duration(rng, *down);
                let fault = Fault::Deploy { node, voters: *voters, down };
                PlannedFault { start: start.later(gap * index), fault }
            }));
            return;
        }
        FaultSpec::Retire { node } => Fault::Retire { node: *node },
        FaultSpec::Die { nodes, harm, down, slow_start } => Fault::Die {
            nodes: nodes.clone(),
            down: pick(*down),
            slow_start: pick(*slow_start),
            harm: harm_of(*harm, rng),
        },
        FaultSpec::CrashLoop { nodes, harm, times, up, down } => Fault::CrashLoop {
            nodes: nodes.clone(),
            up: pick(*up),
            down: pick(*down),
            times: uniform_u32(rng, *times),
            harm: harm_of(*harm, rng),
        },
        FaultSpec::Disk { nodes, trouble, lasts } => {
            let lasts = pick(*lasts);
            let trouble = match trouble {
                DiskSpec::Full => DiskTrouble::Full,
                DiskSpec::Unreadable => DiskTrouble::Unreadable,
                DiskSpec::Slow { by } => DiskTrouble::Slow { by: pick(*by) },
            };
            Fault::Disk { nodes: nodes.clone(), trouble, lasts }
        }
        FaultSpec::Restart { service, loses, down } => {
            Fault::Restart { service: *service, loses: pick(*loses), down: pick(*down) }
        }
        FaultSpec::Service { service, trouble, share_ppm, lasts } => {
            let lasts = pick(*lasts);
            let trouble = match trouble {
                ServiceSpec::Fails => ServiceTrouble::Fails,
                ServiceSpec::Refuses => ServiceTrouble::Refuses,
                ServiceSpec::Late { by } => ServiceTrouble::Late { by: pick(*by) },
                ServiceSpec::Lost => ServiceTrouble::Lost,
            };
            Fault::Service { service: *service, trouble, share_ppm: *share_ppm, lasts }
        }
        FaultSpec::Judge { case, thinks } => Fault::Judge { case: *case, thinks: pick(*thinks) },
        FaultSpec::Strobe { node, by_ms, every, lasts } => {
            let (every, lasts) = (pick(*every), pick(*lasts));
            Fault::Strobe { node: *node, by_ms: uniform_nonzero(rng, *by_ms), every, lasts }
        }
        FaultSpec::WallStep { node, by_ms } => {
            Fault::WallStep { node: *node, by_ms: uniform_nonzero(rng, *by_ms) }
        }
        FaultSpec::Rate { node, ppm, lasts } => {
            let lasts = pick(*lasts);
            let range = Between { low: ppm.low.into(), high: ppm.high.into() };
            let ppm = i32::try_from(uniform_nonzero(rng, range)).expect("between two of them");
            Fault::Rate { node: *node, ppm, lasts }
        }
    };
    faults.push(PlannedFault { start, fault });
}

/// The nodes that get a list of that many voters, in the order in which a careful operator
/// restarts them: who is new comes first, so that the others never wait for it.
pub(super) fn deployed(size: Size, voters: u32) -> Vec<NodeId> {
    let new = size.voters + 1..=voters;
    let old = 1..=size.voters.min(voters);
    new.chain(old).map(node).chain((1..=size.observers).map(observer)).collect()
}

/// What a bounce does to the disk, if the line leaves that to the seed.
fn harm_of(spec: HarmSpec, rng: &mut Xoshiro256PlusPlus) -> Harm {
    if spec.sometimes && chance(rng, 50) { Harm::None } else { spec.harm }
}
