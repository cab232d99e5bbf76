//! The store: the fence and the outbox, changed only in transactions that check the fence.
//!
//! `fence` says which token may write, `outbox` what a holder does with messages, `oversight` what
//! people see and decide, `job_runs` what became of scheduled jobs, `assignments` who has which unit
//! of a work; `text` is the shape of their names and ids. `rules` are the decisions that all stores
//! share: a store looks up, asks them, and writes; `look` is how much it reads to find work. `sqlite` is one file or memory, `postgres` a
//! server that several machines reach; `Unfenced` stands in where there is no store.

mod assignments;
mod columns;
mod config;
mod fence;
mod job_runs;
mod look;
mod message;
mod outbox;
mod oversight;
#[cfg(not(madsim))]
mod postgres;
mod ran;
mod rules;
mod sqlite;
#[cfg(test)]
mod tests;
mod text;
mod unfenced;

pub use crate::election::Roll;

pub use assignments::{
    Assigned, Assignment, Assignments, Change, Epoch, MAX_UNITS, MAX_WORK_NAME_LEN, Share, Unit,
    WorkName,
};
pub use config::{PostgresConfig, StoreConfig};
pub(crate) use fence::may_advance;
pub use fence::{Activated, BindError, Checked, Fence, FenceRow, MAX_GENERATIONS_LOST, Permit};
pub use job_runs::{
    Begun, Finished, JOB_HISTORY_KEPT, JobName, JobPlan, JobRuns, JobState, JobStates,
    MAX_JOB_NAME_LEN, MAX_JOB_REASON_LEN, RunEnd, RunRecord, RunSpan, RunState, Running, Skip,
    SkipReason, Step, TakenOver,
};
pub use message::{
    Attempt, Lot, MAX_MESSAGE_ID_LEN, MAX_PAYLOAD_LEN, MessageId, MessageState, NewMessage,
    OrderingKey, Outgoing,
};
pub use outbox::{
    Claim, Doubt, EnqueueError, Enqueued, MAX_LOOK_LEN, Outbox, Proof, Settled, Settlement,
};
pub use oversight::{Counts, Entry, Judged, Page, Passed, Ruling, Verdict, VerdictError};
#[cfg(not(madsim))]
pub use postgres::PostgresStore;
#[cfg(not(madsim))]
pub(crate) use postgres::{Mistake, mistake, parse as parse_postgres};
pub use ran::Ran;
pub use sqlite::{SqliteOutbox, SqliteStore};
pub use text::InvalidText;
pub use unfenced::Unfenced;

/// A call that failed. What happened to the state is what distinguishes the variants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It did not happen: the store is as it was.
    #[error("the store is unavailable, nothing was changed: {0}")]
    Unavailable(String),
    /// It may have happened, or may still happen: the answer was lost.
    #[error("the outcome of the call is unknown: {0}")]
    Unknown(String),
}

/// Everything that a node asks of its store.
pub trait Store: Fence + Outbox {}

impl<S: Fence + Outbox> Store for S {}
