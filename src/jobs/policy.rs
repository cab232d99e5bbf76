//! Policies: what becomes of instants that are late, and of those that come while the job runs.

use std::time::Duration;

/// How late an instant may begin and still count as on time, if nothing is said: longer than a
/// failover takes.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The longest grace.
pub const MAX_GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most late instants that can be caught up.
pub const MAX_CATCH_UP: u32 = 1000;

/// The most runs of one job at a time.
pub const MAX_CONCURRENT: u32 = 64;

/// What becomes of instants that are late by more than the grace: nobody led, the leader could not
/// reach the store, or the store's clock was set forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Misfire {
    /// They are skipped.
    Skip,
    /// The latest of them runs, late, unless a later one is due by then and stands for all of them;
    /// the others are skipped. For work that does all there is to do, such as a report or a
    /// cleanup.
    #[default]
    RunLatest,
    /// They run one after the other, the oldest first. Of more than `at_most` the oldest are
    /// skipped. For work that belongs to its instant.
    CatchUp {
        /// How many; from 1 to [`MAX_CATCH_UP`].
        at_most: u32,
    },
}

/// What becomes of an instant that comes while the job runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits and runs right after, however late. If another one comes meanwhile, that one waits
    /// in its place, and it is skipped.
    QueueOne,
    /// It runs beside; if so many run already, it is skipped.
    Allow {
        /// How many runs at a time; from 1 to [`MAX_CONCURRENT`].
        at_most: u32,
    },
}

impl Overlap {
    /// How many runs of the job there can be at a time.
    pub fn concurrent(self) -> usize {
        match self {
            Self::Skip | Self::QueueOne => 1,
            Self::Allow { at_most } => at_most as usize,
        }
    }
}

/// The policies of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// For late instants.
    pub misfire: Misfire,
    /// How late an instant may begin and still be on time; at most [`MAX_GRACE`]. Of a schedule
    /// whose period is shorter, several instants can be due and on time: they run one after the
    /// other.
    pub grace: Duration,
    /// For instants that come while the job runs.
    pub overlap: Overlap,
}

impl Default for Policy {
    fn default() -> Self {
        Self { misfire: Misfire::default(), grace: DEFAULT_GRACE, overlap: Overlap::default() }
    }
}

/// A policy that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The bound on what is caught up is zero or too large.
    #[error("catching up at most {at_most} instants is no policy: write 1 to {MAX_CATCH_UP}")]
    CatchUp {
        /// The bound.
        at_most: u32,
    },
    /// The bound on runs at a time is zero or too large.
    #[error("at most {at_most} runs at a time is no policy: write 1 to {MAX_CONCURRENT}")]
    Concurrent {
        /// The bound.
        at_most: u32,
    },
    /// The grace is too long.
    #[error("a grace of {grace:?} is too long: write {MAX_GRACE:?} at most")]
    Grace {
        /// The grace.
        grace: Duration,
    },
}

impl Policy {
    /// Whether all bounds are within their ranges.
    ///
    /// # Errors
    /// The first that is not.
    pub fn validate(&self) -> Result<(), PolicyError> {
        match self.misfire {
            Misfire::CatchUp { at_most } if !(1..=MAX_CATCH_UP).contains(&at_most) => {
                return Err(PolicyError::CatchUp { at_most });
            }
            _ => {}
        }
        match self.overlap {
            Overlap::Allow { at_most } if !(1..=MAX_CONCURRENT).contains(&at_most) => {
                return Err(PolicyError::Concurrent { at_most });
            }
            _ => {}
        }
        if self.grace > MAX_GRACE {
            return Err(PolicyError::Grace { grace: self.grace });
        }
        Ok(())
    }
}
