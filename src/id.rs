//! Names of nodes and the numbers that order them: incarnation, term, token.
//!
//! All of them are small `Copy` values without interning, so that a message of the election can be
//! copied, compared and hashed without touching the heap.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name a node can have, in bytes.
pub const MAX_NODE_NAME_LEN: usize = 31;

/// The name of a node: 1 to [`MAX_NODE_NAME_LEN`] bytes of `a-z`, `A-Z`, `0-9`, `-`, `_` and `.`.
///
/// Kept inline and padded with zeros, so that equality and order are those of the name itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; MAX_NODE_NAME_LEN + 1]);

/// A name that cannot name a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot name a node: a name has 1 to {MAX_NODE_NAME_LEN} characters out of a-z, A-Z, \
     0-9, '-', '_' and '.'"
)]
pub struct InvalidName {
    name: String,
}

impl NodeId {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(0);
        std::str::from_utf8(&self.0[..len]).expect("a node name is ASCII by construction")
    }
}

impl FromStr for NodeId {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > MAX_NODE_NAME_LEN || !name.bytes().all(allowed) {
            return Err(InvalidName {
                // What is shown is bounded, whatever was claimed.
                name: name.chars().take(2 * MAX_NODE_NAME_LEN).collect(),
            });
        }
        let mut bytes = [0; MAX_NODE_NAME_LEN + 1];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = NodeId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a node")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<NodeId, E> {
                name.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Which life of a node: a number that a node gets anew at each start whose state was lost, larger
/// than every earlier one. A node that kept its disk keeps its incarnation.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// Of a node that remembers nothing and has not been given one yet.
    pub const NONE: Self = Self(0);
    /// The first incarnation of a node in a generation.
    pub const FIRST: Self = Self(1);
    /// No node starts that often: higher ones are made up.
    pub const MAX: Self = Self(1 << 62);
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of one node: what a vote, an acknowledgement or a release names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// Which life of it.
    pub incarnation: Incarnation,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.incarnation)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Election number. At most one incarnation is elected in a term.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term(pub u64);

impl Term {
    /// Before the first election.
    pub const ZERO: Self = Self(0);
    /// The largest term: a store keeps it in a signed 64-bit column.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The term after this one; none after [`Term::MAX`].
    pub fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which start of the cluster: rises with each cold start, when too few voters remember anything.
///
/// With a store, `number` is the store's and unique. Without one it is one above the highest that
/// any voter remembers, and `roll` tells two starts of one number apart: it is a fingerprint of the
/// boots that started it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    /// Counts the cold starts, from 1; 0 before the first.
    pub number: u64,
    /// Fingerprint of the roll call; 0 when a store keeps it.
    pub roll: u64,
}

impl Generation {
    /// Before the first cold start: what a node is in that remembers nothing.
    pub const NONE: Self = Self { number: 0, roll: 0 };
    /// The largest number: a store keeps it in a signed 64-bit column.
    pub const MAX_NUMBER: u64 = i64::MAX as u64;

    /// The generation of that number of a cluster whose store keeps it.
    pub fn stored(number: u64) -> Self {
        Self { number, roll: 0 }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.roll {
            0 => self.number.fmt(f),
            roll => write!(f, "{}-{roll:016x}", self.number),
        }
    }
}

/// One start of a node that remembers nothing: what a roll call lists. A list of nodes without
/// nonces would bring a later, wiped process of a listed node back to life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Boot {
    /// The node.
    pub node: NodeId,
    /// A random number drawn at its start.
    pub nonce: u64,
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:016x}", self.node, self.nonce)
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fencing token: the term of the leader that holds it, as the store and the sinks compare it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Token(pub u64);

impl From<Term> for Token {
    fn from(term: Term) -> Self {
        Self(term.0)
    }
}

impl From<Token> for Term {
    fn from(token: Token) -> Self {
        Self(token.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_order_as_text() {
        let longest = "x".repeat(MAX_NODE_NAME_LEN);
        for name in ["n1", "a", "delivery-7d9f8b6c5d-x2x4z", longest.as_str()] {
            assert_eq!(name.parse::<NodeId>().unwrap().as_str(), name);
        }
        assert!("n1".parse::<NodeId>().unwrap() < "n10".parse().unwrap());
        assert!("n10".parse::<NodeId>().unwrap() < "n2".parse().unwrap());
    }

    #[test]
    fn bad_names_are_refused_and_shown() {
        for name in ["", "n 1", "n\0", "ü", &"x".repeat(MAX_NODE_NAME_LEN + 1)] {
            let error = name.parse::<NodeId>().unwrap_err().to_string();
            assert!(error.contains("cannot name a node"), "{error}");
        }
    }

    #[test]
    fn terms_end() {
        assert_eq!(Term::ZERO.next(), Some(Term(1)));
        assert_eq!(Term::MAX.next(), None);
    }
}
