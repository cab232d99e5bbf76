//! Drawing numbers from ranges, in integers only: floating point may differ between machines.
//!
//! Durations are drawn on a grid of a few significant digits, because people read plans.

use std::time::Duration;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::scenario::units::Between;

/// From `low` to `high` inclusive, all alike.
pub fn uniform(rng: &mut Xoshiro256PlusPlus, low: u64, high: u64) -> u64 {
    if low == high { low } else { rng.random_range(low..=high) }
}

/// From `low` to `high` inclusive, all alike.
pub fn uniform_i64(rng: &mut Xoshiro256PlusPlus, range: Between<i64>) -> i64 {
    if range.low == range.high { range.low } else { rng.random_range(range.low..=range.high) }
}

/// As [`uniform_i64`], but one beside zero in the place of zero: what moves by nothing is no fault.
pub fn uniform_nonzero(rng: &mut Xoshiro256PlusPlus, range: Between<i64>) -> i64 {
    match uniform_i64(rng, range) {
        0 if range.high > 0 => 1,
        0 => -1,
        drawn => drawn,
    }
}

/// From one end to the other, all alike.
pub fn uniform_duration(rng: &mut Xoshiro256PlusPlus, range: Between<Duration>) -> Duration {
    let (low, high) = (nanos(range.low), nanos(range.high));
    let grain = grain((high - low) / 5_000);
    Duration::from_nanos(low + uniform(rng, 0, (high - low) / grain) * grain)
}

/// From `low`, at least 1, to `high` inclusive, each doubling alike.
pub fn log_uniform(rng: &mut Xoshiro256PlusPlus, low: u64, high: u64) -> u64 {
    let low = low.max(1);
    if low >= high {
        return low;
    }
    let octave = uniform(rng, low.ilog2().into(), high.ilog2().into()) as u32;
    let least = low.max(1 << octave);
    let most = high.min((1u64 << octave).saturating_mul(2) - 1);
    let value = uniform(rng, least, most);
    let grain = grain(value / 500);
    (value - value % grain).max(low)
}

/// From one end to the other, each doubling alike. A range from zero is zero in one draw of three,
/// and else at least 10 ms.
pub fn log_duration(rng: &mut Xoshiro256PlusPlus, range: Between<Duration>) -> Duration {
    let mut low = nanos(range.low);
    let high = nanos(range.high);
    if low == 0 {
        if uniform(rng, 0, 2) == 0 {
            return Duration::ZERO;
        }
        low = 10_000_000.min(high);
    }
    if high == 0 { Duration::ZERO } else { Duration::from_nanos(log_uniform(rng, low, high)) }
}

/// One of `items`.
pub fn one_of<T: Clone>(rng: &mut Xoshiro256PlusPlus, items: &[T]) -> T {
    items[uniform(rng, 0, items.len() as u64 - 1) as usize].clone()
}

/// True in `percent` of a hundred draws.
pub fn chance(rng: &mut Xoshiro256PlusPlus, percent: u64) -> bool {
    uniform(rng, 1, 100) <= percent
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a scenario's durations are at most 1000 hours")
}

/// The largest power of ten that is not above `step`; at least 1.
fn grain(step: u64) -> u64 {
    step.checked_ilog10().map_or(1, |digits| 10u64.pow(digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::streams::stream;

    proptest! {
        #[test]
        fn draws_stay_in_their_range(a in any::<u64>(), b in any::<u64>(), seed in any::<u64>()) {
            let most = nanos(crate::scenario::units::LONGEST);
            let (a, b) = (a % most, b % most);
            let (low, high) = (a.min(b), a.max(b));
            let range = Between { low: Duration::from_nanos(low), high: Duration::from_nanos(high) };
            let mut rng = stream(seed, "test", 0);
            for _ in 0..20 {
                let drawn = log_uniform(&mut rng, low, high);
                prop_assert!((low.max(1)..=high.max(1)).contains(&drawn), "{drawn}");
                let drawn = uniform_duration(&mut rng, range);
                prop_assert!((range.low..=range.high).contains(&drawn), "{drawn:?}");
                let drawn = log_duration(&mut rng, range);
                prop_assert!((range.low..=range.high).contains(&drawn), "{drawn:?}");
            }
        }
    }

    #[test]
    fn nothing_is_not_drawn_where_something_must_move() {
        let mut rng = stream(1, "test", 0);
        for (low, high) in [(-1, 1), (0, 1), (-1, 0), (-3, 3), (2, 2)] {
            for _ in 0..100 {
                let drawn = uniform_nonzero(&mut rng, Between { low, high });
                assert!(drawn != 0 && (low..=high).contains(&drawn), "{drawn} of {low}..{high}");
            }
        }
    }

    #[test]
    fn every_doubling_is_drawn_about_as_often() {
        let mut rng = stream(1, "test", 0);
        let short = (0..3_000).filter(|_| log_uniform(&mut rng, 64, 4_095) < 512).count();
        assert!((1_300..1_700).contains(&short), "{short} of 3000 in the lower three of six");
    }

    #[test]
    fn what_is_drawn_is_readable() {
        let mut rng = stream(1, "test", 0);
        let range = Between { low: Duration::from_secs(1), high: Duration::from_secs(3) };
        for _ in 0..100 {
            assert_eq!(uniform_duration(&mut rng, range).subsec_nanos() % 100_000, 0);
        }
    }
}
