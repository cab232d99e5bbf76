//! Scheduled jobs: every node runs the schedule, only the holder of the guard acts.
//!
//! Each (job, instant) is recorded in the store under the token before it runs, so that it runs at
//! most once whatever any clock does, and ends in a stated outcome: ran, failed, interrupted, or
//! skipped by a policy. `schedule` says when a job is due, `policy` what becomes of instants that
//! are late or come while the job runs, `decide` what is to be done now; `scheduler` does it, `run`
//! is the life of one run, and `job` is what an application writes.
//!
//! The store's clock decides what is due, because it is the one clock that all nodes have in
//! common. If it is set forward, what was passed over is late and meets the misfire policy. If it is set
//! back, a job goes on by what it shows then, within [`LOOK_MAX`]; only instants that have begun, while it
//! showed their time before, do not begin again. Both are said in the log.
//!
//! A job has one schedule in the whole cluster: that of the node that started last. It is kept beside the
//! cursor, and whoever leads runs the job by that, not by the schedule that it was started with itself. So
//! a rolling deployment changes it once, with the first node of the new version, whichever version leads
//! then, and a roll-back changes it back. From then on the job is due by the new schedule: nothing is
//! late for instants at which it was not in force.

mod decide;
mod job;
mod policy;
mod run;
mod schedule;
mod scheduler;

pub use decide::{Decision, decide, next};
pub use job::{Job, JobContext, JobError, Jobs, JobsError, MAX_JOBS};
pub use policy::{
    DEFAULT_GRACE, MAX_CATCH_UP, MAX_CONCURRENT, MAX_GRACE, Misfire, Overlap, Policy, PolicyError,
};
pub use schedule::{COUNT_MAX, MAX_CRON_LEN, MAX_PERIOD, MIN_PERIOD, Schedule, ScheduleError};
pub use scheduler::{LOOK_MAX, Scheduler};
