//! Fewer faults that do more. When a fault is left out, what follows happens a little earlier or
//! later and may miss what it met by chance; moved or lengthened, it meets it again. A plan that
//! gets by with fewer faults in this way is smaller, and is weakened as any other.

use std::time::Duration;

use super::numbers::nanos;
use super::weaken::amounts;
use crate::faults::plan::{Plan, Start};

/// How far a fault is moved.
const NUDGES: [Duration; 7] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// How many times as long a duration becomes, and how long at least.
const STRETCHES: [(u32, Duration); 3] =
    [(2, Duration::from_secs(1)), (3, Duration::from_secs(2)), (6, Duration::from_secs(5))];

/// How much later all may end, so that what happens later still happens.
const SLACK: Duration = Duration::from_secs(5);

/// The plan with one of its faults moved or lengthened, in many ways.
pub(super) fn repaired(plan: &Plan) -> Vec<Plan> {
    let mut plan = plan.clone();
    plan.horizon += SLACK;
    let mut repaired = vec![plan.clone()];
    repaired.extend(longer(&plan));
    repaired.extend(moved(&plan));
    repaired
}

fn moved(plan: &Plan) -> Vec<Plan> {
    let mut moved = Vec::new();
    for (index, planned) in plan.faults.iter().enumerate() {
        let Start::At(at) = planned.start else { continue };
        let earlier = NUDGES.iter().filter_map(|by| at.checked_sub(*by));
        for at in earlier.chain(NUDGES.iter().map(|by| at + *by)) {
            let mut plan = plan.clone();
            plan.faults[index].start = Start::At(at);
            moved.push(plan);
        }
    }
    moved
}

/// The plan with each duration of its faults stretched in turn.
pub(super) fn longer(plan: &Plan) -> Vec<Plan> {
    let mut longer = Vec::new();
    for index in 0..plan.faults.len() {
        let mut fault = plan.faults[index].fault.clone();
        for (number, amount) in amounts(&mut fault).iter().enumerate() {
            let Some(time) = amount.time().filter(|time| !time.is_zero()) else { continue };
            for (times, least) in STRETCHES {
                let mut plan = plan.clone();
                let stretched = &mut plan.faults[index].fault;
                amounts(stretched)[number].set(nanos((time * times).max(least)));
                longer.push(plan);
            }
        }
    }
    longer
}
