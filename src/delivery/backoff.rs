//! How long a message waits after an attempt that failed: its sink refused it for now, or nobody knows
//! the outcome and a proof allows another.
//!
//! Without jitter: one leader sends one message after the other, so there is no crowd to spread.

use std::time::Duration;

/// Twice as long after each failure, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// How long to wait after a failure that `earlier` others came before.
    pub fn after(&self, earlier: u64) -> Duration {
        let doublings = u32::try_from(earlier).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings);
        factor
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.max, |d| d.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_limit_and_never_overflows() {
        let backoff = Backoff { first: Duration::from_secs(3), max: Duration::from_secs(20) };
        let waits = [0, 1, 2, 3, 31, 32, u64::MAX].map(|earlier| backoff.after(earlier).as_secs());
        assert_eq!(waits, [3, 6, 12, 20, 20, 20, 20]);
    }

    #[test]
    fn the_default_takes_about_a_day_until_a_dead_letter() {
        let config = crate::delivery::DispatcherConfig::default();
        let waits = (0..config.attempts_max - 1).map(|earlier| config.backoff.after(earlier));
        let hours = waits.sum::<Duration>().as_secs() / 3600;
        assert!((20..28).contains(&hours), "{hours} hours");
    }
}
