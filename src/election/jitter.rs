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
