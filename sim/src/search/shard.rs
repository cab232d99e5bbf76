//! One of several equal parts of a range of seeds, so that many machines run one batch: shard `I/N`
//! takes every N-th seed, from the I-th on, counted from 0. All shards together run exactly what one
//! machine would.

use std::fmt;
use std::str::FromStr;

use super::seeds::Seeds;

/// Which part. Shards count from 0, as the indices of a Kubernetes job do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one; below `of`.
    index: u64,
    /// How many there are.
    of: u64,
}

impl Shard {
    /// All seeds.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Which of how many.
    pub fn index(self) -> u64 {
        self.index
    }

    /// How many there are.
    pub fn of(self) -> u64 {
        self.of
    }

    /// Whether it is all there is.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// The first of the seeds that belongs to this shard; a short range may have none.
    pub fn first(self, seeds: Seeds) -> Option<u64> {
        seeds.first.checked_add(self.index).filter(|seed| *seed <= seeds.last)
    }

    /// The one after `seed`, which belongs to this shard.
    pub fn after(self, seed: u64, seeds: Seeds) -> Option<u64> {
        seed.checked_add(self.of).filter(|next| *next <= seeds.last)
    }

    /// How many of the seeds belong to this shard.
    pub fn count(self, seeds: Seeds) -> u64 {
        self.first(seeds).map_or(0, |first| ((seeds.last - first) / self.of).saturating_add(1))
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" names no shard: {reason}")]
pub struct BadShard {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, BadShard> {
        let bad = |reason: &str| BadShard { text: text.to_owned(), reason: reason.to_owned() };
        let (index, of) = text.split_once('/').ok_or_else(|| bad("there is no /"))?;
        let number = |part: &str| {
            let number = part.trim().parse::<u64>();
            number.map_err(|_| bad("on both sides of the / is a number from 0 on"))
        };
        let (index, of) = (number(index)?, number(of)?);
        if of == 0 {
            return Err(bad("there is at least one shard"));
        }
        if index >= of {
            return Err(bad(&format!("of {of} shards, the first is 0 and the last {}", of - 1)));
        }
        Ok(Self { index, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_part_a_range_without_gap_or_overlap() {
        let last = u64::MAX;
        for (first, last) in [(1, 10), (0, 0), (5, 7), (17, 117), (last - 9, last), (last, last)] {
            let seeds = Seeds { first, last };
            for of in 1..=13 {
                let mut all = Vec::new();
                for index in 0..of {
                    let shard = Shard { index, of };
                    let step = |seed: &u64| shard.after(*seed, seeds);
                    let own: Vec<u64> = std::iter::successors(shard.first(seeds), step).collect();
                    assert_eq!(own.len() as u64, shard.count(seeds), "{shard} of {seeds}");
                    all.extend(own);
                }
                all.sort_unstable();
                assert!(all.into_iter().eq(first..=last), "{of} shards of {seeds}");
            }
        }
    }

    #[test]
    fn shards_are_read_and_print_as_they_were() {
        for (text, index, of) in [("0/1", 0, 1), ("7/8", 7, 8), (" 2 / 3 ", 2, 3)] {
            assert_eq!(text.parse(), Ok(Shard { index, of }));
        }
        assert_eq!("3/4".parse::<Shard>().unwrap().to_string(), "3/4");
        for (text, says) in [
            ("8/8", "the last 7"),
            ("1", "no /"),
            ("0/0", "at least one"),
            ("-1/4", "number"),
            ("1/2/3", "number"),
            ("", "no /"),
            ("$(JOB_COMPLETION_INDEX)/8", "number"),
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }
}
