//! The clocks of a real machine, and the default wherever a clock is named.
//!
//! The monotonic clock is `CLOCK_BOOTTIME`, which counts suspended time: a laptop lid or a paused
//! virtual machine must not stretch a lease. The timer below it is tokio's and may fire late after a
//! suspension; whoever acts reads the clock again first.

// chance: the real node has a real clock; the simulation gives it another
use std::time::{Duration, SystemTime};

// chance: as above, and one that counts the time of a suspended machine
use rustix::time::{ClockId, clock_gettime};

use super::{Clock, Instant, WallTime};

/// The machine's own clocks and tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep, so that a timer which stood still during a suspension is re-armed.
const MAX_SLEEP: Duration = Duration::from_secs(1);

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let now = clock_gettime(ClockId::Boottime);
        let nanos = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        Instant(u64::try_from(nanos).expect("time since boot is positive and below 584 years"))
    }

    fn wall(&self) -> WallTime {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unix_ms = since_epoch.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        WallTime { unix_ms }
    }

    async fn sleep_until(&self, deadline: Instant) {
        while let Some(left) = self.now().until(deadline) {
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let mut last = SystemClock.now();
        for _ in 0..1000 {
            let now = SystemClock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
