//! Hunting a planted bug: a scenario that says it `kills` a mutant must show it within some seeds,
//! as a property that the mutant breaks, and the same seeds must be clean without it.

use fencepost::probe::Mutant;

use super::explore::Batch;
use super::seeds::Seeds;
use super::verdict::{BatchReport, SeedReport};
use crate::run::{RunOptions, Verdict};
use crate::scenario::Scenario;

/// One mutant in one scenario.
#[derive(Debug, Clone)]
pub struct Hunt<'a> {
    /// The planted bug.
    pub mutant: Mutant,
    /// The scenario that claims to catch it.
    pub scenario: &'a Scenario,
    /// Seeds to try, at most. A scenario with a seed of its own is a plan that shows the bug by that
    /// seed, and is tried with no other.
    pub seeds: Seeds,
    /// How many seeds run at a time.
    pub jobs: usize,
}

/// What a hunt brought.
#[derive(Debug, Clone)]
pub struct HuntReport {
    /// The planted bug.
    pub mutant: Mutant,
    /// The seeds up to the first that failed, with the bug.
    pub with: BatchReport,
    /// The same seeds, without it.
    pub without: BatchReport,
}

impl Hunt<'_> {
    /// Runs the seeds with the bug until one fails, then the same ones without it.
    pub fn run(&self) -> HuntReport {
        let seeds = self.scenario.seed.map_or(self.seeds, Seeds::only);
        let mut batch = Batch {
            scenario: self.scenario,
            seeds,
            options: RunOptions { mutant: Some(self.mutant), ..RunOptions::default() },
            jobs: self.jobs,
            time_limit: None,
            stop_at_first: true,
        };
        let with = batch.explore(&mut |_| {});
        batch.options.mutant = None;
        batch.stop_at_first = false;
        batch.seeds.last = seeds.first.saturating_add(with.stats.runs.saturating_sub(1));
        let without = batch.explore(&mut |_| {});
        HuntReport { mutant: self.mutant, with, without }
    }
}

impl HuntReport {
    /// How many seeds it took.
    pub fn tried(&self) -> u64 {
        self.with.stats.runs
    }

    /// The seed that shows the bug, if any does.
    pub fn found(&self) -> Option<&SeedReport> {
        self.with.failures.first()
    }

    /// What is wrong: not found, not as what it is, or found where it is not.
    pub fn problem(&self) -> Option<String> {
        let breaks = self.mutant.breaks();
        let Some(found) = self.found() else {
            return Some(format!("not found within {} seeds", self.tried()));
        };
        if let Verdict::Panicked(message) = &found.verdict {
            return Some(format!("seed {} panicked instead: {message}", found.seed));
        }
        if !found.broken().any(|property| breaks.contains(&property)) {
            return Some(format!(
                "seed {} reported {}, which is not {}",
                found.seed,
                list(found.broken()),
                breaks.join(" or ")
            ));
        }
        // A bug above the fence must not get through it: fence and claim hold unconditionally.
        // A claim that was swept before its send can only come of a broken lease, so D3 and D5 are
        // broken with it; what they protect is D1 and D2.
        let deep = |property: &str| property.starts_with('F') || ["D1", "D2"].contains(&property);
        if !breaks.iter().any(|property| deep(property)) && found.broken().any(deep) {
            return Some(format!(
                "seed {} broke {}: a bug above the fence got through it",
                found.seed,
                list(found.broken().filter(|property| deep(property)))
            ));
        }
        if let Some(clean) = self.without.failures.first() {
            return Some(format!(
                "seed {} fails without the bug, too: {}",
                clean.seed,
                match &clean.verdict {
                    Verdict::Panicked(message) => message.clone(),
                    _ => list(clean.broken()),
                }
            ));
        }
        None
    }
}

/// The properties as words of a sentence.
fn list(properties: impl Iterator<Item = &'static str>) -> String {
    properties.collect::<Vec<_>>().join(", ")
}
