//! The clock watch: does a voter's clock run at a rate that the lease rule allows for?
//!
//! An acknowledgement carries a reading that its sender took between the moment at which the
//! heartbeat was sent and the moment at which the acknowledgement came. Two such readings enclose
//! the relative rate of the two clocks, whatever the network did: there is no false alarm, only a
//! late one. Each clock may be off by d, so the rates of two honest ones lie within
//! (1 ± d) / (1 ∓ d) of each other.

use crate::time::Instant;

const MILLION: i64 = 1_000_000;

/// A voter's clock as its acknowledgements show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Readings {
    /// What the rate is measured from, and what will be next.
    bases: [Option<Reading>; 2],
    outside: bool,
}

/// The voter's clock read `theirs` between two readings of this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Reading {
    theirs: Instant,
    after: Instant,
    before: Instant,
}

/// What the rate of a voter's clock, relative to this node's, is off: between these two, in parts
/// per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub at_least_ppm: i64,
    pub at_most_ppm: i64,
}

impl Readings {
    /// Whether nothing proves that the voter's clock is outside the bound.
    pub(super) fn is_trusted(&self) -> bool {
        !self.outside
    }

    /// Takes note of a reading, and answers what it tells about the rate, if it tells whether that
    /// is inside or outside the bound.
    pub(super) fn read(
        &mut self,
        sent: Instant,
        now: Instant,
        theirs: Instant,
        window: u64,
        max_drift_ppm: u32,
    ) -> Option<Verdict> {
        let reading = Reading { theirs, after: sent, before: now };
        let [old, young] = self.bases;
        let Some(base) = old else {
            self.bases = [Some(reading), Some(reading)];
            return None;
        };
        // The base moves on by half a window at a time, so that what is measured is neither too
        // short to tell nor so long that a change goes unnoticed.
        match young {
            Some(young) if now.since(young.before) >= window / 2 => {
                self.bases = [Some(young), Some(reading)];
            }
            _ => {}
        }
        let verdict = base.rate_until(reading)?;
        let d = i64::from(max_drift_ppm);
        // Rounded outwards: a clock at the very bound is honest.
        let fastest = div_ceil(2 * d * MILLION, MILLION - d);
        let slowest = -div_ceil(2 * d * MILLION, MILLION + d);
        let outside = verdict.at_least_ppm > fastest || verdict.at_most_ppm < slowest;
        let inside = verdict.at_least_ppm >= slowest && verdict.at_most_ppm <= fastest;
        if !outside && !inside {
            return None;
        }
        self.outside = outside;
        Some(verdict)
    }
}

impl Reading {
    /// The bounds of the relative rate between two readings; none while they say nothing.
    fn rate_until(self, later: Self) -> Option<Verdict> {
        let theirs = i128::from(later.theirs.0) - i128::from(self.theirs.0);
        let longest = i128::from(later.before.since(self.after));
        let shortest = i128::from(later.after.since(self.before));
        // An acknowledgement that was overtaken by an older one: no later reading.
        if theirs <= 0 || shortest <= 0 {
            return None;
        }
        let million = i128::from(MILLION);
        let off = |span: i128| (theirs - span) * million / span;
        let clamp = |ppm: i128| i64::try_from(ppm.clamp(-million, 1_000 * million)).ok();
        Some(Verdict { at_least_ppm: clamp(off(longest))?, at_most_ppm: clamp(off(shortest))? })
    }
}

/// A number that is not negative by a positive one, rounded up.
fn div_ceil(number: i64, divisor: i64) -> i64 {
    (number + divisor - 1) / divisor
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const WINDOW: u64 = 4_000 * MS;

    /// A peer whose clock is off by `ppm`, heard every 100 ms over a link with these latencies.
    fn watch(ppm: i64, drift: u32, latencies: &[(u64, u64)]) -> Readings {
        let mut readings = Readings::default();
        for (round, &(there, back)) in latencies.iter().enumerate() {
            let sent = 5_000 * MS + round as u64 * 100 * MS;
            let handled = i128::from(sent + there);
            let million = i128::from(MILLION);
            let theirs = 77_000 * i128::from(MS) + handled * (million + i128::from(ppm)) / million;
            let theirs = Instant(u64::try_from(theirs).unwrap());
            let now = Instant(sent + there + back);
            readings.read(Instant(sent), now, theirs, WINDOW, drift);
        }
        readings
    }

    #[test]
    fn a_rate_outside_the_bound_is_seen_within_a_second() {
        let links = [(MS, MS); 10];
        assert!(!watch(100_000, 10_000, &links).is_trusted());
        assert!(!watch(-100_000, 10_000, &links).is_trusted());
        assert!(watch(15_000, 10_000, &links).is_trusted(), "two clocks may be off");
        assert!(!watch(60_000, 10_000, &links).is_trusted());
    }

    #[test]
    fn a_clock_that_comes_back_is_trusted_again() {
        let mut readings = watch(100_000, 10_000, &[(MS, MS); 10]);
        for round in 0..200_u64 {
            let sent = 6_000 * MS + round * 100 * MS;
            let theirs = Instant(900_000 * MS + sent);
            readings.read(Instant(sent), Instant(sent + MS), theirs, WINDOW, 10_000);
        }
        assert!(readings.is_trusted());
    }

    proptest! {
        /// Whatever the network does, an honest clock is never accused.
        #[test]
        fn no_false_alarm(
            ppm in -19_800_i64..=20_200,
            latencies in prop::collection::vec((0..900 * MS, 0..900 * MS), 1..60),
        ) {
            prop_assert!(watch(ppm, 10_000, &latencies).is_trusted());
        }
    }
}
