//! Who lives where: the voters n1..nN, then the database, then the sink.

use fencepost::NodeId;

/// One machine of the simulated world, as an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub usize);

/// All machines of one run.
#[derive(Debug, Clone)]
pub struct Places {
    voters: Vec<NodeId>,
}

impl Places {
    /// The machines of a cluster of these voters.
    pub fn new(voters: Vec<NodeId>) -> Self {
        Self { voters }
    }

    /// The voters in order.
    pub fn voters(&self) -> &[NodeId] {
        &self.voters
    }

    /// Where each voter lives, in order.
    pub fn voter_places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.voters.len()).map(Place)
    }

    /// Where a voter lives.
    pub fn of(&self, node: NodeId) -> Option<Place> {
        self.voters.iter().position(|voter| *voter == node).map(Place)
    }

    /// Where the database lives.
    pub fn database(&self) -> Place {
        Place(self.voters.len())
    }

    /// Where the sink lives.
    pub fn sink(&self) -> Place {
        Place(self.voters.len() + 1)
    }

    /// How many machines there are.
    pub fn count(&self) -> usize {
        self.voters.len() + 2
    }
}
