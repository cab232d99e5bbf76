//! Minor faults: each leaves the leader a healthy majority, so that it must stay (V1). A bug that lets
//! one voter in trouble depose it shows nowhere else, because after most faults a new leader is fine.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;

use super::both;
use crate::faults::pick::{log_duration, uniform, uniform_duration};
use crate::faults::plan::{Fault, Harm, Links, PlannedFault, Start, Target};
use crate::scenario::Ranges;
use crate::scenario::units::Between;
use crate::streams::stream;

use Target::{Database, Follower, Leader, Others, Sink};

/// With fewer, a leader without one follower has no majority.
pub const LEAST_VOTERS: u32 = 3;

/// The most of one seed. Each has a share of the horizon for itself.
const MAX: u64 = 2;

/// What part of its share a fault takes at most: afterwards its voter has time to rejoin.
const PART: u32 = 2;

/// Adds those of one seed.
pub fn faults(ranges: &Ranges, seed: u64, horizon: Duration, faults: &mut Vec<PlannedFault>) {
    let rng = &mut stream(seed, "plan/minor", 1);
    let count = uniform(rng, 1, MAX) as u32;
    let share = horizon / count;
    for number in 0..count {
        let latest = Between { low: Duration::ZERO, high: share / (2 * PART) };
        let at = share * number + uniform_duration(rng, latest);
        let fault = fault(rng, ranges, share / (2 * PART));
        faults.push(PlannedFault { start: Start::At(at), fault });
    }
}

/// One that meets a single follower, or its link to the leader.
fn fault(rng: &mut Xoshiro256PlusPlus, ranges: &Ranges, most: Duration) -> Fault {
    let nodes = vec![Follower];
    let mut log = |range: Between<Duration>| {
        let high = range.high.min(most);
        log_duration(rng, Between { low: range.low.min(high), high })
    };
    let (cut, pause, down) = (log(ranges.cut), log(ranges.pause), log(ranges.down));
    let one_way = |from, to| Links { from: vec![from], to: vec![to], both_ways: false };
    let links = match uniform(rng, 0, 3) {
        0 => one_way(Leader, Follower),
        1 => one_way(Follower, Leader),
        2 => both(vec![Leader], vec![Follower]),
        _ => both(vec![Follower], vec![Others, Database, Sink]),
    };
    let harm = if uniform(rng, 0, 1) == 0 { Harm::None } else { Harm::Wipe };
    let slow_start = Duration::ZERO;
    match uniform(rng, 0, 6) {
        0..=2 => Fault::Cut { links, lasts: cut },
        3 => Fault::Pause { nodes, lasts: pause },
        4 => Fault::Suspend { nodes, counted: true, lasts: pause },
        5 => Fault::Bounce { nodes, graceful: true, harm, down, slow_start },
        _ => Fault::Bounce { nodes, graceful: false, harm, down, slow_start },
    }
}
