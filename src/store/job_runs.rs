//! Job runs: what became of each instant of each scheduled job, kept beside the fence.
//!
//! A job has a *cursor*: every instant at or below it has its outcome. It rises in the transaction that
//! says what became of the instants it passes: which were skipped, and which one begins (J3). Instants
//! are in the store's wall clock, the one clock that a cluster has in common. If that is set back, the
//! cursor can be, too ([`JobRuns::set_back`]); that no instant begins again, whatever any clock does (J1),
//! is decided by [`Ran`].
//!
//! Beside the cursor is the job's *schedule*, which is one for the whole cluster: that of the node that
//! started last ([`JobRuns::announce_jobs`]). When it changes, the cursor is set to the moment of the
//! change, so that no schedule is late for instants at which it was not in force.

use std::future::Future;

use super::ran::Ran;
use super::text::text;
use super::{Checked, StoreError};
use crate::id::Token;
use crate::time::WallTime;

/// The longest name of a job, in bytes.
pub const MAX_JOB_NAME_LEN: usize = 64;

/// How much of a failure's reason is kept, in bytes.
pub const MAX_JOB_REASON_LEN: usize = 1000;

/// How many outcomes of a job are kept for people, at least; what is older is forgotten. A range of
/// skipped instants is one outcome.
pub const JOB_HISTORY_KEPT: usize = 1000;

text! {
    /// The name of a job: 1 to [`MAX_JOB_NAME_LEN`] bytes without control characters.
    JobName: "the name of a job", at most MAX_JOB_NAME_LEN
}

/// A run that has begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The instant that it runs for.
    pub instant: WallTime,
    /// Under which token it began.
    pub token: Token,
}

/// When a run ran, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSpan {
    /// When it began.
    pub begun: WallTime,
    /// When it ended; none: it still runs.
    pub ended: Option<WallTime>,
}

/// Where a job stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobState {
    /// Every instant at or below it has its outcome, or is one of `running`.
    pub cursor: WallTime,
    /// The schedule in force, as [`Schedule::to_text`](crate::jobs::Schedule::to_text) writes it; empty if
    /// none was announced yet.
    pub schedule: String,
    /// Since when it is in force. Zero if that was before stores kept it.
    pub since: WallTime,
    /// The instants that have begun, wherever the cursor is.
    pub ran: Ran,
    /// What runs, in the order in which it began.
    pub running: Vec<Running>,
    /// When the run that began last ran. None if there was none, or if it was interrupted: nobody
    /// knows when it ended.
    pub newest: Option<RunSpan>,
}

/// The answer to [`JobRuns::job_states`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStates {
    /// The store's clock.
    pub now: WallTime,
    /// Each job that was asked for, in that order; none: it is not registered.
    pub jobs: Vec<Option<JobState>>,
}

/// Why instants were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// They were late, and the misfire policy says so.
    Misfire,
    /// They came while the job ran, and the overlap policy says so.
    Overlap,
}

impl SkipReason {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Misfire => "late: the misfire policy skips it",
            Self::Overlap => "the job was still running: the overlap policy skips it",
        }
    }
}

/// Consecutive instants that are skipped for one reason. A range, so that an outage of any length
/// is one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The first of them.
    pub first: WallTime,
    /// The last of them.
    pub last: WallTime,
    /// How many there are, counted as far as the schedule counts.
    pub count: u64,
    /// Why.
    pub why: SkipReason,
}

/// What becomes of the next instants of a job: first some are skipped, then one begins. At least
/// one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The instants that are skipped.
    pub skip: Option<Skip>,
    /// The instant that begins, after all that are skipped.
    pub run: Option<WallTime>,
}

impl Step {
    /// The first instant that it decides about.
    pub fn first(&self) -> Option<WallTime> {
        self.skip.map(|skip| skip.first).or(self.run)
    }

    /// The last instant that it decides about: the cursor after it.
    pub fn last(&self) -> Option<WallTime> {
        self.run.or(self.skip.map(|skip| skip.last))
    }
}

/// The answer to [`JobRuns::take_over_jobs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The jobs that this call registered: their first instant is the first after `now`.
    pub registered: Vec<JobName>,
    /// The runs of earlier tokens that this call found without an end.
    pub interrupted: Vec<(JobName, Running)>,
    /// The store's clock.
    pub now: WallTime,
}

