//! Which seeds to run: `10` is the seeds 1 to 10, `5..9` the seeds 5 to 9, `5..` those from 5 on.

use std::fmt;
use std::str::FromStr;

/// A range of seeds; both ends belong to it, as in the ranges of scenario files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// The last, not below the first.
    pub last: u64,
}

impl Seeds {
    /// Just this one.
    pub fn only(seed: u64) -> Self {
        Self { first: seed, last: seed }
    }

    /// The seeds 1 to `count`, which is at least 1.
    pub fn up_to(count: u64) -> Self {
        Self { first: 1, last: count.max(1) }
    }

    /// This one and all behind it.
    pub fn from(first: u64) -> Self {
        Self { first, last: u64::MAX }
    }

    /// Whether only time ends them.
    pub fn are_endless(self) -> bool {
        self.last == u64::MAX && self.first < self.last
    }

    /// How many there are.
    pub fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "seed {first}"),
            (first, u64::MAX) => write!(f, "seeds from {first} on"),
            (first, last) => write!(f, "seeds {first} to {last}"),
        }
    }
}

/// Text that names no seeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" names no seeds: {reason}")]
pub struct BadSeeds {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Seeds {
    type Err = BadSeeds;

    fn from_str(text: &str) -> Result<Self, BadSeeds> {
        let bad = |reason| BadSeeds { text: text.to_owned(), reason };
        let number = |part: &str| match part.trim().parse::<u64>() {
            Ok(number) => Ok(number),
            Err(_)
                if part.trim().bytes().all(|b| b.is_ascii_digit()) && !part.trim().is_empty() =>
            {
                Err(bad("a seed has at most 64 bits"))
            }
            Err(_) => Err(bad("a seed is a number from 0 on")),
        };
        let Some((first, last)) = text.split_once("..") else {
            return match number(text)? {
                0 => Err(bad("0 would run nothing")),
                count => Ok(Self::up_to(count)),
            };
        };
        let first = number(first)?;
        if last.trim().is_empty() {
            return Ok(Self::from(first));
        }
        let last = number(last)?;
        if first > last {
            return Err(bad("it ends before it begins"));
        }
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ranges_are_read() {
        for (text, first, last) in [
            ("1", 1, 1),
            ("10", 1, 10),
            ("5..9", 5, 9),
            ("7..7", 7, 7),
            ("0..3", 0, 3),
            (" 2 .. 4 ", 2, 4),
            ("7..", 7, u64::MAX),
            ("18446744073709551615..18446744073709551615", u64::MAX, u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Seeds { first, last }), "{text}");
        }
    }

    #[test]
    fn what_names_no_seeds_is_refused_with_its_reason() {
        for (text, says) in [
            ("x", "number"),
            ("", "number"),
            ("-3", "number"),
            ("1.5", "number"),
            ("..", "number"),
            ("..5", "number"),
            ("1..2..3", "number"),
            ("1..=3", "number"),
            ("0", "nothing"),
            ("5..3", "ends before"),
            ("18446744073709551616", "64 bits"),
        ] {
            let error = text.parse::<Seeds>().unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn they_say_how_many_they_are() {
        assert_eq!(Seeds { first: 5, last: 9 }.count(), 5);
        assert_eq!(Seeds { first: 0, last: u64::MAX }.count(), u64::MAX);
        assert_eq!(Seeds::only(4).to_string(), "seed 4");
        assert_eq!(Seeds::up_to(4).to_string(), "seeds 1 to 4");
        assert_eq!(Seeds::from(2).to_string(), "seeds from 2 on");
        assert!(Seeds::from(2).are_endless() && !Seeds::only(u64::MAX).are_endless());
    }
}
