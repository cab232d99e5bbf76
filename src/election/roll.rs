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
        let roll = fingerprint(boots.iter().flat_map(|boot| {
            boot.node.as_str().bytes().chain([0]).chain(boot.nonce.to_be_bytes())
        }));
        // Zero is kept for generations that a store counts.
        let generation = Generation { number: last.number + 1, roll: roll.max(1) };
        Self { generation, floor, boots }
    }

    /// What its boots know of each other.
    pub(super) fn known(&self) -> Arc<CrashVector> {
        let first = |boot: &Boot| Identity { node: boot.node, incarnation: Incarnation::FIRST };
        Arc::new(self.boots.iter().map(first).collect())
    }
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