/// A job and its schedule, for [`JobRuns::announce_jobs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    /// The job.
    pub name: JobName,
    /// Its schedule, as [`Schedule::to_text`](crate::jobs::Schedule::to_text) writes it.
    pub schedule: String,
}

/// The answer to [`JobRuns::begin_run`] and [`JobRuns::set_back`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is recorded, by this call or an earlier one that said the same.
    Recorded,
    /// Nothing changed: the cursor is not where the caller believes, or the instant has begun before.
    Moved {
        /// Where it is; none: the job is not registered.
        cursor: Option<WallTime>,
    },
    /// Nothing changed: the step decides about an instant that is still to come.
    TooEarly {
        /// The store's clock.
        now: WallTime,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Its action succeeded.
    Done,
    /// Its action failed, or panicked.
    Failed {
        /// In the action's words; cut after [`MAX_JOB_REASON_LEN`] bytes.
        reason: String,
    },
}

/// The answer to [`JobRuns::finish_run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The end is recorded, by this call or an earlier one that said the same.
    Recorded,
    /// Nothing changed: no such run runs under the token.
    NotRunning,
}

/// What became of an instant, or of a range of skipped ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunState {
    /// It began and has not ended.
    Running,
    /// It ran, and its action succeeded.
    Done,
    /// It ran, and its action failed.
    Failed,
    /// Whoever ran it lost leadership or died. How far it came is unknown; it is not run again.
    Interrupted,
    /// It never began.
    Skipped,
}

impl RunState {
    /// All states, in the order of the numbers that a store keeps for them.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Done, Self::Failed, Self::Interrupted, Self::Skipped];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
        }
    }
}

/// One outcome as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The instant; of skipped ones the first.
    pub first: WallTime,
    /// The instant; of skipped ones the last.
    pub last: WallTime,
    /// How many instants: one, unless they were skipped.
    pub count: u64,
    /// What became of it.
    pub state: RunState,
    /// Who decided it.
    pub token: Token,
    /// When it began or was skipped, by the store's clock: later than `last` by as much as it was
    /// late.
    pub begun: WallTime,
    /// When it ended, by the store's clock.
    pub ended: Option<WallTime>,
    /// Why it was skipped, failed or interrupted.
    pub reason: Option<String>,
}

/// What a transaction looks up before it begins a run.
#[derive(Debug, Clone)]
pub(crate) struct BeginLook {
    /// The floor.
    pub floor: Token,
    /// The job's cursor; none: it is not registered.
    pub cursor: Option<WallTime>,
    /// The instants that have begun.
    pub ran: Ran,
    /// The outcome at the step's last instant: who decided it, and what it is.
    pub at_last: Option<(Token, RunState)>,
}

impl BeginLook {
    /// What to answer without writing; none: the step is to be recorded. The rule of every store.
    pub fn refusal(
        &self,
        token: Token,
        from: WallTime,
        step: &Step,
        now: WallTime,
    ) -> Option<Begun> {
        let (Some(first), Some(last)) = (step.first(), step.last()) else {
            return Some(Begun::Moved { cursor: self.cursor });
        };
        let meant = if step.run.is_some() { RunState::Running } else { RunState::Skipped };
        // A run is known wherever the cursor is: the schedule may have changed since.
        let is_said = self.at_last == Some((token, meant));
        if is_said && (step.run.is_some() || self.cursor == Some(last)) {
            return Some(Begun::Recorded);
        }
        let has_begun = step.run.is_some_and(|instant| self.ran.until(instant).is_some());
        if self.cursor != Some(from) || first <= from || has_begun {
            return Some(Begun::Moved { cursor: self.cursor });
        }
        (last > now).then_some(Begun::TooEarly { now })
    }
}

/// What to answer to a cursor that is to be set back without writing; none: it is to be written. The rule
/// of every store.
pub(crate) fn set_back_refusal(
    cursor: Option<WallTime>,
    from: WallTime,
    to: WallTime,
    now: WallTime,
) -> Option<Begun> {
    if cursor == Some(to) {
        return Some(Begun::Recorded);
    }
    if cursor != Some(from) || from <= to {
        return Some(Begun::Moved { cursor });
    }
    (to > now).then_some(Begun::TooEarly { now })
}

