//! A scheduled job of a plan.

use std::time::Duration;

use fencepost::WallTime;
use fencepost::jobs::{Misfire, Overlap};

use crate::scenario::units::Between;

/// How long a leader may take to look at its jobs and to write down what it decides.
const LOOKING: Duration = Duration::from_secs(3);

/// One scheduled job: when it is due, how long its action takes, and its policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedJob {
    /// Its period, in whole milliseconds.
    pub every: Duration,
    /// How long its action takes; each instant draws its own.
    pub runs: Between<Duration>,
    /// What becomes of late instants.
    pub misfire: Misfire,
    /// What becomes of those that come while it runs.
    pub overlap: Overlap,
    /// How late an instant may begin and still be on time.
    pub grace: Duration,
}

impl PlannedJob {
    /// How long a holder may take, when nothing goes wrong, until the action of a run that the
    /// database has accepted begins, and until it has told the database that one is over.
    pub const TELLING: Duration = Duration::from_secs(2);

    /// The first instant after `time`: computed apart from the product, for the oracles.
    pub fn next_after(&self, time: WallTime) -> WallTime {
        let period = self.period_ms();
        WallTime { unix_ms: (time.unix_ms / period + 1) * period }
    }

    /// How many instants there are from `first` to `last`, both of them instants.
    pub fn count(&self, first: WallTime, last: WallTime) -> u64 {
        last.unix_ms.saturating_sub(first.unix_ms) / self.period_ms() + 1
    }

    /// The last instant until `time`; zero if there is none.
    pub fn last_until(&self, time: WallTime) -> WallTime {
        let period = self.period_ms();
        WallTime { unix_ms: time.unix_ms / period * period }
    }

    /// Whether that is one of its instants.
    pub fn is_due_at(&self, time: WallTime) -> bool {
        time.unix_ms.is_multiple_of(self.period_ms())
    }

    /// The longest that an instant may wait for its outcome while a leader is there: for its turn,
    /// and for those that are caught up before it.
    pub fn patience(&self) -> Duration {
        let before = match self.misfire {
            Misfire::CatchUp { at_most } => at_most,
            Misfire::Skip | Misfire::RunLatest => 0,
        };
        self.every * (before + 1) + self.grace + self.runs.high * (before + 2) + LOOKING
    }

    /// How late the oldest instant after `cursor` is, if it has come.
    pub fn overdue(&self, cursor: WallTime, now: WallTime) -> Option<Duration> {
        let next = self.next_after(cursor);
        now.unix_ms.checked_sub(next.unix_ms).map(Duration::from_millis)
    }

    fn period_ms(&self) -> u64 {
        u64::try_from(self.every.as_millis()).expect("a period is short")
    }
}
