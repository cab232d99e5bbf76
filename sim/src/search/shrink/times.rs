//! When faults begin: earlier, sooner after each other, at the first event rather than a later one.

use std::time::Duration;

use super::numbers::{below, nanos, shorter};
use crate::faults::plan::{Plan, Start, Trigger};

/// Every way in which the fault of that index can begin earlier.
pub(super) fn earlier(plan: &Plan, index: usize) -> Vec<Vec<Plan>> {
    match plan.faults[index].start {
        Start::At(at) => {
            let before = index.checked_sub(1).map(|before| plan.faults[before].start);
            let before = match before {
                Some(Start::At(before)) => before,
                Some(Start::When { .. }) | None => Duration::ZERO,
            };
            let gaps = shorter(at - before, Duration::ZERO);
            let closed = gaps.iter().map(|gap| moved(plan, index, at - (before + *gap)));
            // By whole messages, so that it meets another message as it met this one.
            let every = plan.workload.map(|workload| workload.every).filter(|e| !e.is_zero());
            let messages = every.map_or(0, |every| nanos(at - before) / nanos(every));
            let fewer = below(messages, 0).into_iter();
            let in_step = fewer.map(|left| {
                let by = every.map_or(0, nanos) * (messages - left);
                moved(plan, index, Duration::from_nanos(by))
            });
            let closed = closed.chain(in_step).collect();
            let alone = shorter(at, Duration::ZERO).into_iter();
            let alone = alone.map(|at| with_start(plan, index, Start::At(at))).collect();
            vec![closed, alone]
        }
        Start::When { event, nth, after } => {
            let with =
                |event, nth, after| with_start(plan, index, Start::When { event, nth, after });
            let any = match event {
                Trigger::Leader(Some(_)) => vec![with(Trigger::Leader(None), nth, after)],
                Trigger::Campaign(Some(_)) => vec![with(Trigger::Campaign(None), nth, after)],
                Trigger::Campaign(None)
                | Trigger::Leader(None)
                | Trigger::ClaimAsked
                | Trigger::Claim
                | Trigger::Send
                | Trigger::Floor => Vec::new(),
            };
            let counts = below(nth.into(), 1).into_iter().filter_map(|nth| u32::try_from(nth).ok());
            let counts = counts.map(|nth| with(event, nth, after)).collect();
            let afters = shorter(after, Duration::ZERO).into_iter();
            vec![any, counts, afters.map(|after| with(event, nth, after)).collect()]
        }
    }
}

/// The plan with that fault, all that begin after it and the horizon earlier by so much.
fn moved(plan: &Plan, first: usize, by: Duration) -> Plan {
    let mut plan = plan.clone();
    for planned in &mut plan.faults[first..] {
        if let Start::At(at) = &mut planned.start {
            *at -= by;
        }
    }
    plan.horizon = plan.horizon.saturating_sub(by);
    plan
}

fn with_start(plan: &Plan, index: usize, start: Start) -> Plan {
    let mut plan = plan.clone();
    plan.faults[index].start = start;
    plan
}
