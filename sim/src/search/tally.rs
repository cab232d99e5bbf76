//! How long a scenario that knows nothing of a planted bug takes to find it: from several seeds on,
//! until one fails.
//!
//! Counted are seeds, which are the same on every machine, and the processors' time that they took.
//! That time also decides when a start is given up, and nothing else.

use std::time::Duration;

use fencepost::probe::Mutant;

use super::explore::Batch;
use super::seeds::Seeds;
use super::verdict::SeedReport;
use crate::run::{RunOptions, Verdict};
use crate::scenario::Scenario;

/// How far the first seeds of two starts are from each other.
const STRIDE: u64 = 1_000_000;

/// How many seeds run until the time is looked at again: few at first, because most bugs show soon.
const BATCH_MIN: u64 = 4;
const BATCH_MAX: u64 = 256;

/// One search for a planted bug.
#[derive(Debug, Clone)]
pub struct Tally<'a> {
    /// The planted bug.
    pub mutant: Mutant,
    /// The scenario that is searched.
    pub scenario: &'a Scenario,
    /// The number of this start; from 0.
    pub start: u64,
    /// No more seeds are begun after so much of the processors' time.
    pub budget: Duration,
    /// How many seeds run at a time.
    pub jobs: usize,
}

/// What one search came to.
#[derive(Debug, Clone)]
pub struct Tallied {
    /// How many seeds were run, the one that failed included.
    pub seeds: u64,
    /// The processors' time that they took.
    pub cpu: Duration,
    /// The seed that failed, if one did.
    pub found: Option<SeedReport>,
}

impl Tally<'_> {
    /// Runs seeds until one fails or the budget is spent.
    pub fn run(&self) -> Tallied {
        let mut tallied = Tallied { seeds: 0, cpu: Duration::ZERO, found: None };
        let mut first = 1 + self.start * STRIDE;
        let mut count = BATCH_MIN;
        while tallied.cpu < self.budget {
            let report = self.batch(Seeds { first, last: first + count - 1 }, true);
            tallied.seeds += report.stats.runs;
            tallied.cpu += report.cpu;
            tallied.found = report.failures.into_iter().next();
            if tallied.found.is_some() {
                break;
            }
            first += count;
            count = (count * 2).min(BATCH_MAX);
        }
        tallied
    }

    /// Runs all these seeds, or until one fails.
    pub fn batch(&self, seeds: Seeds, stop_at_first: bool) -> super::BatchReport {
        let options = RunOptions { mutant: Some(self.mutant), ..RunOptions::default() };
        let (scenario, jobs) = (self.scenario, self.jobs);
        let batch = Batch { scenario, seeds, options, jobs, time_limit: None, stop_at_first };
        batch.explore(&mut |_| {})
    }
}

/// The property as which a failing seed shows a bug: one that the bug is known to break, if there is
/// one, else the first.
pub fn shown_as(mutant: Mutant, seed: &SeedReport) -> String {
    if let Verdict::Panicked(_) = seed.verdict {
        return "panic".to_owned();
    }
    let meant = seed.broken().find(|property| mutant.breaks().contains(property));
    meant.or_else(|| seed.broken().next()).unwrap_or("nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"made up\"\ncluster = { voters = 3 }\nhorizon = \"2s\"\n";

    #[test]
    fn a_search_ends_with_what_it_finds_or_with_its_budget() {
        let scenario = Scenario::parse("made-up.toml", TEXT).map_err(miette::Report::new).unwrap();
        let (jobs, start, budget) = (1, 3, Duration::from_millis(1));
        let tally = |mutant| Tally { mutant, scenario: &scenario, start, budget, jobs }.run();
        let found = tally(Mutant::OwnVoteNotRecorded);
        let seed = found.found.expect("every election shows it");
        assert_eq!((found.seeds, seed.seed), (1, 1 + 3 * STRIDE));
        assert_eq!(shown_as(Mutant::OwnVoteNotRecorded, &seed), "E2");
        assert_eq!(shown_as(Mutant::NoFenceCheck, &seed), "E2", "not meant, and seen all the same");
        let missed = tally(Mutant::NoFenceCheck);
        assert!(missed.found.is_none() && missed.seeds >= BATCH_MIN, "nothing is fenced there");
    }
}
