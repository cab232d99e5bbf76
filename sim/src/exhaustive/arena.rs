//! Values that are kept once and named by number, and a memory of what was computed before.
//!
//! A state of the model is a few numbers, because every part of it that is large is one of a few
//! thousand values that occur again and again. Reading one takes no lock.

// chance: it is only looked up, never walked through
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

const CHUNK_BITS: u32 = 16;
const CHUNK: usize = 1 << CHUNK_BITS;
/// Room for four billion values, all that a number can name.
const CHUNKS: usize = 1 << (32 - CHUNK_BITS);
const SHARDS: usize = 64;

type Chunk<T> = Box<[OnceLock<Arc<T>>]>;

/// Values of one kind, each kept once.
pub struct Arena<T> {
    numbers: Mutex<HashMap<Arc<T>, u32>>,
    chunks: Box<[OnceLock<Chunk<T>>]>,
}

impl<T: Eq + Hash> Arena<T> {
    /// Without a value.
    pub fn new() -> Self {
        Self { numbers: Mutex::default(), chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect() }
    }

    /// The number of a value, kept from now on. Equal values have one number.
    pub fn keep(&self, value: T) -> u32 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = numbers.get(&value) {
            return number;
        }
        let number = u32::try_from(numbers.len()).expect("memory ends before numbers do");
        let value = Arc::new(value);
        let slots = self.chunks[number as usize >> CHUNK_BITS]
            .get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        let fresh = slots[number as usize % CHUNK].set(Arc::clone(&value)).is_ok();
        assert!(fresh, "numbers are given once");
        numbers.insert(value, number);
        number
    }

    /// The value of a number that [`Arena::keep`] gave.
    pub fn get(&self, number: u32) -> &T {
        let slots = self.chunks[number as usize >> CHUNK_BITS].get();
        let value = slots.and_then(|slots| slots[number as usize % CHUNK].get());
        value.expect("a number that was given")
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// What was computed before, by key.
pub struct Memo {
    shards: Vec<RwLock<HashMap<u128, u32, BuildHasherDefault<Multiply>>>>,
}

impl Memo {
    /// Without an entry.
    pub fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// What is remembered of `key`; else what `compute` answers, from now on.
    pub fn get_or(&self, key: u128, compute: impl FnOnce() -> u32) -> u32 {
        let shard = &self.shards[usize::try_from(mix(key) >> 58).expect("six bits")];
        if let Some(&value) = shard.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return value;
        }
        let value = compute();
        shard.write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        value
    }
}

/// Hashes one number by multiplication: keys are small numbers beside each other, and of no enemy.
#[derive(Default)]
pub struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = mix(u128::from(self.0) << 8 | u128::from(byte));
        }
    }

    fn write_u128(&mut self, number: u128) {
        self.0 = mix(number);
    }
}

fn mix(number: u128) -> u64 {
    #[allow(clippy::cast_possible_truncation)] // both halves are used
    let (low, high) = (number as u64, (number >> 64) as u64);
    let mixed = (low ^ high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number_and_numbers_keep_their_values() {
        let arena = Arena::new();
        let numbers: Vec<u32> = (0..3 * CHUNK).map(|value| arena.keep(value)).collect();
        assert_eq!(arena.keep(7), numbers[7]);
        assert_eq!(arena.len(), 3 * CHUNK);
        assert!((0..3 * CHUNK).all(|value| *arena.get(numbers[value]) == value));
    }

    #[test]
    fn what_is_remembered_is_not_computed_again() {
        let memo = Memo::new();
        assert_eq!(memo.get_or(5, || 1), 1);
        assert_eq!(memo.get_or(5, || unreachable!()), 1);
        assert_eq!(memo.get_or(5 << 64, || 2), 2);
    }
}
