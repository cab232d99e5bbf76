//! What a batch of seeds comes to, measured against the scenario's `[expect]`.
//!
//! A seed **fails** if it panicked, or broke a property that the scenario does not expect to be
//! broken. The batch is **violated** if any seed failed. Else it is **vacuous** if too many seeds
//! were, or if the whole batch missed something that makes it worth running: a delivery where there
//! is a workload, a required reach point, kind of fault or number of leader changes, a line of the
//! scenario's faults, or every one of the properties that the scenario says must break. Else it is
//! **ok**. A seed that went beyond what the testbed takes makes a batch without failures **overrun**.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::faults::lines;
use crate::oracles::MAX_VIOLATIONS;
use crate::report::stats::Stats;
use crate::run::{RunOutcome, Verdict};
use crate::scenario::{Expect, Origin, Scenario};

/// How many failing seeds of a batch are kept with all they say.
pub const FAILURES_KEPT: usize = 10;

/// How many vacuous seeds of a batch are kept with their reasons.
pub const VACUOUS_KEPT: usize = 3;

/// One vacuous seed for each so many is no fault of the batch: a long search draws a mixture now and
/// then under which nothing can come through. In a batch of fewer seeds there may be none.
pub const SEEDS_PER_VACUOUS: u64 = 1000;

/// What remains of one run. Its history is gone: a replay makes it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// The verdict; of the violations, the first of each property.
    pub verdict: Verdict,
    /// How many violations there were in all.
    pub violations: usize,
    /// Whether there may be more: an oracle tells [`MAX_VIOLATIONS`] at most.
    pub at_least: bool,
    /// The counts; among them the length of the history.
    pub stats: Stats,
    /// The hash of the history.
    pub hash: u64,
}

impl SeedReport {
    /// Keeps what is needed of `outcome`.
    pub fn of(outcome: &RunOutcome) -> Self {
        let mut verdict = outcome.verdict.clone();
        let (mut violations, mut at_least) = (0, false);
        if let Verdict::Violated(all) = &mut verdict {
            violations = all.len();
            let mut seen = BTreeMap::new();
            all.retain(|violation| {
                let count: &mut usize = seen.entry(violation.property).or_default();
                *count += 1;
                *count == 1
            });
            at_least = seen.values().any(|count| *count >= MAX_VIOLATIONS);
        }
        let hash = outcome.history.hash();
        let (seed, stats) = (outcome.seed, Stats::of(outcome));
        Self { seed, verdict, violations, at_least, stats, hash }
    }

    /// The properties that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &'static str> + '_ {
        let violations = match &self.verdict {
            Verdict::Violated(violations) => violations.as_slice(),
            _ => &[],
        };
        violations.iter().map(|violation| violation.property)
    }

    /// Whether this seed makes its batch violated.
    pub fn fails(&self, expect: &Expect) -> bool {
        match &self.verdict {
            Verdict::Ok | Verdict::Vacuous(_) | Verdict::Overrun(_) => false,
            Verdict::Violated(_) => {
                self.broken().any(|property| !expect.violates.contains(&property))
            }
            Verdict::Panicked(_) => true,
        }
    }
}

/// What remains of a batch.
#[derive(Debug, Clone, Default)]
pub struct BatchReport {
    /// The sums.
    pub stats: Stats,
    /// How many seeds failed.
    pub failed: u64,
    /// The first [`FAILURES_KEPT`] of them.
    pub failures: Vec<SeedReport>,
    /// How many seeds broke each property, expected or not.
    pub broken: BTreeMap<&'static str, u64>,
    /// How many seeds panicked.
    pub panicked: u64,
    /// How many seeds were vacuous.
    pub vacuous: u64,
    /// The first [`VACUOUS_KEPT`] of them.
    pub vacuous_seeds: Vec<SeedReport>,
    /// How many seeds went beyond what the testbed takes.
    pub overrun: u64,
    /// The first [`VACUOUS_KEPT`] of them.
    pub overrun_seeds: Vec<SeedReport>,
    /// Time that the processors spent on it.
    pub cpu: Duration,
    /// Time that passed.
    pub wall: Duration,
    /// Seeds are missing because someone stopped the search.
    pub stopped: bool,
}

/// What a batch is measured against.
#[derive(Debug, Clone)]
pub struct Terms<'a> {
    /// The scenario's `[expect]`.
    pub expect: &'a Expect,
    /// Whether there are messages to deliver.
    pub delivers: bool,
    /// The lines of its faults.
    pub lines: Vec<&'a Origin>,
}

impl<'a> Terms<'a> {
    /// What the scenario asks for.
    pub fn of(scenario: &'a Scenario) -> Self {
        let delivers = scenario.workload.as_ref().is_some_and(|work| work.messages.high > 0);
        let lines = scenario.faults.iter().map(|line| &line.origin).collect();
        Self { expect: &scenario.expect, delivers, lines }
    }
}

/// What a batch of seeds comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchVerdict {
    /// All is as expected.
    Ok,
    /// At least one seed failed.
    Violated,
    /// Nothing failed, but the batch proves nothing: the reasons.
    Vacuous(Vec<String>),
    /// Nothing failed, but seeds could not be run to their end: the reasons.
    Overrun(Vec<String>),
}

