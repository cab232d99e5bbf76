//! The scheduler: runs on every node, and acts on the one that holds the guard.
//!
//! Every node says at its start which schedules it has: the last one counts. A new holder ends what
//! earlier ones left running and registers the jobs that are new. Then it
//! asks the store where each job stands and what time it is, decides, records each step, and starts
//! what begins. It sleeps on its own clock until the next instant, and looks again every few
//! seconds, because the store's clock may be set meanwhile.
//!
//! A beginning whose answer never came is asked for again until it is known: said twice, it happens
//! once, and the action is started only after that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::decide::{Decision, decide};
use super::job::{Job, JobContext, Jobs};
use super::run::Runs;
use super::schedule::Schedule;
use crate::cluster::{
    AlreadyAttached, ClusterService, Leadership, LeadershipLost, Trouble, Watched,
};
use crate::probe::{holds, reach};
use crate::store::{
    Begun, Checked, JobName, JobPlan, JobRuns, JobState, JobStates, RunSpan, Running, Step,
    StoreError, TakenOver,
};
use crate::time::{Clock, WallTime};

/// How long the store's clock is trusted to go on by itself.
pub const LOOK_MAX: Duration = Duration::from_secs(2);

/// How long to wait before a store that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(100);

/// The most steps of one job in one look, so that none keeps the others waiting.
const STEPS_MAX: usize = 128;

/// Runs jobs while this node holds the guard.
pub struct Scheduler<S, C: Clock> {
    store: Arc<S>,
    clock: C,
    jobs: Jobs<C>,
    names: Vec<JobName>,
    /// What the log hears of a store that fails.
    trouble: Trouble,
    guard: Arc<Watched<Option<Leadership<C>>>>,
    stop: Arc<Watched<bool>>,
}

impl<S: JobRuns, C: Clock> Scheduler<S, C> {
    /// A scheduler that works whenever there is a guard in `guard`, until `stop` turns true.
    pub fn new(
        store: Arc<S>,
        clock: C,
        jobs: Jobs<C>,
        guard: Arc<Watched<Option<Leadership<C>>>>,
        stop: Arc<Watched<bool>>,
    ) -> Self {
        let names = jobs.iter().map(|job| job.name().clone()).collect();
        let trouble = Trouble::of("jobs", "the store");
        Self { store, clock, jobs, names, trouble, guard, stop }
    }

    /// Says which schedules this node starts with, until the store has answered or the node stops. Those of
    /// `jobs` only.
    async fn announce(&self, jobs: impl Fn(&JobName) -> bool) {
        let plan =
            |job: &Job<C>| JobPlan { name: job.name().clone(), schedule: job.schedule().to_text() };
        let plans: Vec<_> = self.jobs.iter().filter(|job| jobs(job.name())).map(plan).collect();
        while !self.stopping() {
            match self.store.announce_jobs(&plans).await {
                Ok(changed) => {
                    for JobPlan { name: job, schedule: before } in changed {
                        info!(
                            %job, before,
                            "this node has changed the job's schedule: it is in force from now on"
                        );
                    }
                    return;
                }
                Err(error) => self.failed("cannot announce the schedules of the jobs yet", &error),
            }
            tokio::select! {
                biased;
                () = self.stop_signal() => {}
                () = self.clock.sleep(RETRY) => {}
            }
        }
    }

    /// Runs until the stop signal; then begins nothing more, and returns when no action runs.
    /// Dropped before that, it ends them where they are.
    pub async fn run(self) {
        self.announce(|_| true).await;
        let mut over = None;
        while !self.stopping() {
            let fresh = |guard: &Option<Leadership<C>>| {
                guard.clone().filter(|guard| Some(guard.token()) != over)
            };
            let guard = tokio::select! {
                biased;
                () = self.stop_signal() => return,
                guard = self.guard.wait_for(fresh) => guard,
            };
            let mut runs = Runs::default();
            if let Err(lost) = self.lead(&guard, &mut runs).await {
                info!(%lost, "scheduler stands back");
            }
            // The end of the guard ends them; the stop signal waits for them.
            runs.all_ended().await;
            over = Some(guard.token());
        }
    }

    async fn lead(&self, guard: &Leadership<C>, runs: &mut Runs) -> Result<(), LeadershipLost> {
        self.take_over(guard).await?;
        let mut told = Told::default();
        while !self.stopping() {
            guard.check()?;
            let ended = runs.count_ended();
            let rest = match self.store.job_states(&self.names).await {
                Ok(states) => {
                    self.trouble.answered(self.clock.now());
                    self.look(guard, runs, &mut told, states).await?
                }
                Err(error) => {
                    self.failed("cannot look at the jobs", &error);
                    RETRY
                }
            };
            tokio::select! {
                biased;
                () = self.stop_signal() => {}
                () = guard.cancelled() => {}
                () = runs.more_ended(ended) => {}
                () = self.clock.sleep(rest) => {}
            }
        }
        Ok(())
    }

