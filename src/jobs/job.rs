//! What an application writes: a job with its name, its schedule, its policies and its action.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::policy::{Misfire, Overlap, Policy, PolicyError};
use super::schedule::Schedule;
use crate::cluster::{Leadership, LeadershipLost, Watched};
use crate::id::Token;
use crate::store::{InvalidText, JobName};
use crate::time::{Clock, SystemClock, WallTime};

/// The most jobs of one cluster.
pub const MAX_JOBS: usize = 256;

/// Why an action failed, in its own words. Made from any error by `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    pub(super) reason: String,
}

impl JobError {
    /// A failure for that reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

pub(super) type ActionFuture = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;
type Action<C> = Arc<dyn Fn(JobContext<C>) -> ActionFuture + Send + Sync>;

/// A scheduled job.
///
/// ```
/// use std::time::Duration;
///
/// use fencepost::jobs::{Job, JobContext, JobsError, Misfire, Schedule};
///
/// fn nightly_report() -> Result<Job, JobsError> {
///     let schedule = Schedule::cron("30 2 * * *", "Europe/Berlin")?;
///     Job::new("nightly report", schedule, async |run: JobContext| {
///         // The same id for the same instant: enqueued twice, it is one message.
///         let id = run.id();
///         // Before whatever the outside sees.
///         run.check()?;
///         println!("enqueue {id} under token {}", run.token());
///         Ok(())
///     })?
///     .misfire(Misfire::CatchUp { at_most: 7 })?
///     .grace(Duration::from_secs(60))
/// }
/// # nightly_report().unwrap();
/// ```
pub struct Job<C = SystemClock> {
    name: JobName,
    schedule: Schedule,
    policy: Policy,
    action: Action<C>,
}

impl<C: Clock> Job<C> {
    /// A job with the default policies: of late instants the latest runs, and an instant that comes
    /// while the job runs is skipped.
    ///
    /// `action` is called once for each instant that runs. When leadership ends, its future is
    /// dropped at the next await; what it does between two of them, the guard cannot stop. So it
    /// asks [`JobContext::check`] before each act that the outside can see, and shows
    /// [`JobContext::token`] with it.
    ///
    /// # Errors
    /// The name is empty, too long, or has control characters.
    pub fn new<F>(
        name: &str,
        schedule: Schedule,
        action: impl Fn(JobContext<C>) -> F + Send + Sync + 'static,
    ) -> Result<Self, JobsError>
    where
        F: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let name = JobName::new(name)?;
        let action: Action<C> = Arc::new(move |context| Box::pin(action(context)));
        Ok(Self { name, schedule, policy: Policy::default(), action })
    }

    /// With this policy for late instants.
    ///
    /// # Errors
    /// It has a bound that is out of range.
    pub fn misfire(mut self, misfire: Misfire) -> Result<Self, JobsError> {
        self.policy.misfire = misfire;
        self.checked()
    }

    /// With this policy for instants that come while the job runs.
    ///
    /// # Errors
    /// It has a bound that is out of range.
    pub fn overlap(mut self, overlap: Overlap) -> Result<Self, JobsError> {
        self.policy.overlap = overlap;
        self.checked()
    }

    /// With this bound on how late an instant may begin and still be on time.
    ///
    /// # Errors
    /// It is too long.
    pub fn grace(mut self, grace: Duration) -> Result<Self, JobsError> {
        self.policy.grace = grace;
        self.checked()
    }

    fn checked(self) -> Result<Self, JobsError> {
        self.policy.validate()?;
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &JobName {
        &self.name
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn act(&self, context: JobContext<C>) -> ActionFuture {
        (self.action)(context)
    }
}

impl<C> Clone for Job<C> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            schedule: self.schedule.clone(),
            policy: self.policy,
            action: Arc::clone(&self.action),
        }
    }
}

impl<C> fmt::Debug for Job<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("schedule", &self.schedule)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A job, or a set of jobs, that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobsError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] InvalidText),
    /// The schedule is none.
    #[error(transparent)]
    Schedule(#[from] super::ScheduleError),
    /// The policies are none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A name says whose instants are recorded, so it can be one job's only.
    #[error("two jobs are named {name:?}: give one of them another name")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// There are too many.
    #[error("more than {MAX_JOBS} jobs: let one job do what several do at the same instants")]
    TooMany,
}

/// The jobs of a cluster. Every node has the same.
#[derive(Debug, Clone)]
pub struct Jobs<C = SystemClock> {
    jobs: Vec<Job<C>>,
    names: BTreeSet<JobName>,
}

impl<C> Default for Jobs<C> {
    fn default() -> Self {
        Self { jobs: Vec::new(), names: BTreeSet::new() }
    }
}

impl<C: Clock> Jobs<C> {
    /// Adds a job.
    ///
    /// # Errors
    /// There is one of that name, or there are [`MAX_JOBS`]. Nothing is added.
    pub fn add(&mut self, job: Job<C>) -> Result<(), JobsError> {
        if self.jobs.len() >= MAX_JOBS {
            return Err(JobsError::TooMany);
        }
        if !self.names.insert(job.name.clone()) {
            return Err(JobsError::Duplicate { name: job.name.to_string() });
        }
        self.jobs.push(job);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Job<C>> {
        self.jobs.iter()
    }
}

/// One run of a job: what its action is given.
#[derive(Debug, Clone)]
pub struct JobContext<C = SystemClock> {
    pub(super) job: JobName,
    pub(super) instant: WallTime,
    pub(super) late_by: Duration,
    pub(super) caught_up: bool,
    pub(super) guard: Leadership<C>,
    pub(super) stop: Arc<Watched<bool>>,
}

impl<C: Clock> JobContext<C> {
    /// The job's name.
    pub fn job(&self) -> &JobName {
        &self.job
    }

    /// The instant that it runs for, on the store's clock.
    pub fn instant(&self) -> WallTime {
        self.instant
    }

    /// A name for this run that is the same whoever asks, such as `nightly report@1767225600000`:
    /// the stem of ids that make what it does idempotent.
    pub fn id(&self) -> String {
        format!("{}@{}", self.job, self.instant.unix_ms)
    }

    /// How late it began, by the store's clock.
    pub fn late_by(&self) -> Duration {
        self.late_by
    }

    /// Whether it began later than the job's grace allows: it makes up for an instant that was
    /// missed.
    pub fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// The fencing token to show to whatever the action writes to.
    pub fn token(&self) -> Token {
        self.guard.token()
    }

    /// The guard that it runs under.
    pub fn guard(&self) -> &Leadership<C> {
        &self.guard
    }

    /// Asks for permission to start an act now, and how long it lasts at least.
    ///
    /// # Errors
    /// Leadership has ended: the run is over, and will be recorded as interrupted.
    pub fn check(&self) -> Result<Duration, LeadershipLost> {
        self.guard.check()
    }

    /// Completes when the node stops. A run that goes on is waited for, up to the node's limit;
    /// leadership is handed over only after it.
    pub async fn stopping(&self) {
        self.stop.wait_for(|stop| stop.then_some(())).await;
    }
}

#[cfg(test)]
mod tests;
