//! The election's own source of chance.

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
/// figure 16): part of the state, so that a run depends on nothing but seed and inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Jitter {
    state: u64,
    /// Draws nothing but zero: for model checkers, which choose the order of events themselves.
    still: bool,
}

impl Jitter {
    /// What that seed draws.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed, still: false }
    }

    /// Nothing but zero.
    pub fn still() -> Self {
        Self { state: 0, still: true }
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..range`; draws nothing from an empty range.
    pub fn below(&mut self, range: u64) -> u64 {
        if range == 0 || self.still {
            return 0;
        }
        let z = self.draw();
        // The high half of the product: uniform enough for a jitter, and without a division.
        u64::try_from((u128::from(z) * u128::from(range)) >> 64).expect("below range")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that everybody's SplitMix64 draws from this seed. A generator that lost a step would
    /// still look like chance.
    #[test]
    fn it_is_splitmix64() {
        let mut jitter = Jitter::seeded(1_234_567);
        let drawn = [(); 4].map(|()| jitter.draw());
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
        ];
        assert_eq!(drawn, known);
    }

    #[test]
    fn what_is_drawn_below_a_range_is_spread_over_all_of_it() {
        let mut jitter = Jitter::seeded(7);
        let mut drawn = [0; 10];
        for _ in 0..10_000 {
            drawn[usize::try_from(jitter.below(10)).unwrap()] += 1;
        }
        assert!(drawn.iter().all(|times| (800..1_200).contains(times)), "{drawn:?}");
    }

    /// Where there is nothing to choose, chance stays where it is: a setting without jitter must not
    /// change what comes after.
    #[test]
    fn an_empty_range_and_a_still_one_draw_nothing() {
        let mut jitter = Jitter::seeded(7);
        assert_eq!(jitter.below(0), 0);
        assert_eq!(jitter, Jitter::seeded(7));
        let mut still = Jitter::still();
        assert_eq!(still.below(1_000_000), 0);
        assert_eq!(still, Jitter::still());
    }
}
