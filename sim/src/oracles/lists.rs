//! Which list of voters each node counts by, while deployments change it.

use std::collections::BTreeMap;

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

    /// The list of that node.
    pub fn of(&self, node: NodeId) -> &[NodeId] {
        if self.changed.is_empty() {
            return self.first;
        }
        self.changed.get(&node).map_or(self.first, Vec::as_slice)
    }
}
