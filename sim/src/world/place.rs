//! Who lives where: all that are voters at some time, n1..nN, then the observers o1..oM, then the database, then the sink.

use std::collections::BTreeSet;

use fencepost::NodeId;

use crate::faults::plan::{Links, Target};
use crate::history::Spot;

/// One machine of the simulated world, as an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub usize);

/// All machines of one run.
#[derive(Debug, Clone)]
pub struct Places {
    /// The voters, then the observers.
    nodes: Vec<NodeId>,
    voters: usize,
}

impl Places {
    /// The machines of a cluster of these nodes.
    pub fn new(
        voters: impl IntoIterator<Item = NodeId>,
        observers: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let mut nodes: Vec<NodeId> = voters.into_iter().collect();
        let voters = nodes.len();
        nodes.extend(observers);
        Self { nodes, voters }
    }

    /// The nodes in order: the voters, then the observers.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The voters in order.
    pub fn voters(&self) -> &[NodeId] {
        &self.nodes[..self.voters]
    }

    /// Where each node lives, in order.
    pub fn node_places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.nodes.len()).map(Place)
    }

    /// Where each voter lives, in order.
    pub fn voter_places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.voters).map(Place)
    }

    /// The node that lives there.
    ///
    /// # Panics
    /// The database or the sink lives there.
    pub fn node(&self, place: Place) -> NodeId {
        self.nodes[place.0]
    }

    /// The machine, as the history names it.
    pub fn spot(&self, place: Place) -> Spot {
        match self.nodes.get(place.0) {
            Some(node) => Spot::Node(*node),
            None if place == self.database() => Spot::Database,
            None => Spot::Sink,
        }
    }

    /// Whether an observer lives there.
    pub fn is_observer(&self, place: Place) -> bool {
        (self.voters..self.nodes.len()).contains(&place.0)
    }

    /// Where a node lives.
    pub fn of(&self, node: NodeId) -> Option<Place> {
        self.nodes.iter().position(|known| *known == node).map(Place)
    }

    /// Where the database lives.
    pub fn database(&self) -> Place {
        Place(self.nodes.len())
    }

    /// Where the sink lives.
    pub fn sink(&self) -> Place {
        Place(self.nodes.len() + 1)
    }

    /// How many machines there are.
    pub fn count(&self) -> usize {
        self.nodes.len() + 2
    }

    /// The directed links that are meant, each once. `role` says who has a role.
    pub fn pairs(
        &self,
        links: &Links,
        role: &dyn Fn(Target) -> Vec<Place>,
    ) -> BTreeSet<(Place, Place)> {
        let from = self.group(&links.from, &links.to, role);
        let to = self.group(&links.to, &links.from, role);
        let mut pairs = BTreeSet::new();
        for &a in &from {
            for &b in &to {
                if a != b {
                    pairs.insert((a, b));
                    if links.both_ways {
                        pairs.insert((b, a));
                    }
                }
            }
        }
        pairs
    }

    /// The machines that are meant; "others" are those that are not on the other side.
    pub fn group(
        &self,
        targets: &[Target],
        other_side: &[Target],
        role: &dyn Fn(Target) -> Vec<Place>,
    ) -> Vec<Place> {
        let mut group = Vec::new();
        for target in targets {
            match target {
                Target::Database => group.push(self.database()),
                Target::Sink => group.push(self.sink()),
                Target::All => group.extend(self.node_places()),
                Target::Others => {
                    let named: Vec<_> =
                        other_side.iter().filter(|t| **t != Target::Others).copied().collect();
                    let other_side = self.group(&named, &[], role);
                    group.extend(self.node_places().filter(|p| !other_side.contains(p)));
                }
                Target::Node(node) => {
                    group.push(self.of(*node).expect("a plan names only nodes of its cluster"));
                }
                Target::Leader | Target::Follower | Target::Majority => group.extend(role(*target)),
            }
        }
        group
    }
}