impl Step {
    /// What has begun once this step is recorded for a job whose cursor was `from`.
    pub(crate) fn begins(&self, ran: &mut Ran, from: WallTime) {
        if let Some(instant) = self.run {
            ran.begin(self.skip.is_none().then_some(from), instant);
        }
    }
}

/// What an announced schedule changes about a job that the store knows with `known`. The rule of every
/// store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcing {
    /// Nothing.
    Same,
    /// The store did not know it: it was in force all the time.
    Learned,
    /// It is in force from now on, at this cursor.
    Changed(WallTime),
}

impl Announcing {
    pub fn of(known: &str, cursor: WallTime, announced: &str, now: WallTime) -> Self {
        match known {
            known if known == announced => Self::Same,
            "" => Self::Learned,
            // Never the same cursor: whoever leads and decides by the schedule before is to notice.
            _ if cursor == now => Self::Changed(WallTime { unix_ms: now.unix_ms + 1 }),
            _ => Self::Changed(now),
        }
    }
}

/// The part of a reason that is kept.
pub(crate) fn kept_reason(reason: &str) -> &str {
    let fits = |end: &usize| reason.is_char_boundary(*end);
    let end = (0..=reason.len().min(MAX_JOB_REASON_LEN)).rev().find(fits);
    &reason[..end.unwrap_or(0)]
}

/// The runs of scheduled jobs. All calls may be repeated after [`StoreError::Unknown`]: said twice,
/// the same thing under the same token happens once.
pub trait JobRuns: Send + Sync + 'static {
    /// What a new holder begins with: registers the jobs that are new, with the store's clock as
    /// their cursor, and ends the runs of earlier tokens as [`RunState::Interrupted`].
    fn take_over_jobs(
        &self,
        token: Token,
        jobs: &[JobName],
    ) -> impl Future<Output = Result<Checked<TakenOver>, StoreError>> + Send;

    /// Says which schedules a node starts with. Needs no token: of all nodes that say so, the last one
    /// counts, whoever leads. What is not registered is passed over. Returns the jobs whose schedule
    /// this call changed, each with the one before; the cursor of such a job is the store's clock now.
    fn announce_jobs(
        &self,
        jobs: &[JobPlan],
    ) -> impl Future<Output = Result<Vec<JobPlan>, StoreError>> + Send;

    /// Where jobs stand, and what time it is.
    fn job_states(
        &self,
        jobs: &[JobName],
    ) -> impl Future<Output = Result<JobStates, StoreError>> + Send;

    /// Records what becomes of the next instants of a job whose cursor is `from`. If one begins,
    /// the holder of the token may run it, and nobody else ever will.
    fn begin_run(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        step: &Step,
    ) -> impl Future<Output = Result<Checked<Begun>, StoreError>> + Send;

    /// Sets the cursor of a job back from `from` to `to`, because the store's clock was set back. What was
    /// skipped after `to` is forgotten, so that it is judged when its time comes; what has begun has
    /// begun.
    fn set_back(
        &self,
        token: Token,
        job: &JobName,
        from: WallTime,
        to: WallTime,
    ) -> impl Future<Output = Result<Checked<Begun>, StoreError>> + Send;

    /// Records how a run that began under `token` ended.
    fn finish_run(
        &self,
        token: Token,
        job: &JobName,
        instant: WallTime,
        end: RunEnd,
    ) -> impl Future<Output = Result<Checked<Finished>, StoreError>> + Send;

    /// The newest outcomes of a job, newest first, at most `limit`; none for one that is not known.
    fn job_history(
        &self,
        job: &JobName,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RunRecord>, StoreError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "é".repeat(MAX_JOB_REASON_LEN);
        assert_eq!(kept_reason(&reason).len(), MAX_JOB_REASON_LEN);
        assert_eq!(kept_reason(&format!("x{reason}")).len(), MAX_JOB_REASON_LEN - 1);
        assert_eq!(kept_reason("short"), "short");
    }
}
