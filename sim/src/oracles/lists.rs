//! Which list of voters each node counts by, while deployments change it.

use std::collections::{BTreeMap, BTreeSet};

use fencepost::NodeId;

use super::Setting;
use crate::faults::plan::node;
use crate::history::Kind;

/// Every node's list of voters.
pub struct Lists<'s> {
    first: &'s [NodeId],
    changed: BTreeMap<NodeId, Vec<NodeId>>,
}

impl<'s> Lists<'s> {
    /// As the run begins.
    pub fn new(setting: &'s Setting) -> Self {
        Self { first: &setting.voters, changed: BTreeMap::new() }
    }

    /// Learns from an event.
    pub fn note(&mut self, kind: &Kind) {
        if let Kind::Listed { node: whose, voters } = kind {
            self.changed.insert(*whose, (1..=*voters).map(node).collect());
        }
    }

    /// Whether a change of the list is under way: the nodes that run have different lists, or the
    /// list names a voter that does not run. `gone` are those that ran.
    pub fn are_half_way(&self, gone: &BTreeSet<NodeId>) -> bool {
        if self.changed.is_empty() {
            return false;
        }
        let all: BTreeSet<NodeId> = self.first.iter().chain(self.changed.keys()).copied().collect();
        let running: BTreeSet<NodeId> = all.difference(gone).copied().collect();
        let lists: BTreeSet<&[NodeId]> = running.iter().map(|node| self.of(*node)).collect();
        lists.len() > 1 || lists.into_iter().flatten().any(|voter| !running.contains(voter))
    }

    /// The list of that node.
    pub fn of(&self, node: NodeId) -> &[NodeId] {
        if self.changed.is_empty() {
            return self.first;
        }
        self.changed.get(&node).map_or(self.first, Vec::as_slice)
    }
}