    /// What earlier holders left running is over, before anything else is done.
    async fn take_over(&self, guard: &Leadership<C>) -> Result<(), LeadershipLost> {
        let lost = LeadershipLost { token: guard.token() };
        while !self.stopping() {
            guard.check()?;
            match self.store.take_over_jobs(guard.token(), &self.names).await {
                Ok(Checked::Passed(TakenOver { registered, interrupted, .. })) => {
                    for job in &registered {
                        info!(%job, "a new job");
                    }
                    if !registered.is_empty() {
                        self.announce(|job| registered.contains(job)).await;
                    }
                    for (job, Running { instant, token }) in interrupted {
                        let instant = instant.unix_ms;
                        warn!(%job, instant, %token, "a run was interrupted, and is not run again");
                    }
                    return Ok(());
                }
                Ok(Checked::Fenced { .. }) => return Err(lost),
                Err(error) => self.failed("cannot take the jobs over yet", &error),
            }
            self.pause(guard).await;
        }
        Ok(())
    }

    /// Does what is to be done about each job now, and tells how long nothing more is.
    async fn look(
        &self,
        guard: &Leadership<C>,
        runs: &mut Runs,
        told: &mut Told,
        states: JobStates,
    ) -> Result<Duration, LeadershipLost> {
        let now = states.now;
        let mut rest = LOOK_MAX;
        for (job, state) in self.jobs.iter().zip(states.jobs) {
            let Some(mut state) = state else {
                warn!(job = %job.name(), "the store has lost a job: registering it anew");
                self.take_over(guard).await?;
                return Ok(Duration::ZERO);
            };
            let mut left = Duration::ZERO;
            let schedule = told.in_force(job, &state);
            for _ in 0..STEPS_MAX {
                let step = match decide(&schedule, job.policy(), &state, now) {
                    Decision::SetBack { to } => {
                        if !self.stopping() {
                            self.set_back(guard, job, &state, to, now).await?;
                        }
                        return Ok(Duration::ZERO);
                    }
                    Decision::Wait { until } => {
                        told.waiting(job, &schedule, until, now);
                        let until = until.map_or(u64::MAX, |until| until.unix_ms);
                        left = Duration::from_millis(until.saturating_sub(now.unix_ms));
                        break;
                    }
                    Decision::Take(step) => step,
                };
                if self.stopping() || !self.begin(guard, job, &state, &step).await? {
                    // Whatever is different, the store knows.
                    return Ok(Duration::ZERO);
                }
                if let Some(instant) = step.run {
                    self.start(guard, runs, job, instant, now)?;
                }
                state = after(state, &step, guard, now);
            }
            rest = rest.min(left);
        }
        Ok(rest)
    }

    /// Sets a cursor back. If the store does not answer, the next look finds what is to be done.
    async fn set_back(
        &self,
        guard: &Leadership<C>,
        job: &Job<C>,
        state: &JobState,
        to: WallTime,
        now: WallTime,
    ) -> Result<(), LeadershipLost> {
        guard.check()?;
        let cursor = state.cursor;
        match self.store.set_back(guard.token(), job.name(), cursor, to).await {
            Ok(Checked::Passed(Begun::Recorded)) => warn!(
                job = %job.name(), ahead = ?now.until(cursor),
                "the store's clock was set back, or was ahead when the job ran last: it goes on by what \
                 the clock shows now, and what has run does not run again"
            ),
            Ok(Checked::Fenced { .. }) => return Err(LeadershipLost { token: guard.token() }),
            Ok(Checked::Passed(Begun::Moved { .. } | Begun::TooEarly { .. })) => {}
            Err(error) => {
                self.failed("cannot set a job back to the store's clock yet", &error);
                self.pause(guard).await;
            }
        }
        Ok(())
    }

    /// Records a step, until the store has answered. False: nothing was recorded, because the job
    /// stands elsewhere.
    async fn begin(
        &self,
        guard: &Leadership<C>,
        job: &Job<C>,
        state: &JobState,
        step: &Step,
    ) -> Result<bool, LeadershipLost> {
        loop {
            guard.check()?;
            match self.store.begin_run(guard.token(), job.name(), state.cursor, step).await {
                Ok(Checked::Passed(Begun::Recorded)) => return Ok(true),
                Ok(Checked::Fenced { .. }) => return Err(LeadershipLost { token: guard.token() }),
                Ok(Checked::Passed(Begun::Moved { .. } | Begun::TooEarly { .. })) => {
                    debug!(job = %job.name(), "the job stands elsewhere by now");
                    return Ok(false);
                }
                Err(error) => {
                    if let StoreError::Unknown(_) = &error {
                        reach!("job_begin_outcome_unknown");
                    }
                    self.failed("the beginning of a run is unanswered", &error);
                }
            }
            if self.stopping() {
                // If it is recorded all the same, the next holder finds it and ends it.
                return Ok(false);
            }
            self.pause(guard).await;
        }
    }

