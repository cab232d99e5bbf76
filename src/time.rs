//! Time as one node sees it: a monotonic reading that means nothing on another node, and a wall
//! clock that is information for people and never decides anything.

mod system;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use system::SystemClock;

/// A reading of one node's monotonic clock, in nanoseconds since an origin of that node's own.
///
/// Readings of different nodes, or of two boots of one node, are not comparable.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(pub u64);

impl Instant {
    /// This reading plus `nanos`, or the last representable one.
    pub fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to here; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time left until `deadline`; `None` once it is reached. Compares before it subtracts.
    pub fn until(self, deadline: Self) -> Option<Duration> {
        (self < deadline).then(|| Duration::from_nanos(deadline.0 - self.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.plus(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}

/// A reading of a wall clock: milliseconds since 1970-01-01T00:00:00Z. It may step in either
/// direction at any moment.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WallTime {
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl WallTime {
    /// How long it is until `later`; zero if that is not later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.unix_ms.saturating_sub(self.unix_ms))
    }
}

/// The clocks and the timer of one node.
pub trait Clock: Clone + Send + Sync + 'static {
    /// The monotonic clock. It must count the time that the machine was suspended.
    fn now(&self) -> Instant;

    /// The wall clock.
    fn wall(&self) -> WallTime;

    /// Completes when [`Clock::now`] has reached `deadline`, or some time later.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send;

    /// Completes when `duration` has passed on the monotonic clock, or some time later.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        self.sleep_until(self.now() + duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_never_underflows() {
        assert_eq!(Instant(5).since(Instant(7)), 0);
        assert_eq!(Instant(7).until(Instant(7)), None);
        assert_eq!(Instant(7).until(Instant(9)), Some(Duration::from_nanos(2)));
        assert_eq!(Instant(u64::MAX - 1).plus(10), Instant(u64::MAX));
        assert_eq!(Instant(1) + Duration::MAX, Instant(u64::MAX));
    }
}
