//! What a node believes about its cluster.

use std::sync::Arc;

use crate::election::{Role, View};
use crate::id::{Generation, Incarnation, NodeId, Term};

/// What a node believes about its cluster at one moment, published as one value: leader and term
/// always belong together (S1).
///
/// `leader == Some(current)` is information, never permission: only the guard is permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// This node.
    pub current: NodeId,
    /// Which life of it; none while it rejoins, and of an observer.
    pub incarnation: Incarnation,
    /// Its role.
    pub role: Role,
    /// The generation of the cluster that it belongs to; none while it rejoins.
    pub generation: Generation,
    /// Its promised term.
    pub term: Term,
    /// The leader of that term, if it is known.
    pub leader: Option<NodeId>,
    /// The cluster as that leader sees it.
    pub view: Arc<View>,
    /// The voters whose clocks ran outside the configured bound, relative to this node's, as far
    /// as it could tell when it last led.
    pub clock_suspects: Arc<Vec<NodeId>>,
}

impl ClusterStatus {
    /// The live nodes, as the leader sees them; empty while there is no leader.
    pub fn participants(&self) -> &[NodeId] {
        &self.view.participants
    }

    /// Whether this node believes that it leads. Not permission to act.
    pub fn believes_to_lead(&self) -> bool {
        self.leader == Some(self.current)
    }
}
