//! Trying plans, several at a time, each once.
//!
//! What comes of it does not depend on the number of threads: answers are taken in the order in
//! which the plans were proposed, and those behind the first success are kept for later questions
//! without being counted.

use std::collections::BTreeMap;
// chance: it decides when shrinking gives up
use std::time::Instant;

use super::aim::{Aim, Sighting};
use super::size::Size;
use crate::faults::plan::{Plan, Start};
use crate::faults::{generate, lists};
use crate::run::RunOutcome;
use crate::scenario::{Expect, Scenario, print};
use crate::search::{Stop, fresh};

/// How many candidates are written out at a time: most lists have a success near their beginning.
const AT_A_TIME: usize = 16;

/// How a plan is run, on a thread that is fresh.
pub type RunPlan<'a> = dyn Fn(&Plan) -> RunOutcome + Sync + 'a;

/// The plans that were tried, and how many more may be.
pub(super) struct Trials<'a> {
    run: &'a RunPlan<'a>,
    aim: Aim,
    jobs: usize,
    ends: Ends,
    /// How many answers were taken.
    runs: u32,
    /// By printed plan.
    known: BTreeMap<String, Answer>,
    /// Told of the size of the smallest plan so far whenever some were tried.
    watch: &'a mut dyn FnMut(Tried),
}

/// What ends the search before nothing smaller is left.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    /// So many plans were tried.
    pub limit: u32,
    /// It is that late.
    pub until: Option<Instant>,
    /// Somebody wishes it.
    pub stop: Stop,
}

/// How far the search is.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// How many plans were tried.
    pub runs: u32,
    /// How many will be tried at most.
    pub limit: u32,
    /// The size of the smallest so far.
    pub size: Size,
}

/// A plan that is to be tried.
struct Candidate {
    index: usize,
    plan: Plan,
    /// As it is printed.
    text: String,
}

struct Answer {
    seen: Option<Sighting>,
    taken: bool,
}

impl<'a> Trials<'a> {
    pub fn new(
        run: &'a RunPlan<'a>,
        aim: Aim,
        jobs: usize,
        ends: Ends,
        watch: &'a mut dyn FnMut(Tried),
    ) -> Self {
        Self { run, aim, jobs: jobs.max(1), ends, runs: 0, known: BTreeMap::new(), watch }
    }

    /// How many plans were tried.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Whether no more plans may be tried.
    pub fn is_exhausted(&self) -> bool {
        let Ends { limit, until, stop } = &self.ends;
        self.runs >= *limit
            || stop.is_wished()
            || until.is_some_and(|until| Instant::now() >= until)
    }

    /// The first of the candidates that is smaller than `plan`, can be written, and breaks the same
    /// thing, with its place among them.
    pub fn first(&mut self, plan: &Plan, candidates: Vec<Plan>) -> Option<(usize, Plan, Sighting)> {
        let size = Size::of(plan);
        // What a deployment breaks that is against the rules is no news, and not what is looked for.
        let in_step = lists::are_kept_in_step(plan);
        let at_a_time = self.jobs.max(AT_A_TIME);
        for (number, some) in candidates.chunks(at_a_time).enumerate() {
            let smaller = some.iter().zip(number * at_a_time..).filter_map(|(candidate, index)| {
                let (plan, text) = as_written(candidate)?;
                let fits = !in_step || lists::are_kept_in_step(&plan);
                (fits && Size::of(&plan) < size).then_some(Candidate { index, plan, text })
            });
            let smaller: Vec<Candidate> = smaller.collect();
            for next in 0..smaller.len() {
                let Candidate { index, plan, .. } = &smaller[next];
                let seen = self.answer(&smaller[next..])?;
                let smallest = if seen.is_some() { Size::of(plan) } else { size };
                (self.watch)(Tried { runs: self.runs, limit: self.ends.limit, size: smallest });
                if let Some(seen) = seen {
                    return Some((*index, plan.clone(), seen));
                }
            }
        }
        None
    }

    /// What comes of the first of these candidates; nothing if no more may be tried.
    fn answer(&mut self, candidates: &[Candidate]) -> Option<Option<Sighting>> {
        let text = &candidates.first()?.text;
        if !self.known.get(text).is_some_and(|answer| answer.taken) {
            if self.is_exhausted() {
                return None;
            }
            if !self.known.contains_key(text) {
                self.try_some(candidates);
            }
            self.runs += 1;
        }
        let answer = self.known.get_mut(text)?;
        answer.taken = true;
        Some(answer.seen.clone())
    }

    /// Runs the next few plans that are not known yet, one a thread.
    fn try_some(&mut self, candidates: &[Candidate]) {
        let mut some: Vec<(&Plan, &String)> = Vec::new();
        for Candidate { plan, text, .. } in candidates {
            let new =
                !self.known.contains_key(text) && some.iter().all(|(_, other)| *other != text);
            if new && some.len() < self.jobs {
                some.push((plan, text));
            }
        }
        let (run, aim) = (self.run, &self.aim);
        // chance: plans run beside each other and share nothing
        let seen: Vec<Option<Sighting>> = std::thread::scope(|scope| {
            let threads: Vec<_> = some
                .iter()
                .map(|(plan, _)| {
                    fresh::spawn(scope, &plan.scenario, plan.seed, move || {
                        aim.seen_in(&fresh::run_caught(plan.seed, || run(plan)))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("panics were caught")).collect()
        });
        for ((_, text), seen) in some.into_iter().zip(seen) {
            self.known.insert(text.clone(), Answer { seen, taken: false });
        }
    }
}

/// The plan as it would be read from a file, and the file; nothing if no file can say it.
///
/// Candidates are made up without regard to what a scenario may say: a fault that now begins after
/// the horizon, one that outlasts it, harm to a disk that keeps nothing. This is where they are put
/// right or turned down.
pub(super) fn as_written(candidate: &Plan) -> Option<(Plan, String)> {
    let mut plan = candidate.clone();
    let horizon = plan.horizon;
    plan.faults.retain(|planned| match planned.start {
        Start::At(at) => at < horizon,
        Start::When { .. } => true,
    });
    plan.faults.sort_by_key(|planned| planned.start);
    let read = Scenario::parse("", &print(&plan, &Expect::default())).ok()?;
    let plan = generate(&read, plan.seed);
    let text = print(&plan, &Expect::default());
    Some((plan, text))
}
