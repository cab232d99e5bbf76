//! The lanes of a picture: the world, the nodes, where there is a workload, database and sink, and at last
//! who may act.

use fencepost::NodeId;

use crate::faults::plan::Plan;
use crate::history::Kind;
use crate::report::event;

/// Which lanes there are, by index: 0 is the world, to which faults happen.
#[derive(Debug, Clone)]
pub struct Lanes {
    nodes: Vec<NodeId>,
    services: bool,
}

impl Lanes {
    /// The world's lane: faults and phases.
    pub const WORLD: usize = 0;

    /// The lanes of a plan.
    pub fn of(plan: &Plan) -> Self {
        let nodes = plan.nodes().collect();
        Self { nodes, services: plan.workload.is_some() }
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec!["world".to_owned()];
        names.extend(self.nodes.iter().map(ToString::to_string));
        if self.services {
            names.extend(["db".to_owned(), "sink".to_owned()]);
        }
        names.push("may act".to_owned());
        names
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        2 + self.nodes.len() + if self.services { 2 } else { 0 }
    }

    /// The lane that shows who holds a valid guard when. No event happens on it.
    pub fn act(&self) -> usize {
        self.count() - 1
    }

    /// The lane of a node; the world's if it has none.
    pub fn node(&self, node: NodeId) -> usize {
        let place = self.nodes.iter().position(|known| *known == node);
        place.map_or(Self::WORLD, |place| place + 1)
    }

    /// The database's lane.
    pub fn database(&self) -> usize {
        if self.services { self.nodes.len() + 1 } else { Self::WORLD }
    }

    /// The sink's lane.
    pub fn sink(&self) -> usize {
        if self.services { self.nodes.len() + 2 } else { Self::WORLD }
    }

    /// Where it happened.
    pub fn place(&self, kind: &Kind) -> usize {
        match (event::place(kind), event::outside(kind)) {
            (Some(node), _) => self.node(node),
            (None, "db") => self.database(),
            (None, "sink") => self.sink(),
            (None, _) => Self::WORLD,
        }
    }
}
