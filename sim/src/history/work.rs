//! What can happen to distributed work.

use std::fmt;

use fencepost::store::{Assignment, Share, WorkName};
use fencepost::{Instant, NodeId, Token};

use super::MessageNo;

/// What happened to a unit of a work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkEvent {
    // -- on a node, which is in the share's worker
    /// It may act on a share, or may do so for longer.
    Held {
        /// The share.
        share: Share,
        /// The token under which it was assigned.
        token: Token,
        /// Until its own clock shows this.
        until: Instant,
    },
    /// It may act on it no longer.
    Ended {
        /// The share.
        share: Share,
    },
    /// It began an act.
    Acted {
        /// On this share.
        share: Share,
        /// The node's monotonic reading.
        reading: Instant,
    },

    // -- the database, in commit order; repetitions are not recorded
    /// A unit was assigned anew.
    Assigned {
        /// The work.
        work: WorkName,
        /// The unit, its epoch, its worker, and the token shown.
        assignment: Assignment,
    },
    /// A message was claimed under an assignment. Follows the message's `Claimed`.
    Claimed {
        /// The message.
        message: MessageNo,
        /// Under this token.
        token: Token,
        /// And this assignment.
        share: Share,
    },
}

impl WorkEvent {
    /// The name of the work by which nodes share the delivery. Another one delivers nothing.
    pub const DELIVERY: &str = "outbox";

    /// The node to which it happened, if not to the database.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Held { share, .. } | Self::Ended { share } | Self::Acted { share, .. } => {
                Some(share.worker.node)
            }
            Self::Assigned { .. } | Self::Claimed { .. } => None,
        }
    }
}

impl fmt::Display for WorkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { share, token, until } => {
                write!(f, "may act on {} until {until:?}, by token {token}", Named(share))
            }
            Self::Ended { share } => write!(f, "may act on {} no longer", Named(share)),
            Self::Acted { share, reading } => write!(f, "acts on {} at {reading:?}", Named(share)),
            Self::Assigned { work, assignment: Assignment { unit, epoch, worker, token } } => {
                write!(f, "{work}/{unit} assigned to {worker} by token {token}, epoch {epoch}")
            }
            Self::Claimed { message, token, share } => {
                write!(f, "{message} claimed for {} under token {token}", Named(share))
            }
        }
    }
}

struct Named<'a>(&'a Share);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share { work, unit, epoch, worker, .. } = self.0;
        write!(f, "{work}/{unit}, epoch {epoch} of {worker}")
    }
}
