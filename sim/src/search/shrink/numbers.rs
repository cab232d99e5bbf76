//! Smaller numbers that people can read: what a shrinker tries in place of a number.

use std::time::Duration;

/// Rounds down to that many leading digits.
pub fn floor(value: u64, digits: u32) -> u64 {
    value - value % grain(value, digits)
}

/// Rounds up to that many leading digits.
pub fn ceil(value: u64, digits: u32) -> u64 {
    let grain = grain(value, digits);
    value.div_ceil(grain).saturating_mul(grain)
}

/// What the last of that many leading digits counts.
fn grain(value: u64, digits: u32) -> u64 {
    let length = value.checked_ilog10().map_or(1, |log| log + 1);
    10u64.pow(length.saturating_sub(digits))
}

/// Numbers below `value` and not below `least`, the smallest first, each of at most two digits and
/// zeros. Taking the first that will do, again and again, is a search that ends at a number of
/// which little can be taken.
pub fn below(value: u64, least: u64) -> Vec<u64> {
    let parts = [value / 16, value / 8, value / 4, value / 2, value / 4 * 3, value / 10 * 9];
    let rounded = parts.map(|part| floor(part, 2));
    let mut rungs: Vec<u64> = rounded
        .into_iter()
        .chain([least, floor(value, 1), floor(value, 2)])
        .filter(|rung| (least..value).contains(rung))
        .collect();
    rungs.sort_unstable();
    rungs.dedup();
    rungs
}

/// As [`below`].
pub fn shorter(value: Duration, least: Duration) -> Vec<Duration> {
    below(nanos(value), nanos(least)).into_iter().map(Duration::from_nanos).collect()
}

/// A duration rounded up to two digits.
pub fn rounded_up(value: Duration) -> Duration {
    Duration::from_nanos(ceil(nanos(value), 2))
}

/// Whole nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_readable_smaller_and_begin_with_the_least() {
        assert!(below(0, 0).is_empty() && below(7, 7).is_empty());
        assert_eq!(below(1, 0), [0]);
        assert_eq!(below(133, 1), [1, 8, 16, 33, 66, 99, 100, 110, 130]);
        for value in [2, 10, 99, 100, 12_345, 3_471_000_000, u64::MAX] {
            for least in [0, 1] {
                let rungs = below(value, least);
                assert_eq!(rungs[0], least, "{value}");
                assert!(rungs.is_sorted() && rungs.iter().all(|rung| *rung < value), "{rungs:?}");
                assert!(rungs.iter().all(|rung| floor(*rung, 2) == *rung), "{rungs:?}");
            }
        }
    }

    #[test]
    fn numbers_are_rounded_both_ways() {
        assert_eq!((floor(0, 2), floor(1_999, 1), floor(1_999, 2)), (0, 1_000, 1_900));
        assert_eq!((ceil(0, 2), ceil(1_901, 2), ceil(991, 2), ceil(7, 2)), (0, 2_000, 1_000, 7));
        assert_eq!(rounded_up(Duration::from_micros(1_234_567)), Duration::from_millis(1_300));
    }
}
