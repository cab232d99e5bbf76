//! What happens on a node, told to whoever wants to know: logs, metrics, the testbed's history.

use tracing::{debug, info, warn};

use super::status::ClusterStatus;
use crate::election::{Event, HardState};
use crate::id::{Identity, Token};

/// Something that happened on a node, told right when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// The node started with this hard state.
    Started(HardState),
    /// This hard state became durable.
    Persisted(HardState),
    /// The election says so.
    Election(Event),
    /// A new status was published.
    Status(ClusterStatus),
    /// The fence was raised and a guard handed out.
    GuardIssued {
        /// The guard's token.
        token: Token,
        /// Who holds it.
        holder: Identity,
    },
}

/// Listens to a node. Called from the node's tasks: must not block.
pub trait Observer: Send + Sync + 'static {
    /// Takes note of an event.
    fn observe(&self, event: &NodeEvent);
}

/// Writes events to the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogObserver;

impl Observer for LogObserver {
    fn observe(&self, event: &NodeEvent) {
        match event {
            NodeEvent::Started(hard) => {
                info!(incarnation = %hard.incarnation, term = %hard.term, "started");
            }
            NodeEvent::Persisted(hard) => debug!(term = %hard.term, vote = ?hard.vote, "persisted"),
            NodeEvent::Election(Event::Elected { term, certificate }) => {
                info!(%term, ?certificate, "elected");
            }
            NodeEvent::Election(Event::LeaseExtended { .. }) => {}
            NodeEvent::Election(Event::SteppedDown { term, reason }) => {
                info!(%term, ?reason, "stepped down");
            }
            NodeEvent::Election(Event::Ignored(reason)) => warn!(?reason, "message ignored"),
            NodeEvent::Status(status) => debug!(
                term = %status.term,
                role = ?status.role,
                leader = ?status.leader,
                participants = ?status.participants(),
                "status",
            ),
            NodeEvent::GuardIssued { token, holder } => info!(%token, %holder, "may act"),
        }
    }
}
