//! Who lives where: all that are voters at some time, n1..nN, then the observers o1..oM, then the database, then the sink.

use fencepost::NodeId;

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
}