impl BatchVerdict {
    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Violated => "violated",
            Self::Vacuous(_) => "vacuous",
            Self::Overrun(_) => "overrun",
        }
    }
}

impl BatchReport {
    /// Takes one more seed into account. In whatever order they come, the report is the same.
    pub fn add(&mut self, seed: &SeedReport, expect: &Expect) {
        self.stats.merge(&seed.stats);
        for property in seed.broken() {
            *self.broken.entry(property).or_default() += 1;
        }
        self.panicked += u64::from(matches!(seed.verdict, Verdict::Panicked(_)));
        if seed.fails(expect) {
            self.failed += 1;
            keep(&mut self.failures, seed, FAILURES_KEPT);
        } else if matches!(seed.verdict, Verdict::Vacuous(_)) {
            self.vacuous += 1;
            keep(&mut self.vacuous_seeds, seed, VACUOUS_KEPT);
        } else if matches!(seed.verdict, Verdict::Overrun(_)) {
            self.overrun += 1;
            keep(&mut self.overrun_seeds, seed, VACUOUS_KEPT);
        }
    }

    /// Takes another batch into account.
    pub fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.vacuous += other.vacuous;
        self.overrun += other.overrun;
        for (property, seeds) in &other.broken {
            *self.broken.entry(property).or_default() += seeds;
        }
        self.cpu += other.cpu;
        self.wall += other.wall;
        self.stopped |= other.stopped;
    }

    /// The verdict, with all that the scenario asks of a batch.
    pub fn verdict(&self, scenario: &Scenario) -> BatchVerdict {
        self.measured(&Terms::of(scenario), true)
    }

    /// The verdict on the seeds alone: what only a whole batch must reach is not asked for.
    pub fn verdict_of_seeds(&self, scenario: &Scenario) -> BatchVerdict {
        self.measured(&Terms::of(scenario), false)
    }

    /// The verdict by these terms; what only a whole batch must reach is asked of a `whole` one.
    pub fn measured(&self, terms: &Terms<'_>, whole: bool) -> BatchVerdict {
        if self.failed > 0 {
            return BatchVerdict::Violated;
        }
        if self.overrun > 0 {
            return BatchVerdict::Overrun(told(&self.overrun_seeds, self.overrun, "such"));
        }
        let mut reasons = Vec::new();
        if self.vacuous > self.stats.runs / SEEDS_PER_VACUOUS {
            reasons = self.vacuity();
        }
        let violates = &terms.expect.violates;
        // A shard may have no seeds, and nothing that can break.
        let any = whole || self.stats.runs > 0;
        if any && !violates.is_empty() && self.broken.is_empty() {
            reasons.push(format!("expected to break {}, and nothing broke", violates.join(" or ")));
        }
        if whole {
            self.missed(terms, &mut reasons);
        }
        if reasons.is_empty() { BatchVerdict::Ok } else { BatchVerdict::Vacuous(reasons) }
    }

    /// Which seeds were vacuous, and why.
    pub fn vacuity(&self) -> Vec<String> {
        told(&self.vacuous_seeds, self.vacuous, "vacuous")
    }

    /// What the batch as a whole should have seen and has not.
    fn missed(&self, terms: &Terms<'_>, reasons: &mut Vec<String>) {
        let Expect { reach, faults, leader_changes, .. } = terms.expect;
        if self.stats.runs == 0 {
            reasons.push("no seed was run".to_owned());
        }
        if terms.delivers && self.stats.effects == 0 {
            reasons.push("nothing was delivered".to_owned());
        }
        for point in reach.iter().filter(|point| self.stats.reached(point) == 0) {
            reasons.push(format!("never reached {point}"));
        }
        for kind in faults.iter().filter(|kind| !self.stats.faults.contains_key(*kind)) {
            reasons.push(format!("never injected the fault {kind}"));
        }
        let changes = self.stats.leader_changes;
        if changes < u64::from(*leader_changes) {
            reasons.push(format!("leadership changed {changes} times, expected {leader_changes}"));
        }
        if self.stats.runs > 0 {
            reasons.extend(lines::in_vain(&terms.lines, &self.stats.lines, self.stats.runs));
        }
    }
}

/// What the `kept` of so many seeds say, each with its number.
fn told(kept: &[SeedReport], all: u64, which: &str) -> Vec<String> {
    let mut said = Vec::new();
    for seed in kept {
        match &seed.verdict {
            Verdict::Vacuous(why) => said.push(format!("seed {}: {}", seed.seed, why.join("; "))),
            Verdict::Overrun(why) => said.push(format!("seed {}: {why}", seed.seed)),
            Verdict::Ok | Verdict::Violated(_) | Verdict::Panicked(_) => {}
        }
    }
    let more = all.saturating_sub(kept.len() as u64);
    if more > 0 {
        said.push(format!("and {more} more {which} seeds"));
    }
    said
}

/// Keeps the `most` seeds that come first, by their number.
fn keep(kept: &mut Vec<SeedReport>, seed: &SeedReport, most: usize) {
    let place = kept.partition_point(|other| other.seed < seed.seed);
    if place < most {
        kept.insert(place, seed.clone());
        kept.truncate(most);
    }
}
