//! Whether the swarm still finds the planted bugs as soon as it did.
//!
//! Compared are the medians of seeds, which no machine's speed changes.

use super::row::{Swarm, Table};

/// How many times as many seeds as before it may take.
pub const FACTOR: u64 = 3;

/// A median below this is as good as any: it is found in the first second.
pub const FEW: u64 = 30;

/// What has become worse, in sentences; of bugs that both tables know.
pub fn worse(before: &Table, now: &Table) -> Vec<String> {
    let mut worse = Vec::new();
    for (mutant, row) in now.rows() {
        let Some(swarm) = &row.swarm else { continue };
        let Some(was) = before.get(mutant).and_then(|row| row.swarm.as_ref()) else { continue };
        if let Some(why) = grown(was, swarm) {
            worse.push(format!("{}: {why}", mutant.name()));
        }
    }
    worse
}

fn grown(was: &Swarm, is: &Swarm) -> Option<String> {
    if was.is_found() && !is.is_found() {
        return Some(format!("found in {} of {} starts", is.found, is.starts));
    }
    let limit = (was.seeds.0 * FACTOR).max(FEW);
    (was.is_found() && is.seeds.0 > limit)
        .then(|| format!("{} seeds in the median, {} before", is.seeds.0, was.seeds.0))
}
