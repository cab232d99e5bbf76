//! How durations, probabilities and ranges are written: `300us`, `1.2s`, `1s..3s`, `0.05`.
//!
//! Exact in both directions: what is printed reads back to the same number of nanoseconds.

use std::fmt;
use std::time::Duration;

const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The longest duration that can be written.
pub const LONGEST: Duration = Duration::from_secs(1_000 * 3600);

/// A value that the seed chooses, from `low` to `high` inclusive. Equal ends leave no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between<T> {
    /// The least.
    pub low: T,
    /// The most.
    pub high: T,
}

impl<T: Copy> Between<T> {
    /// No choice: always `value`.
    pub fn exactly(value: T) -> Self {
        Self { low: value, high: value }
    }
}

/// Reads `1.2s`. The error says what is wrong, in the middle of a sentence.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = (&text[..digits_end], text[digits_end..].trim());
    if number.is_empty() {
        return Err(format!("\"{text}\" does not begin with a number"));
    }
    if unit.is_empty() {
        return Err(format!("\"{text}\" has no unit"));
    }
    let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("\"{unit}\" is not a unit of time"));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad = || format!("\"{number}\" is not a number");
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(bad());
    }
    let too_long = || format!("\"{text}\" is longer than 1000 hours");
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let mut nanos = u128::from(whole) * u128::from(scale);
    let mut step = scale;
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        if !step.is_multiple_of(10) && digit != 0 {
            return Err(format!("\"{text}\" is finer than a nanosecond"));
        }
        step /= 10;
        nanos += u128::from(digit * step);
    }
    match u64::try_from(nanos).map(Duration::from_nanos) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        _ => Err(too_long()),
    }
}

/// Reads `-4s` or `90s` as milliseconds.
pub fn parse_step(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let duration = parse_duration(rest)?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!(
            "\"{text}\" is finer than a millisecond, as finely as wall clocks step"
        ));
    }
    Ok(sign * i64::try_from(duration.as_millis()).expect("at most LONGEST"))
}

/// Reads `low..high` or a single value, with `parse` for the ends.
pub fn parse_between<T: Copy + PartialOrd>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Between<T>, String> {
    let Some((low, high)) = text.split_once("..") else {
        return parse(text).map(Between::exactly);
    };
    let (low, high) = (parse(low)?, parse(high)?);
    if low > high {
        return Err(format!("\"{text}\" ends before it begins"));
    }
    Ok(Between { low, high })
}

/// Writes what [`parse_duration`] reads: the largest unit in which the number is short.
pub fn duration(duration: Duration) -> Written {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let unit = |name: &str| UNITS.iter().find(|(n, _)| *n == name).expect("a unit of the table").1;
    let name = ["h", "m"]
        .into_iter()
        .find(|name| nanos > 0 && nanos.is_multiple_of(unit(name)))
        .or_else(|| ["s", "ms", "us"].into_iter().find(|name| nanos >= unit(name)))
        .unwrap_or(if nanos == 0 { "s" } else { "ns" });
    Written { negative: false, nanos, scale: unit(name), name }
}

/// Writes what [`parse_step`] reads.
pub fn step(by_ms: i64) -> Written {
    Written { negative: by_ms < 0, ..duration(Duration::from_millis(by_ms.unsigned_abs())) }
}

/// A duration as text.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    negative: bool,
    nanos: u64,
    scale: u64,
    name: &'static str,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        write!(f, "{}", self.nanos / self.scale)?;
        let rest = self.nanos % self.scale;
        if rest > 0 {
            // Hours and minutes are chosen only for whole numbers, so the scale is a power of ten.
            let width = self.scale.ilog10() as usize;
            write!(f, ".{}", format!("{rest:0width$}").trim_end_matches('0'))?;
        }
        f.write_str(self.name)
    }
}

/// Writes parts per million as a probability: `0.05`.
pub fn probability(ppm: u32) -> String {
    if ppm.is_multiple_of(1_000_000) {
        return format!("{}.0", ppm / 1_000_000);
    }
    let text = format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, nanos) in [
            ("0s", 0),
            ("1ns", 1),
            ("300us", 300_000),
            ("2µs", 2_000),
            ("1.2s", 1_200_000_000),
            ("0.000000001s", 1),
            ("1.50ms", 1_500_000),
            ("5m", 300_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (" 8 s ", 8_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, says) in [
            ("", "number"),
            ("s", "number"),
            ("-1s", "number"),
            ("12", "no unit"),
            ("1.s", "not a number"),
            (".5s", "not a number"),
            ("1.2.3s", "not a number"),
            ("3 sec", "unit of time"),
            ("0.1ns", "finer"),
            ("1001h", "1000 hours"),
            ("99999999999999999999999s", "1000 hours"),
        ] {
            assert!(parse_duration(text).unwrap_err().contains(says), "{text}");
        }
    }

    #[test]
    fn steps_and_ranges_are_read() {
        assert_eq!(parse_step("-4s"), Ok(-4_000));
        assert_eq!(parse_step("+2ms"), Ok(2));
        assert!(parse_step("1us").unwrap_err().contains("millisecond"));
        assert_eq!(
            parse_between("-4s..1h", parse_step),
            Ok(Between { low: -4_000, high: 3_600_000 })
        );
        assert!(parse_between("3s..1s", parse_duration).unwrap_err().contains("ends before"));
    }

    #[test]
    fn the_largest_fitting_unit_is_written() {
        for text in ["0s", "1ns", "300us", "900ms", "1.2s", "1m", "5m", "1h", "61s", "1.000001ms"] {
            assert_eq!(duration(parse_duration(text).unwrap()).to_string(), text);
        }
        assert_eq!(step(-4_000).to_string(), "-4s");
        assert_eq!(probability(0), "0.0");
        assert_eq!(probability(1_000_000), "1.0");
        assert_eq!(probability(50_000), "0.05");
        assert_eq!(probability(1), "0.000001");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos in 0..=3_600_000_000_000_000u64, ms in any::<i32>()) {
            let written = duration(Duration::from_nanos(nanos)).to_string();
            prop_assert_eq!(parse_duration(&written), Ok(Duration::from_nanos(nanos)));
            let ms = i64::from(ms);
            prop_assert_eq!(parse_step(&step(ms).to_string()), Ok(ms));
        }
    }
}
