//! What a plan holds besides its faults: horizon, workload, cluster, network and timing.

use std::collections::BTreeSet;
use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::Timing;

use super::aim::Sighting;
use super::numbers::{below, rounded_up, shorter};
use super::weaken::{named, renamed};
use crate::faults::plan::{
    DiskMode, Fault, Handling, Network, Noise, Plan, PlannedFault, Start, Transport, Workload, node,
};
use crate::oracles::SinkKind;

/// The simplest sink: it forgives a second send.
const DEDUP: SinkKind = SinkKind::Dedup { window: Duration::from_secs(300) };

/// The shortest horizon that is tried.
const SHORTEST: Duration = Duration::from_millis(10);

/// The sizes of a cluster that are tried.
const VOTERS: [u32; 3] = [1, 3, 5];

/// What can be made less, one after the other; the boldest attempt at each comes first.
pub(super) const KNOBS: &[fn(&Plan, &Sighting) -> Vec<Plan>] = &[
    horizon, messages, jobs, voters, observers, disk, transport, sink, handling, noise, latency,
    timing, stability,
];

/// Over soon after it broke; then still sooner, down to the last fault's beginning.
pub(super) fn horizon(plan: &Plan, seen: &Sighting) -> Vec<Plan> {
    let starts = plan.faults.iter().map(|planned| match planned.start {
        Start::At(at) => at,
        Start::When { after, .. } => after,
    });
    let last = starts.max().unwrap_or(Duration::ZERO);
    let least = last + SHORTEST;
    let just_after = seen.after.map(|after| rounded_up(after + SHORTEST));
    let mut tries = shorter(plan.horizon, SHORTEST);
    tries.extend(just_after);
    tries.push(rounded_up(least));
    tries.retain(|horizon| *horizon >= least && *horizon < plan.horizon);
    tries.sort_unstable();
    tries.dedup();
    tries.into_iter().map(|horizon| Plan { horizon, ..plan.clone() }).collect()
}

fn messages(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let Some(workload) = plan.workload else { return Vec::new() };
    let fewer = below(workload.messages.into(), 1).into_iter();
    let fewer = fewer.filter_map(|messages| u32::try_from(messages).ok());
    let fewer = fewer.map(|messages| Some(Workload { messages, ..workload }));
    let none = std::iter::once(None);
    none.chain(fewer).map(|workload| Plan { workload, ..plan.clone() }).collect()
}

/// None of them, then each of them left out.
fn jobs(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    if plan.jobs.is_empty() {
        return Vec::new();
    }
    let without = |left_out: usize| {
        let mut jobs = plan.jobs.clone();
        jobs.remove(left_out);
        Plan { jobs, ..plan.clone() }
    };
    let none = Plan { jobs: Vec::new(), ..plan.clone() };
    std::iter::once(none).chain((0..plan.jobs.len()).map(without)).collect()
}

fn sink(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let with = |sink| {
        let workload = plan.workload.map(|workload| Workload { sink, ..workload });
        Plan { workload, ..plan.clone() }
    };
    match plan.workload.map(|workload| workload.sink) {
        None | Some(SinkKind::Dedup { .. }) => Vec::new(),
        Some(SinkKind::Fenced) => vec![with(DEDUP)],
        Some(SinkKind::Plain) => vec![with(DEDUP), with(SinkKind::Fenced)],
    }
}

/// No keys, one message at a time, no dead letters.
fn handling(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let Some(workload) = plan.workload else { return Vec::new() };
    let (is, usual) = (workload.handling, Handling::default());
    let simpler = [
        Handling { keys: usual.keys, ..is },
        Handling { batch: usual.batch, ..is },
        Handling { attempts: usual.attempts, ..is },
    ];
    let simpler = simpler.into_iter().filter(|handling| *handling != is);
    let with =
        |handling| Plan { workload: Some(Workload { handling, ..workload }), ..plan.clone() };
    simpler.map(with).collect()
}

/// Fewer voters. Faults lose those that are gone, or meet others in their place. Deployments count
/// voters themselves: they go before the cluster can.
fn voters(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let deploys = |planned: &PlannedFault| {
        matches!(planned.fault, Fault::Deploy { .. } | Fault::Retire { .. })
    };
    if plan.faults.iter().any(deploys) {
        return Vec::new();
    }
    let mut tries = Vec::new();
    for voters in VOTERS.into_iter().filter(|fewer| *fewer < plan.voters) {
        let stays = |node: NodeId| {
            (1..=voters).any(|number| self::node(number) == node)
                || plan.observer_nodes().any(|observer| observer == node)
        };
        let gone = |node| stays(node).then_some(node);
        tries.push(Plan { voters, faults: with_names(&plan.faults, gone), ..plan.clone() });
        // Those that are named move to the names that are left.
        let used: BTreeSet<NodeId> =
            plan.faults.iter().flat_map(|planned| named(&planned.fault)).collect();
        let free = (1..=voters).map(self::node).filter(|node| !used.contains(node));
        let lost = used.iter().copied().filter(|node| !stays(*node));
        let moves: Vec<(NodeId, NodeId)> = lost.zip(free).collect();
        if !moves.is_empty() {
            let new = |node| {
                let moved = moves.iter().find(|(old, _)| *old == node).map(|(_, new)| *new);
                moved.or(gone(node))
            };
            tries.push(Plan { voters, faults: with_names(&plan.faults, new), ..plan.clone() });
        }
    }
    tries
}

fn observers(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let fewer = |observers: u32| {
        let gone: Vec<NodeId> = plan.observer_nodes().skip(observers as usize).collect();
        let stays = |node: NodeId| (!gone.contains(&node)).then_some(node);
        Plan { observers, faults: with_names(&plan.faults, stays), ..plan.clone() }
    };
    (0..plan.observers).map(fewer).collect()
}

fn with_names(
    faults: &[PlannedFault],
    rename: impl Fn(NodeId) -> Option<NodeId>,
) -> Vec<PlannedFault> {
    let with = |planned: &PlannedFault| {
        let fault = renamed(&planned.fault, &rename)?;
        Some(PlannedFault { start: planned.start, fault })
    };
    faults.iter().filter_map(with).collect()
}

fn disk(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    vec![Plan { disk: DiskMode::Kept, ..plan.clone() }]
}

fn transport(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    vec![Plan { transport: Transport::Links, ..plan.clone() }]
}

fn noise(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let network = Network { noise: Noise::default(), ..plan.network.clone() };
    vec![Plan { network, ..plan.clone() }]
}

fn latency(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    let network = Network { noise: plan.network.noise, ..Network::default() };
    vec![Plan { network, ..plan.clone() }]
}

fn timing(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    vec![Plan { timing: Timing::default(), ..plan.clone() }]
}

fn stability(plan: &Plan, _: &Sighting) -> Vec<Plan> {
    vec![Plan { stable: false, ..plan.clone() }]
}
