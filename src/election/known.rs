//! The crash vector: the highest incarnation that a voter knows of every other.
//!
//! Votes and recovery answers carry it, so that a vote which its voter has forgotten cannot be
//! counted beside one that the same voter gives in its next life (Michael, Ports, Sharma, Szekeres:
//! "Recovering Shared Objects Without Stable Storage", DISC 2017, §4).

use serde::{Deserialize, Serialize};

use crate::id::{Identity, Incarnation, NodeId};

/// The highest incarnation known of every voter; of one that is not listed, none is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CrashVector(Vec<Identity>);

impl CrashVector {
    /// The highest incarnation known of `node`.
    pub fn of(&self, node: NodeId) -> Incarnation {
        let found = self.0.iter().find(|known| known.node == node);
        found.map_or(Incarnation::NONE, |known| known.incarnation)
    }

    /// Takes note of an incarnation, and tells whether it was new.
    pub fn learn(&mut self, identity: Identity) -> bool {
        match self.0.binary_search_by_key(&identity.node, |known| known.node) {
            Ok(at) if self.0[at].incarnation >= identity.incarnation => false,
            Ok(at) => {
                self.0[at] = identity;
                true
            }
            Err(_) if identity.incarnation == Incarnation::NONE => false,
            Err(at) => {
                self.0.insert(at, identity);
                true
            }
        }
    }

    /// Takes note of everything that `other` knows.
    pub fn merge(&mut self, other: &Self) {
        for &identity in &other.0 {
            self.learn(identity);
        }
    }

    /// Forgets all but `voters` and so many others, who were voters once. A vector that grew by what
    /// is made up would not fit a message any more.
    pub(super) fn keep(&mut self, voters: &[NodeId], others: usize) {
        let mut kept = 0;
        self.0.retain(|known| {
            let votes = voters.contains(&known.node);
            kept += usize::from(!votes);
            votes || kept <= others
        });
    }

    /// What is known, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = Identity> + '_ {
        self.0.iter().copied()
    }

    /// How many nodes it lists.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it lists nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Identity> for CrashVector {
    fn from_iter<I: IntoIterator<Item = Identity>>(identities: I) -> Self {
        let mut vector = Self::default();
        for identity in identities {
            vector.learn(identity);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(node: &str, incarnation: u64) -> Identity {
        Identity { node: node.parse().unwrap(), incarnation: Incarnation(incarnation) }
    }

    #[test]
    fn knowledge_only_grows() {
        let mut vector = CrashVector::default();
        assert!(vector.is_empty());
        assert!(vector.learn(id("n2", 3)));
        assert!(!vector.learn(id("n2", 3)), "said twice");
        assert!(!vector.learn(id("n2", 2)));
        assert!(!vector.learn(id("n1", 0)), "no incarnation is no knowledge");
        vector.merge(&[id("n1", 1), id("n2", 5)].into_iter().collect());
        assert_eq!(vector.iter().collect::<Vec<_>>(), [id("n1", 1), id("n2", 5)]);
        assert_eq!((vector.len(), vector.is_empty()), (2, false));
        assert_eq!(vector.of("n3".parse().unwrap()), Incarnation::NONE);
    }

    #[test]
    fn equal_knowledge_is_equal_whatever_the_order() {
        let one: CrashVector = [id("n1", 1), id("n2", 1)].into_iter().collect();
        let other: CrashVector = [id("n2", 1), id("n1", 1)].into_iter().collect();
        assert_eq!(one, other);
    }
}
