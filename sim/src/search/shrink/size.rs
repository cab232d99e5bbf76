//! How large a plan is. Every step of a shrinker makes it smaller, so that shrinking ends.

use fencepost::election::Timing;

use super::numbers::nanos;
use super::weaken::{severity, total};
use crate::faults::plan::{DiskMode, Handling, Network, Plan, Start, Transport};
use crate::oracles::SinkKind;

/// The size of a plan: what stands first counts before all that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// The lines of `faults`.
    pub faults: usize,
    /// Kinds of fault, and whom they meet.
    severity: u64,
    /// Messages to deliver.
    pub messages: u32,
    /// Voters and observers.
    pub nodes: u32,
    /// What is not as in the simplest scenario.
    oddities: u32,
    /// How long faults happen, in nanoseconds.
    horizon: u64,
    /// The sum of the faults' numbers.
    amounts: u128,
    /// The sum of their starts, and what they wait for.
    starts: u128,
}

impl Size {
    /// The size of that plan.
    pub fn of(plan: &Plan) -> Self {
        let faults = || plan.faults.iter().map(|planned| &planned.fault);
        Self {
            faults: plan.faults.len(),
            severity: faults().map(severity).sum(),
            messages: plan.workload.map_or(0, |workload| workload.messages),
            nodes: plan.voters + plan.observers,
            oddities: oddities(plan),
            horizon: nanos(plan.horizon),
            amounts: faults().map(total).sum(),
            starts: plan.faults.iter().map(|planned| lateness(planned.start)).sum(),
        }
    }
}

fn oddities(plan: &Plan) -> u32 {
    let calm = Network::default();
    let sink = plan.workload.map_or(0, |workload| match workload.sink {
        SinkKind::Dedup { .. } => 0,
        SinkKind::Fenced => 1,
        SinkKind::Plain => 2,
    });
    let usual = Handling::default();
    let handling = plan.workload.map_or(usual, |workload| workload.handling);
    let odd = [
        plan.disk != DiskMode::Kept,
        plan.transport != Transport::Links,
        plan.network.noise != calm.noise,
        plan.network.latency != calm.latency,
        !plan.network.links.is_empty(),
        plan.timing != Timing::default(),
        plan.stable,
        handling.keys != usual.keys,
        handling.batch != usual.batch,
        handling.attempts != usual.attempts,
        handling.units != usual.units,
        handling.spread != usual.spread,
    ];
    let jobs = u32::try_from(plan.jobs.len()).unwrap_or(u32::MAX);
    sink + jobs + odd.into_iter().map(u32::from).sum::<u32>()
}

/// How late a fault starts; one that waits for an event starts later than all others.
fn lateness(start: Start) -> u128 {
    match start {
        Start::At(at) => at.as_nanos(),
        Start::When { event, nth, after } => {
            let particular = match event {
                crate::faults::Trigger::Leader(Some(_))
                | crate::faults::Trigger::Campaign(Some(_)) => 2,
                crate::faults::Trigger::Campaign(None)
                | crate::faults::Trigger::Leader(None)
                | crate::faults::Trigger::ClaimAsked
                | crate::faults::Trigger::Claim
                | crate::faults::Trigger::Send
                | crate::faults::Trigger::Floor => 1,
            };
            (u128::from(nth) + particular) * 1_000_000_000_000_000 + after.as_nanos()
        }
    }
}
