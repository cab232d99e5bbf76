//! Many seeds of one scenario, several at a time, reported in the order of the seeds.
//!
//! What a batch reports depends on its seeds alone, not on the number of threads or on which seed
//! was faster: results wait until it is their turn. What the clock of this machine decides is only
//! when a batch with a time limit takes no new seeds, and when a slow seed is worth a note.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
// chance: it decides when no more seeds are started, and none of their events
use std::time::{Duration, Instant};

// chance: it measures; a run never sees it
use rustix::time::{ClockId, clock_gettime};

use super::fresh;
use super::seeds::Seeds;
use super::shard::Shard;
use super::stop::Stop;
use super::verdict::{BatchReport, SeedReport};
use crate::run::{RunOptions, RunOutcome, run_seed};
use crate::scenario::Scenario;

/// After how long a seed that still runs is noted. It decides nothing.
const SLOW: Duration = Duration::from_secs(60);

/// How often the running seeds are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How many results may wait for a slower seed before them.
const WAITING_MAX: usize = 1024;

/// What to run.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seeds, in this order.
    pub seeds: Seeds,
    /// The planted bug, if any.
    pub options: RunOptions,
    /// How many seeds run at a time; at least 1.
    pub jobs: usize,
    /// No more seeds are started after this time, but at least one is run.
    pub time_limit: Option<Duration>,
    /// The batch ends with the first seed that fails.
    pub stop_at_first: bool,
}

/// How much of a batch is run.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// This part of its seeds.
    pub shard: Shard,
    /// No more seeds are started once this is wished; those that run come to their end.
    pub stop: Stop,
    /// So much of a batch's time limit is left over if a seed failed, for what is done about that.
    pub spare: Duration,
}

/// What a batch says while it runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The next seed, in order, is done.
    Done(&'a SeedReport),
    /// This seed has been running for so long.
    Slow(u64, Duration),
    /// The batch was stopped from outside, and so many seeds are still to end.
    Stopping(usize),
}

impl Batch<'_> {
    /// Runs it.
    pub fn explore(&self, watch: &mut dyn FnMut(Progress<'_>)) -> BatchReport {
        self.explore_part(&Part::default(), watch)
    }

    /// Runs a part of it.
    pub fn explore_part(&self, part: &Part, watch: &mut dyn FnMut(Progress<'_>)) -> BatchReport {
        let run = |seed| run_seed(self.scenario, seed, &self.options);
        self.explore_part_with(part, &run, watch)
    }

    /// Runs it with another way to run a seed.
    pub fn explore_with(
        &self,
        run: &(dyn Fn(u64) -> RunOutcome + Sync),
        watch: &mut dyn FnMut(Progress<'_>),
    ) -> BatchReport {
        self.explore_part_with(&Part::default(), run, watch)
    }

    /// Runs a part of it with another way to run a seed.
    pub fn explore_part_with(
        &self,
        part: &Part,
        run: &(dyn Fn(u64) -> RunOutcome + Sync),
        watch: &mut dyn FnMut(Progress<'_>),
    ) -> BatchReport {
        let (started, cpu) = (Instant::now(), cpu_time());
        let mut report = BatchReport::default();
        // chance: seeds run beside each other and share nothing
        std::thread::scope(|scope| {
            let (sender, results) = mpsc::channel();
            let mut queue = Queue::new(self, part, started);
            loop {
                while let Some(seed) = queue.start(report.failed > 0) {
                    let sender = sender.clone();
                    fresh::spawn(scope, &self.scenario.name, seed, move || {
                        let outcome = fresh::run_caught(seed, || run(seed));
                        // Nobody listens to the seeds behind the one that ended the batch.
                        let _ = sender.send(SeedReport::of(&outcome));
                    });
                }
                if queue.stopped && !report.stopped {
                    report.stopped = true;
                    watch(Progress::Stopping(queue.running.len()));
                }
                if queue.running.is_empty() {
                    return;
                }
                match results.recv_timeout(LOOK) {
                    Ok(result) => queue.finish(result),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
                for (seed, lasts) in queue.slow() {
                    watch(Progress::Slow(seed, lasts));
                }
                while let Some(seed) = queue.next_in_order() {
                    report.add(&seed, &self.scenario.expect);
                    watch(Progress::Done(&seed));
                    if self.stop_at_first && report.failed > 0 {
                        return;
                    }
                }
            }
        });
        report.cpu = cpu_time().saturating_sub(cpu);
        report.wall = started.elapsed();
        report
    }
}

/// Which seeds are yet to start, running, and waiting for their turn to be reported.
struct Queue<'a> {
    batch: &'a Batch<'a>,
    part: &'a Part,
    started: Instant,
    to_start: Option<u64>,
    to_report: Option<u64>,
    /// Seeds were left out because someone wished it.
    stopped: bool,
    running: BTreeMap<u64, Running>,
    waiting: BTreeMap<u64, SeedReport>,
}

struct Running {
    since: Instant,
    noted: bool,
}

impl<'a> Queue<'a> {
    fn new(batch: &'a Batch<'a>, part: &'a Part, started: Instant) -> Self {
        let first = part.shard.first(batch.seeds);
        Self {
            batch,
            part,
            started,
            to_start: first,
            to_report: first,
            stopped: false,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The next seed, if one is to be started now.
    fn start(&mut self, failed: bool) -> Option<u64> {
        let seed = self.to_start?;
        if self.part.stop.is_wished() {
            self.stopped = true;
            self.to_start = None;
            return None;
        }
        if self.running.len() >= self.batch.jobs.max(1) || self.waiting.len() >= WAITING_MAX {
            return None;
        }
        let spare = if failed { self.part.spare } else { Duration::ZERO };
        let limit = self.batch.time_limit.map(|limit| limit.saturating_sub(spare));
        let over = limit.is_some_and(|limit| self.started.elapsed() >= limit);
        if over && Some(seed) != self.part.shard.first(self.batch.seeds) {
            self.to_start = None;
            return None;
        }
        self.to_start = self.part.shard.after(seed, self.batch.seeds);
        self.running.insert(seed, Running { since: Instant::now(), noted: false });
        Some(seed)
    }

    fn finish(&mut self, result: SeedReport) {
        self.running.remove(&result.seed);
        self.waiting.insert(result.seed, result);
    }

    fn next_in_order(&mut self) -> Option<SeedReport> {
        let report = self.waiting.remove(&self.to_report?)?;
        self.to_report = self.part.shard.after(report.seed, self.batch.seeds);
        Some(report)
    }

    /// Seeds that are slow and were not noted yet.
    fn slow(&mut self) -> Vec<(u64, Duration)> {
        let mut slow = Vec::new();
        for (seed, running) in &mut self.running {
            let lasts = running.since.elapsed();
            if lasts >= SLOW && !running.noted {
                running.noted = true;
                slow.push((*seed, lasts));
            }
        }
        slow
    }
}

/// Time that the processors have spent on this process.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Both parts are never negative on this clock.
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