    /// Starts the action of a run that is recorded.
    fn start(
        &self,
        guard: &Leadership<C>,
        runs: &mut Runs,
        job: &Job<C>,
        instant: WallTime,
        now: WallTime,
    ) -> Result<(), LeadershipLost> {
        if let Err(lost) = guard.check() {
            reach!("guard_lost_before_job");
            return Err(lost);
        }
        let late_by = Duration::from_millis(now.unix_ms.saturating_sub(instant.unix_ms));
        let caught_up = late_by > job.policy().grace;
        if caught_up {
            reach!("job_caught_up");
        }
        let context = JobContext {
            job: job.name().clone(),
            instant,
            late_by,
            caught_up,
            guard: guard.clone(),
            stop: Arc::clone(&self.stop),
        };
        debug!(run = context.id(), ?late_by, "run begins");
        // Called within the run, so that a panic of the call itself is the run's failure, too.
        let (job, given) = (job.clone(), context.clone());
        let action = Box::pin(async move { job.act(given).await });
        runs.start(action, context, Arc::clone(&self.store), self.clock.clone(), RETRY);
        Ok(())
    }

    fn failed(&self, what: &str, error: &StoreError) {
        self.trouble.failed(self.clock.now(), what, error);
    }

    /// Waits before a call that must be answered is repeated; not past the end of the guard.
    async fn pause(&self, guard: &Leadership<C>) {
        tokio::select! {
            biased;
            () = self.stop_signal() => {}
            () = guard.cancelled() => {}
            () = self.clock.sleep(RETRY) => {}
        }
    }

    fn stopping(&self) -> bool {
        self.stop.get()
    }

    async fn stop_signal(&self) {
        self.stop.wait_for(|stop| stop.then_some(())).await;
    }
}

impl<S: JobRuns, C: Clock> ClusterService<S, C> {
    /// Runs these jobs whenever this node may act, each instant at most once in the whole cluster.
    /// Once for a service, and with the same jobs on every node: a job that is not there is not run
    /// while its node leads, and then is late.
    ///
    /// A shutdown waits for the runs under way; see [`JobContext::stopping`].
    ///
    /// # Errors
    /// This service runs a schedule already, whatever its jobs are named. Nothing was started.
    pub fn schedule(&self, jobs: Jobs<C>) -> Result<(), AlreadyAttached> {
        if jobs.is_empty() {
            return Ok(());
        }
        let seat = self.seat("scheduler", "add all jobs to one `Jobs`, and schedule that")?;
        let store = Arc::clone(self.store());
        self.attach_at(seat, |post| {
            Scheduler::new(store, post.clock, jobs, post.guard, post.stop).run()
        });
        Ok(())
    }
}

/// What the log of one leadership has been told about jobs.
#[derive(Default)]
struct Told {
    /// By which schedule a job runs, if not by this node's own.
    schedules: BTreeMap<JobName, String>,
    /// Until when a job waits because the instants before have run.
    waits: BTreeMap<JobName, WallTime>,
}

impl Told {
    /// The schedule by which a job runs: the one that the store keeps.
    fn in_force<C: Clock>(&mut self, job: &Job<C>, state: &JobState) -> Schedule {
        let (own, kept) = (job.schedule(), &state.schedule);
        if kept.is_empty() || *kept == own.to_text() {
            return own.clone();
        }
        let is_new = self.schedules.insert(job.name().clone(), kept.clone()).as_ref() != Some(kept);
        match Schedule::from_text(kept) {
            Ok(schedule) => {
                if is_new {
                    warn!(
                        job = %job.name(), %schedule, of_this_node = %own,
                        "the job runs by the schedule of the node that started last, not by this node's"
                    );
                }
                schedule
            }
            Err(error) => {
                if is_new {
                    warn!(
                        job = %job.name(), kept, of_this_node = %own, %error,
                        "cannot read the schedule of the node that started last: the job runs by this \
                         node's"
                    );
                }
                own.clone()
            }
        }
    }

    /// The job waits for `until`.
    fn waiting<C: Clock>(
        &mut self,
        job: &Job<C>,
        schedule: &Schedule,
        until: Option<WallTime>,
        now: WallTime,
    ) {
        let Some(until) =
            until.filter(|until| schedule.next_after(now).is_some_and(|n| n < *until))
        else {
            return;
        };
        if self.waits.insert(job.name().clone(), until) != Some(until) {
            warn!(
                job = %job.name(), next_in = ?now.until(until),
                "the job waits: its next instants have run before, when the store's clock showed their \
                 time, and do not run again; is the clock right?"
            );
        }
    }
}

/// Where a job stands after a step that was recorded when the store's clock showed `now`, or a
/// little later.
fn after<C: Clock>(
    mut state: JobState,
    step: &Step,
    guard: &Leadership<C>,
    now: WallTime,
) -> JobState {
    let cursor = step.last().unwrap_or(state.cursor);
    holds!(cursor > state.cursor && cursor <= now, "a cursor rises, and not past the clock");
    step.begins(&mut state.ran, state.cursor);
    state.cursor = cursor;
    if let Some(instant) = step.run {
        state.running.push(Running { instant, token: guard.token() });
        state.newest = Some(RunSpan { begun: now, ended: None });
    }
    state
}

#[cfg(all(test, madsim))]
mod tests;
