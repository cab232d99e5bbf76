//! Shrinking: from a plan that breaks a property to the smallest one found that breaks it as well.
//!
//! A person who reads a failing plan wants to know which of its faults matter. Faults are left out
//! (delta debugging, Zeller and Hildebrandt 2002), put together, made up for by others and made
//! weaker; workload, cluster and horizon are made less; all of it again until nothing more can be
//! taken. A candidate counts only if the *same* property is broken: else a shrinker ends at another
//! bug than the one it began with. The seed stays, because it is part of the plan.
//!
//! `aim` says what must be broken, `size` which of two plans is smaller, `trials` runs candidates;
//! `delete`, `repair`, `weaken`, `times`, `surroundings` and `vary` make them.

mod aim;
mod delete;
mod numbers;
mod repair;
mod size;
mod surroundings;
#[cfg(test)]
mod tests;
mod times;
mod trials;
mod vary;
mod weaken;

// chance: it measures, and decides when shrinking gives up
use std::time::{Duration, Instant};

pub use self::aim::{Aim, Sighting};
use self::delete::{fused, parts_alone, with_faults, without_parts};
use self::repair::{longer, repaired};
pub use self::size::Size;
use self::trials::{Ends, Trials, as_written};
pub use self::trials::{RunPlan, Tried};
use self::vary::varied;
use super::explore::cpu_time;
use super::fresh;
use super::stop::Stop;
use crate::faults::plan::{Plan, Target, Workload};
use crate::run::{RunOptions, RunOutcome, run_plan};

/// How many plans are tried at most, unless somebody is in a hurry.
pub const RUNS_MAX: u32 = 10_000;

/// Of how many faults at most each is made up for by the others, which takes many tries.
const REPAIRED_MAX: usize = 6;

/// What to shrink.
#[derive(Debug, Clone)]
pub struct Shrink<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The planted bug, if any.
    pub options: RunOptions,
    /// The property to break; by default the one that [`Aim::of`] chooses.
    pub property: Option<&'static str>,
    /// How many plans are tried at a time; at least 1.
    pub jobs: usize,
    /// How many plans are tried at most.
    pub limit: u32,
    /// No more plans are tried after this time; what comes of it then depends on the machine.
    pub time: Option<Duration>,
    /// No more plans are tried once this is wished.
    pub stop: Stop,
}

/// A plan and how it breaks what is looked for.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The plan.
    pub plan: Plan,
    /// How it breaks.
    pub seen: Sighting,
}

/// What shrinking brought.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What is broken before and after.
    pub aim: Aim,
    /// As it was.
    pub before: Broken,
    /// As small as it became.
    pub after: Broken,
    /// How many plans were tried.
    pub runs: u32,
    /// Whether it ended because no more plans were to be tried, or because somebody wished it: there may
    /// be a smaller one.
    pub stopped: bool,
    /// Time that the processors spent on it.
    pub cpu: Duration,
    /// Time that passed.
    pub wall: Duration,
}

/// Nothing to shrink: the run of the plan as it is.
#[derive(Clone)]
pub struct Nothing {
    /// The run.
    pub outcome: RunOutcome,
}

impl Shrink<'_> {
    /// Shrinks the plan.
    ///
    /// # Errors
    /// The plan breaks nothing, or not what it was asked to break.
    pub fn run(&self, watch: &mut dyn FnMut(Tried)) -> Result<Shrunk, Box<Nothing>> {
        self.run_with(&|plan| run_plan(plan, &self.options), watch)
    }

    /// Shrinks the plan with another way to run one.
    ///
    /// # Errors
    /// As for [`Shrink::run`].
    pub fn run_with(
        &self,
        run: &RunPlan<'_>,
        watch: &mut dyn FnMut(Tried),
    ) -> Result<Shrunk, Box<Nothing>> {
        let (started, cpu) = (Instant::now(), cpu_time());
        let Plan { scenario, seed, .. } = self.plan;
        let outcome = fresh::run_alone(scenario, *seed, || run(self.plan));
        let aim = Aim::of(&outcome, self.property, self.options.mutant);
        let Some((aim, seen)) = aim.and_then(|aim| aim.seen_in(&outcome).map(|seen| (aim, seen)))
        else {
            return Err(Box::new(Nothing { outcome }));
        };
        let before = Broken { plan: self.plan.clone(), seen };
        let until = self.time.map(|time| started + time);
        let ends = Ends { limit: self.limit, until, stop: self.stop.clone() };
        let trials = Trials::new(run, aim.clone(), self.jobs, ends, watch);
        let mut search = Search { best: before.clone(), trials };
        search.run(self.plan.workload);
        Ok(Shrunk {
            aim,
            before,
            runs: search.trials.runs(),
            stopped: search.trials.is_exhausted(),
            after: search.best,
            cpu: cpu_time().saturating_sub(cpu),
            wall: started.elapsed(),
        })
    }
}

