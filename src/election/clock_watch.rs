//! The clock watch: does a voter's clock run at a rate that the lease rule allows for?
//!
//! An acknowledgement carries a reading that its sender took between the moment at which the
//! heartbeat was sent and the moment at which the acknowledgement came. Two such readings of one
//! process enclose the relative rate of the two clocks, whatever the network did: there is no false
//! alarm, only a late one. Another process of the voter may have another clock, and is watched anew.
//! Each clock may be off by d, so the rates of two honest ones lie within
//! (1 ± d) / (1 ∓ d) of each other.

use crate::time::Instant;

const MILLION: u64 = 1_000_000;

/// The relative rates that two clocks within the bound cannot have, in millionths: from one of them
/// down, and from the other one up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateBound {
    too_slow: u64,
    too_fast: u64,
}

impl RateBound {
    /// Of clocks that may each be off by that much; at most [`super::MAX_DRIFT_PPM`].
    pub(super) fn of(max_drift_ppm: u32) -> Self {
        let d = u64::from(max_drift_ppm);
        // Rounded outwards: a clock at the very bound is honest.
        Self {
            too_slow: MILLION - (2 * d * MILLION).div_ceil(MILLION + d) - 1,
            too_fast: MILLION + (2 * d * MILLION).div_ceil(MILLION - d) + 1,
        }
    }
}

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

/// What a voter's clock counted, and the least and the most that this node's did meanwhile.
struct Span {
    theirs: u64,
    shortest: u64,
    longest: u64,
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

    /// Takes note of a reading. If it proves that the clock left the bound, or is back inside,
    /// answers what it tells about the rate.
    pub(super) fn read(
        &mut self,
        sent: Instant,
        now: Instant,
        theirs: Instant,
        window: u64,
        bound: RateBound,
    ) -> Option<Verdict> {
        let reading = Reading { theirs, after: sent, before: now };
        let Some(base) = self.bases[0] else {
            self.bases = [Some(reading), Some(reading)];
            return None;
        };
        // The base moves on by half a window at a time, so that what is measured is neither too
        // short to tell nor so long that a change goes unnoticed.
        match self.bases[1] {
            Some(young) if now.since(young.before) >= window / 2 => {
                self.bases = [Some(young), Some(reading)];
            }
            _ => {}
        }
        let span = base.until(reading)?;
        let changes = match self.outside {
            false => span.is_outside(bound),
            true => span.is_inside(bound),
        };
        self.outside ^= changes;
        changes.then(|| span.verdict())
    }
}

impl Reading {
    /// From one reading to a later one; none while they say nothing.
    fn until(self, later: Self) -> Option<Span> {
        let theirs = later.theirs.since(self.theirs);
        let shortest = later.after.since(self.before);
        let longest = later.before.since(self.after);
        // An acknowledgement that was overtaken by an older one: no later reading.
        (theirs > 0 && shortest > 0).then_some(Span { theirs, shortest, longest })
    }
}

impl Span {
    /// Whether the rate is certainly outside the bound. Products are compared and not quotients:
    /// this is asked of every acknowledgement.
    fn is_outside(&self, bound: RateBound) -> bool {
        let theirs = product(self.theirs, MILLION);
        theirs >= product(self.longest, bound.too_fast)
            || theirs <= product(self.shortest, bound.too_slow)
    }

    /// Whether it is certainly inside.
    fn is_inside(&self, bound: RateBound) -> bool {
        let theirs = product(self.theirs, MILLION);
        theirs < product(self.shortest, bound.too_fast)
            && theirs > product(self.longest, bound.too_slow)
    }

    fn verdict(&self) -> Verdict {
        let million = i128::from(MILLION);
        let off = |span: u64| {
            let ppm = (i128::from(self.theirs) - i128::from(span)) * million / i128::from(span);
            i64::try_from(ppm.min(1_000 * million)).expect("at least -1,000,000")
        };
        Verdict { at_least_ppm: off(self.longest), at_most_ppm: off(self.shortest) }
    }
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[cfg(test)]
mod tests;
