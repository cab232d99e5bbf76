//! The jobs of a plan: each draws its own period and policies.

use std::time::Duration;

use fencepost::jobs::MIN_PERIOD;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::faults::pick::{one_of, uniform, uniform_duration};
use crate::faults::plan::PlannedJob;
use crate::scenario::JobSpec;

/// All jobs of one seed.
pub fn jobs(specs: &[JobSpec], rng: &mut Xoshiro256PlusPlus) -> Vec<PlannedJob> {
    let mut jobs = Vec::new();
    for spec in specs {
        for _ in 0..uniform(rng, spec.count.low.into(), spec.count.high.into()) {
            jobs.push(PlannedJob {
                every: whole(uniform_duration(rng, spec.every)).max(MIN_PERIOD),
                runs: spec.runs,
                misfire: one_of(rng, &spec.misfire),
                overlap: one_of(rng, &spec.overlap),
                grace: uniform_duration(rng, spec.grace),
            });
        }
    }
    jobs
}

/// In whole milliseconds, as finely as wall clocks show.
fn whole(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
