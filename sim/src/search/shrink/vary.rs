//! Fewer faults by luck. What breaks a protocol is often a matter of milliseconds: one fault may do
//! what two did, but not with the numbers that those two had. Here a fault is left out, or two are
//! put together, and the rest is varied at random, or replaced, by a random stream of its own, so that
//! the same plan is varied in the same ways every time.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;

use super::delete::{fused, without_parts};
use super::numbers::{floor, nanos};
use super::weaken::{Whom, amounts, links, whom};
use crate::faults::pick::{chance, log_uniform, one_of, uniform};
use crate::faults::plan::{Fault, Links, Plan, Start, Target, Workload};
use crate::streams::stream;

/// How many varied plans are tried for fewer faults.
pub(super) const VARIATIONS: usize = 4_000;

/// Of how many faults at most.
pub(super) const VARIED_MAX: usize = 5;

/// How much later all may end, so that what happens later still happens.
const SLACK: Duration = Duration::from_secs(2);

/// The range of a duration that is drawn anew, in nanoseconds.
const DRAWN: (u64, u64) = (10_000_000, 5_000_000_000);

/// The same for a fault that is to outlast what waits for its end.
const LONG: (u64, u64) = (1_000_000_000, 4_000_000_000);

/// The same for a delay that is to outlast a lease.
const LATE: (u64, u64) = (300_000_000, 2_000_000_000);

/// Plans with one fault less or two, in random variations; some of them with the workload that the
/// plan had before it was made less.
pub(super) fn varied(plan: &Plan, workload: Option<Workload>) -> Vec<Plan> {
    if plan.faults.len() > VARIED_MAX {
        return Vec::new();
    }
    let one_less = fewer(plan);
    let two_less: Vec<Plan> = one_less.iter().flat_map(fewer).collect();
    if one_less.is_empty() {
        return Vec::new();
    }
    let vary = |number: usize| {
        let rng = &mut stream(plan.seed, "shrink", number as u64);
        let several = !two_less.is_empty() && chance(rng, 50);
        let mut plan = one_of(rng, if several { &two_less } else { &one_less });
        if chance(rng, 50) {
            plan.workload = workload;
        }
        plan.horizon += SLACK;
        let last = nanos(plan.horizon);
        let nodes: Vec<Target> = plan.nodes().map(Target::Node).collect();
        let strong = chance(rng, 50);
        for planned in &mut plan.faults {
            if let Start::At(at) = &mut planned.start {
                *at = moved(rng, *at, last);
            }
            if strong {
                strengthen(rng, &mut planned.fault);
            } else {
                vary_fault(rng, &mut planned.fault, &nodes);
            }
        }
        plan
    };
    (0..VARIATIONS).map(vary).collect()
}

/// The plan with a fault left out, or two put together, in each way that leaves some.
fn fewer(plan: &Plan) -> Vec<Plan> {
    let mut fewer = without_parts(plan, plan.faults.len());
    fewer.extend(fused(plan));
    fewer.retain(|plan| !plan.faults.is_empty());
    fewer
}

/// Long enough for all that waits for it, with a delay that is drawn anew: when something arrives
/// is what decides most often.
fn strengthen(rng: &mut Xoshiro256PlusPlus, fault: &mut Fault) {
    for mut amount in amounts(fault) {
        let Some(time) = amount.time().map(nanos) else { continue };
        if !amount.is_delay() {
            amount.set(time.max(floor(uniform(rng, LONG.0, LONG.1), 2)));
        } else if chance(rng, 60) {
            amount.set(floor(uniform(rng, LATE.0, LATE.1), 4));
        }
    }
}

/// A time that is left alone, moved by up to a second, or drawn anew.
fn moved(rng: &mut Xoshiro256PlusPlus, at: Duration, last: u64) -> Duration {
    let at = nanos(at);
    let moved = match uniform(rng, 0, 7) {
        0..=3 => at,
        4 | 5 => (at + uniform(rng, 0, 2_000_000_000)).saturating_sub(1_000_000_000),
        6 => (at + uniform(rng, 0, 200_000_000)).saturating_sub(100_000_000),
        _ => uniform(rng, 0, last),
    };
    Duration::from_nanos(if moved == at { at } else { floor(moved, 4) })
}

fn vary_fault(rng: &mut Xoshiro256PlusPlus, fault: &mut Fault, nodes: &[Target]) {
    if chance(rng, 15) {
        *fault = another(rng);
        return;
    }
    for mut amount in amounts(fault) {
        let size = amount.size();
        let varied = match uniform(rng, 0, 7) {
            0..=3 => size,
            4 | 5 => floor(uniform(rng, size / 2, size.saturating_mul(2)), 3),
            _ if amount.time().is_some() => floor(log_uniform(rng, DRAWN.0, DRAWN.1), 3),
            _ => size,
        };
        amount.set(varied.max(amount.least()));
    }
    if let Some(links) = links(fault) {
        links.both_ways ^= chance(rng, 25);
    }
    let mut anybody = vec![Target::Leader, Target::Follower];
    anybody.extend(nodes);
    let mut vary = |target: &mut Target| {
        if target.is_nodes() && chance(rng, 20) {
            *target = one_of(rng, &anybody);
        }
    };
    match whom(fault) {
        Whom::One(target) => vary(target),
        Whom::Named(_) | Whom::Service => {}
        Whom::Lists(lists) => lists.into_iter().flatten().for_each(vary),
    }
}

/// A fault of another kind: one of those that most often do what several others do together.
fn another(rng: &mut Xoshiro256PlusPlus) -> Fault {
    use Target::{Database, Leader, Others};
    let mut time = |low, high| Duration::from_nanos(floor(uniform(rng, low, high), 3));
    let (lasts, by) = (time(DRAWN.0, LONG.1), time(LATE.0, LATE.1));
    let ends = [
        (vec![Leader], vec![Others]),
        (vec![Others], vec![Leader]),
        (vec![Leader], vec![Database]),
        (vec![Database], vec![Leader]),
        (vec![Leader], vec![Others, Database]),
    ];
    let (from, to) = one_of(rng, &ends);
    let links = Links { from, to, both_ways: chance(rng, 30) };
    match uniform(rng, 0, 2) {
        0 => Fault::Pause { nodes: vec![Leader], lasts },
        1 => Fault::Cut { links, lasts },
        _ => Fault::Slow { links, by, lasts },
    }
}
