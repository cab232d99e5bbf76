//! Random streams: every purpose draws from a stream of its own, so that one draw more or less
//! for one purpose, such as a fault deleted from a plan, re-rolls nothing else.
//!
//! The names in use: `plan/…` what a scenario leaves to the seed, `network` latencies and losses,
//! `workload` contents, `job …` how long an action takes (index: the instant), `node` each node's jitter (index: the node's number), `disk` latencies and
//! `disk damage` torn bytes (index: the node's place), `clock origins` first readings,
//! `lies` what is made up (index: the node's place), `machines` where a process is started again (index: the node's place).

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The stream of that name and index under `seed`. Same arguments, same stream, on every machine.
pub fn stream(seed: u64, name: &str, index: u64) -> Xoshiro256PlusPlus {
    let mut label = Vec::with_capacity(name.len() + 8);
    // The index has a fixed width, so that no name and index can spell another pair.
    label.extend_from_slice(&index.to_le_bytes());
    label.extend_from_slice(name.as_bytes());
    Xoshiro256PlusPlus::seed_from_u64(xxh3_64_with_seed(&label, seed))
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn a_stream_depends_on_seed_name_and_index_and_on_nothing_else() {
        let first = |seed, name, index| stream(seed, name, index).next_u64();
        assert_eq!(first(7, "network", 0), first(7, "network", 0));
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            for name in ["plan", "network", "workload", "node"] {
                for index in 0..20 {
                    assert!(seen.insert(first(seed, name, index)), "{seed} {name} {index}");
                }
            }
        }
    }

    #[test]
    fn streams_stay_the_same_from_build_to_build() {
        // Every seed that was ever written down depends on this number.
        assert_eq!(stream(1, "network", 0).next_u64(), 5_444_492_246_212_688_707);
    }
}
