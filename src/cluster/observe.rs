//! What happens on a node, told to whoever wants to know: logs, metrics, the testbed's history.

use tracing::{debug, info, warn};

use super::status::ClusterStatus;
use crate::election::{Event, HardState};
use crate::id::{Identity, Term, Token};

/// Something that happened on a node, told right when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// The node started with this hard state.
    Started(HardState),
    /// This hard state became durable.
    Persisted(HardState),
    /// The election says so.
    Election(Event),
    /// What the disk held was no hard state that can be trusted: it is treated as wiped.
    DiskDamaged {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The election was asked to give the leadership of this term up.
    Asked {
        /// The term.
        term: Term,
    },
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
            NodeEvent::Election(Event::Elected { term, generation, certificate, .. }) => {
                info!(%term, %generation, ?certificate, "elected");
            }
            NodeEvent::Election(Event::LeaseExtended { .. }) => {}
            NodeEvent::Election(Event::SteppedDown { term, reason }) => {
                info!(%term, ?reason, "stepped down");
            }
            NodeEvent::Election(Event::Rejoining { boot, reason }) => {
                info!(%boot, ?reason, "rejoining");
            }
            NodeEvent::Election(Event::Rejoined { incarnation, generation, term, by_roll }) => {
                info!(%incarnation, %generation, %term, by_roll, "operational");
            }
            NodeEvent::Election(Event::Released { term, successor }) => {
                info!(%term, ?successor, "lease released");
            }
            NodeEvent::Election(Event::PromiseReleased { release, .. }) => {
                debug!(leader = %release.leader, term = %release.term, "freed by a release");
            }
            NodeEvent::Election(Event::ClockWatch { peer, at_least_ppm, at_most_ppm, within }) => {
                if *within {
                    info!(%peer, at_least_ppm, at_most_ppm, "its clock is back within the bound");
                } else {
                    warn!(
                        %peer, at_least_ppm, at_most_ppm,
                        "its clock runs outside the bound: its acknowledgements do not count",
                    );
                }
            }
            NodeEvent::Election(Event::VotersClash { peer, theirs }) => warn!(
                %peer, ?theirs,
                "its list of voters differs from this node's by more than one voter: nothing it \
                 says counts; change the list by one voter at a time",
            ),
            NodeEvent::Election(Event::Ignored(reason)) => warn!(?reason, "message ignored"),
            NodeEvent::DiskDamaged { why } => {
                warn!(why, "the hard state is damaged: treated as wiped, this node rejoins");
            }
            NodeEvent::Asked { term } => debug!(%term, "asked to give leadership up"),
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
