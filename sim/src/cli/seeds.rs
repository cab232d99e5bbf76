//! `--seeds` and `--shard`: which seeds are meant.

// chance: it is printed before the first run, and names it
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::FEW_SEEDS;
use super::error::CliError;
use crate::search::{Seeds, Shard};

/// The word for seeds that nobody has run before.
const RANDOM: &str = "random";

/// A random first seed has so many bits: programs that read JSON into floating point keep it exact.
const RANDOM_BITS: u32 = 48;

/// The seeds that `text` names; without an end only if a time limit ends them.
pub fn seeds(text: &str, timed: bool) -> Result<Seeds, CliError> {
    if text.trim() == RANDOM {
        let first = random();
        let last = first + (FEW_SEEDS - 1);
        return Ok(if timed { Seeds::from(first) } else { Seeds { first, last } });
    }
    let seeds: Seeds = text.parse().map_err(CliError::Seeds)?;
    if seeds.are_endless() && !timed {
        return Err(CliError::Endless(text.to_owned()));
    }
    Ok(seeds)
}

/// The seeds that `text` names, which must have an end and be the same every time.
pub fn bounded(text: &str) -> Result<Seeds, CliError> {
    if text.trim() == RANDOM {
        return Err(CliError::Endless(text.to_owned()));
    }
    seeds(text, false)
}

/// The part of the seeds that `text` names.
pub fn shard(text: &str) -> Result<Shard, CliError> {
    text.parse().map_err(CliError::Shard)
}

/// A number that nobody knew before: the keys of a hasher are what the standard library draws from
/// the system.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id()) >> (u64::BITS - RANDOM_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_seeds_have_an_end_unless_time_is_one() {
        let few = seeds("random", false).unwrap();
        assert_eq!(few.count(), FEW_SEEDS);
        assert!(few.first < 1 << RANDOM_BITS);
        let many = seeds(" random ", true).unwrap();
        assert!(many.are_endless());
        assert_ne!(few.first, many.first, "each time others");
        assert_eq!(seeds("7..", true).unwrap(), Seeds::from(7));
        assert!(matches!(seeds("7..", false), Err(CliError::Endless(_))));
        assert!(matches!(bounded("random"), Err(CliError::Endless(_))));
        assert_eq!(bounded("3").unwrap(), Seeds::up_to(3));
    }
}
