//! What can happen to scheduled jobs.

use std::fmt;

use fencepost::store::{JobName, SkipReason};
use fencepost::{Instant, NodeId, Token, WallTime};

use super::SimTime;

/// A job of the plan, by its place there (`j1` is the first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNo(pub u32);

impl JobNo {
    /// Its name in the product.
    pub fn name(self) -> JobName {
        JobName::new(&self.to_string()).expect("a short word")
    }

    /// The job of that name.
    ///
    /// # Panics
    /// The plan has no job of that name.
    pub fn of(name: &JobName) -> Self {
        let number = name.as_str().strip_prefix('j').and_then(|number| number.parse().ok());
        Self(number.expect("the plan names its jobs j1, j2, …"))
    }
}

impl fmt::Display for JobNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "j{}", self.0)
    }
}

/// One run: the job and the instant, on the database's wall clock, that it runs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobRun {
    /// The job.
    pub job: JobNo,
    /// The instant.
    pub instant: WallTime,
}

impl fmt::Display for JobRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.job, self.instant.unix_ms)
    }
}

/// A holder's look at its jobs: what it decides rests on what the database held then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Look {
    /// When the database answered.
    pub at: SimTime,
    /// What its wall clock showed.
    pub now: WallTime,
}

/// How an action ended, as the action itself saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionEnd {
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// It was dropped before its end.
    Cancelled,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobEvent {
    // -- acts, where the action itself sees them
    /// An action began.
    Started {
        /// On this node.
        node: NodeId,
        /// For this run.
        run: JobRun,
        /// The token that it was given.
        token: Token,
        /// The node's monotonic reading.
        reading: Instant,
    },
    /// It ended, or was dropped.
    Ended {
        /// On this node.
        node: NodeId,
        /// For this run.
        run: JobRun,
        /// The token that it was given.
        token: Token,
        /// How.
        how: ActionEnd,
    },

    // -- the database, in commit order; repetitions are not recorded
    /// A job was registered: its first instant is the first after the cursor.
    Registered {
        /// The job.
        job: JobNo,
        /// Its cursor.
        cursor: WallTime,
        /// Under this token.
        token: Token,
    },
    /// Consecutive instants were skipped.
    Skipped {
        /// Of this job.
        job: JobNo,
        /// The first.
        first: WallTime,
        /// The last.
        last: WallTime,
        /// How many the product counted.
        count: u64,
        /// Why.
        why: SkipReason,
        /// Under this token.
        token: Token,
        /// What that was decided by.
        look: Look,
    },
    /// The cursor was set back, because the database's clock was.
    SetBack {
        /// Of this job.
        job: JobNo,
        /// The new cursor.
        to: WallTime,
        /// Under this token.
        token: Token,
        /// The database's wall clock.
        now: WallTime,
    },
    /// A run began.
    Began {
        /// The run.
        run: JobRun,
        /// Under this token.
        token: Token,
        /// What that was decided by.
        look: Look,
        /// The database's wall clock.
        now: WallTime,
    },
    /// A run ended.
    Finished {
        /// The run.
        run: JobRun,
        /// Under this token.
        token: Token,
        /// Whether its action succeeded.
        done: bool,
        /// The database's wall clock.
        now: WallTime,
    },
    /// A run of an earlier token was found without an end.
    Interrupted {
        /// The run.
        run: JobRun,
        /// Under this token it had begun.
        of: Token,
        /// Under this one it was found.
        token: Token,
    },

    // -- the end
    /// Where a job stood in the database when the run ended.
    Final {
        /// The job.
        job: JobNo,
        /// Its cursor.
        cursor: WallTime,
        /// The database's wall clock.
        now: WallTime,
        /// The runs that the database takes for running, by instant, each with its token.
        running: Vec<(WallTime, Token)>,
    },
}

impl JobEvent {
    /// The node on which it happened, if not in the database.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Started { node, .. } | Self::Ended { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// The token of a transaction, if it was one.
    pub fn committed_under(&self) -> Option<Token> {
        match self {
            Self::Registered { token, .. }
            | Self::Skipped { token, .. }
            | Self::SetBack { token, .. }
            | Self::Began { token, .. }
            | Self::Finished { token, .. }
            | Self::Interrupted { token, .. } => Some(*token),
            Self::Started { .. } | Self::Ended { .. } | Self::Final { .. } => None,
        }
    }
}

impl fmt::Display for JobEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { run, token, .. } => {
                write!(f, "begins to act for {run} with token {token}")
            }
            Self::Ended { run, token, how, .. } => {
                write!(f, "ends to act for {run} with token {token}: {how:?}")
            }
            Self::Registered { job, cursor, token } => {
                write!(f, "{job} registered at {} under token {token}", cursor.unix_ms)
            }
            Self::Skipped { job, first, last, count, why, token, look: _ } => write!(
                f,
                "{job} skips {} to {}, {count} in all, under token {token}: {why:?}",
                first.unix_ms, last.unix_ms
            ),
            Self::SetBack { job, to, token, .. } => {
                write!(f, "{job} is set back to {} under token {token}", to.unix_ms)
            }
            Self::Began { run, token, .. } => write!(f, "{run} began under token {token}"),
            Self::Finished { run, token, done, .. } => {
                let how = if *done { "done" } else { "failed" };
                write!(f, "{run} {how} under token {token}")
            }
            Self::Interrupted { run, of, token } => {
                write!(f, "{run} of token {of} interrupted under token {token}")
            }
            Self::Final { job, cursor, now, running } => {
                let (cursor, now, runs) = (cursor.unix_ms, now.unix_ms, running.len());
                write!(f, "{job} ends with the cursor {cursor} at {now}, {runs} running")
            }
        }
    }
}