/// The smallest plan so far, and what may still be tried.
struct Search<'a> {
    best: Broken,
    trials: Trials<'a>,
}

impl Search<'_> {
    /// Until nothing more can be taken, not even by luck.
    fn run(&mut self, workload: Option<Workload>) {
        self.cut_off();
        loop {
            let before = self.best.plan.clone();
            self.delete();
            self.lower_surroundings();
            self.fuse();
            self.repair();
            self.weaken();
            let lucky = self.best.plan == before
                && self.take_first(varied(&self.best.plan, workload)).is_some();
            if (self.best.plan == before && !lucky) || self.trials.is_exhausted() {
                return;
            }
        }
    }

    /// Takes the first candidate that is smaller and breaks the same, and says which it was.
    fn take_first(&mut self, candidates: Vec<Plan>) -> Option<usize> {
        let (index, plan, seen) = self.trials.first(&self.best.plan, candidates)?;
        self.best = Broken { plan, seen };
        Some(index)
    }

    /// Ends the faults when it is broken: what comes later has no part in it.
    fn cut_off(&mut self) {
        let Some(after) = self.best.seen.after else { return };
        let horizon = numbers::rounded_up(after + Duration::from_millis(10));
        if horizon < self.best.plan.horizon {
            self.take_first(vec![Plan { horizon, ..self.best.plan.clone() }]);
        }
    }

    /// Delta debugging: leaves parts of the faults out until none can be missed.
    fn delete(&mut self) {
        self.take_first(vec![with_faults(&self.best.plan, Vec::new())]);
        let mut parts = 2;
        loop {
            let plan = &self.best.plan;
            let count = plan.faults.len();
            if count == 0 {
                return;
            }
            parts = parts.min(count);
            // Of two parts, each is what is left without the other.
            let mut candidates = if parts > 2 { parts_alone(plan, parts) } else { Vec::new() };
            let alone = candidates.len();
            candidates.extend(without_parts(plan, parts));
            parts = match self.take_first(candidates) {
                Some(index) if index < alone => 2,
                Some(_) => (parts - 1).max(2),
                None if parts >= count => return,
                None => parts * 2,
            };
        }
    }

    fn lower_surroundings(&mut self) {
        for knob in surroundings::KNOBS {
            self.take_first(knob(&self.best.plan, &self.best.seen));
        }
    }

    /// Puts faults together, as they are or stronger.
    fn fuse(&mut self) {
        loop {
            let mut candidates = fused(&self.best.plan);
            let stronger: Vec<Plan> = candidates.iter().flat_map(longer).collect();
            candidates.extend(stronger);
            if self.take_first(candidates).is_none() {
                return;
            }
        }
    }

    /// Leaves faults out that others can make up for.
    fn repair(&mut self) {
        loop {
            let plan = &self.best.plan;
            let count = plan.faults.len();
            if count > REPAIRED_MAX {
                return;
            }
            let candidates = without_parts(plan, count).iter().flat_map(repaired).collect();
            if self.take_first(candidates).is_none() {
                return;
            }
        }
    }

    /// Makes every fault weaker, and lets it begin earlier.
    fn weaken(&mut self) {
        let mut index = 0;
        while index < self.best.plan.faults.len() {
            let mut way = 0;
            loop {
                let plan = &self.best.plan;
                // The fault that is looked at may have become another, or the last.
                let Some(planned) = plan.faults.get(index) else { break };
                let nodes: Vec<Target> = plan.nodes().map(Target::Node).collect();
                let weaker = weaken::weaker(&planned.fault, &nodes).into_iter().map(|faults| {
                    let with = |fault| {
                        let mut plan = plan.clone();
                        plan.faults[index].fault = fault;
                        plan
                    };
                    faults.into_iter().map(with).collect::<Vec<Plan>>()
                });
                let mut ways = weaker.chain(times::earlier(plan, index));
                let Some(candidates) = ways.nth(way) else { break };
                self.take_first(candidates);
                way += 1;
            }
            index += 1;
        }
    }
}

/// Whether the plan reads back to itself from what is printed of it.
pub fn reads_back(plan: &Plan) -> bool {
    as_written(plan).is_some_and(|(read, _)| read == *plan)
}
