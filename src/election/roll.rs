//! The roll call of a cold start: which boots are operational in a new generation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Boot, Generation, Identity, Incarnation, Term};

use super::known::CrashVector;

/// Who started a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Roll {
    /// The generation.
    pub generation: Generation,
    /// The highest token ever activated before it, as far as anyone remembers: where its terms
    /// begin.
    pub floor: Term,
    /// Exactly these boots are operational in it without rejoining, by order of name.
    pub boots: Vec<Boot>,
}

impl Roll {
    /// A roll that no store keeps: of all voters, in the generation after `last`.
    pub(super) fn of_all(last: Generation, floor: Term, mut boots: Vec<Boot>) -> Self {
        boots.sort_unstable();
        let generation = Generation { number: last.number + 1, roll: name(&boots) };
        Self { generation, floor, boots }
    }

    /// Whether it can be one that no store keeps: its generation is named after its boots, of
    /// different nodes.
    pub(super) fn is_of_all(&self) -> bool {
        let sorted = self.boots.windows(2).all(|pair| pair[0].node < pair[1].node);
        sorted && self.generation.roll == name(&self.boots)
    }

    /// What its boots know of each other.
    pub(super) fn known(&self) -> Arc<CrashVector> {
        let first = |boot: &Boot| Identity { node: boot.node, incarnation: Incarnation::FIRST };
        Arc::new(self.boots.iter().map(first).collect())
    }
}

/// What tells a generation that no store counts from others of its number.
fn name(boots: &[Boot]) -> u64 {
    let roll =
        fingerprint(boots.iter().flat_map(|boot| {
            boot.node.as_str().bytes().chain([0]).chain(boot.nonce.to_be_bytes())
        }));
    // Zero is kept for generations that a store counts.
    roll.max(1)
}

/// A 64-bit fingerprint: FNV-1a (Fowler, Noll, Vo), with its weak high bits mixed once more.
pub(super) fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It names lists of voters on disks and between nodes. Another release that computed it otherwise
    /// would have every voter rejoin, and clash with those that were not upgraded yet.
    #[test]
    fn a_fingerprint_is_the_same_in_every_release() {
        assert_eq!(fingerprint([]), 0x8570_e250_fe4c_2473);
        assert_eq!(fingerprint(*b"n1\0n2\0n3\0"), 0x9bfb_c20d_c25e_3b35);
    }

    #[test]
    fn a_roll_of_all_is_the_same_whoever_computes_it() {
        let boot = |node: &str, nonce| Boot { node: node.parse().unwrap(), nonce };
        let (one, other) = (boot("n1", 7), boot("n2", 9));
        let last = Generation { number: 4, roll: 5 };
        let roll = Roll::of_all(last, Term(3), vec![other, one]);
        assert_eq!(roll, Roll::of_all(last, Term(3), vec![one, other]));
        assert_eq!((roll.generation.number, roll.floor), (5, Term(3)));
        assert_eq!(roll.boots, [one, other]);
        // Two rolls of other boots are two generations, although they have the same number.
        let again = Roll::of_all(last, Term(3), vec![one, boot("n2", 10)]);
        assert_ne!(roll.generation, again.generation);
        let first =
            |node: &str| Identity { node: node.parse().unwrap(), incarnation: Incarnation::FIRST };
        assert_eq!(roll.known().iter().collect::<Vec<_>>(), [first("n1"), first("n2")]);
    }
}
