//! What happens on a node, told to whoever wants to know: logs, metrics, the testbed's history.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{debug, info, warn};

use super::status::ClusterStatus;
use crate::election::{Event, HardState, Ignored};
use crate::id::{Identity, NodeId, Term, Token};
use crate::store::Share;
use crate::time::Instant;

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
    /// This node may act on a share of a work, or may do so for longer.
    ShareHeld {
        /// The share.
        share: Share,
        /// The token under which it was assigned.
        token: Token,
        /// Acts must start before this.
        until: Instant,
    },
    /// No act on that share may start any more.
    ShareEnded {
        /// The share.
        share: Share,
    },
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

/// Writes events to the log. What a peer can make happen again and again is written ever more
/// rarely, with a count.
#[derive(Debug)]
pub struct LogObserver {
    /// This node's own list.
    voters: Vec<NodeId>,
    seen: Mutex<Seen>,
}

/// What was logged already.
#[derive(Debug, Default)]
struct Seen {
    ignored: BTreeMap<Ignored, u64>,
    /// By voter, and of all others together, who could make up any number of names.
    clashes: BTreeMap<Option<NodeId>, u64>,
    /// By voter.
    shorts: BTreeMap<NodeId, u64>,
    leader: Option<NodeId>,
    participants: Vec<NodeId>,
}

impl LogObserver {
    /// For a node with this list of voters.
    pub fn new(voters: Vec<NodeId>) -> Self {
        Self { voters, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic while the lock was held leaves whole counts.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often messages were ignored for that reason, if it is worth a line.
    fn ignored(&self, reason: Ignored) -> Option<u64> {
        count(self.seen().ignored.entry(reason).or_default())
    }

    /// How often that peer's list was too different, if it is worth a line.
    fn clashes(&self, peer: NodeId) -> Option<u64> {
        let of = self.voters.contains(&peer).then_some(peer);
        count(self.seen().clashes.entry(of).or_default())
    }

    /// How often that voter's promise was too short, if it is worth a line.
    fn shorts(&self, peer: NodeId) -> Option<u64> {
        count(self.seen().shorts.entry(peer).or_default())
    }

    /// Whether the status tells of another leader or of other participants than the last one.
    fn is_news(&self, status: &ClusterStatus) -> bool {
        let mut seen = self.seen();
        let news = seen.leader != status.leader || seen.participants != status.participants();
        if news {
            seen.leader = status.leader;
            seen.participants = status.participants().to_vec();
        }
        news
    }
}

fn count(counter: &mut u64) -> Option<u64> {
    *counter += 1;
    is_noteworthy(*counter).then_some(*counter)
}

/// Whether the `count`th of many equal events is worth a line in the log: the first, and then ever
/// fewer, so that a peer cannot fill the log.
pub(crate) fn is_noteworthy(count: u64) -> bool {
    count.is_power_of_two()
}

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
            NodeEvent::Election(Event::PromiseTooShort { peer, promised, needed }) => {
                if let Some(count) = self.shorts(*peer) {
                    warn!(
                        %peer, ?promised, ?needed, count,
                        "the promises of this voter are too short for the lease that is configured \
                         here, so its votes and acknowledgements do not count: lengthen `promise` \
                         and `quarantine` on every node before any node gets the longer lease",
                    );
                }
            }
            NodeEvent::Election(Event::VotersClash { peer, theirs }) => {
                if let Some(count) = self.clashes(*peer) {
                    warn!(
                        %peer, ?theirs, ours = ?self.voters, count,
                        "the two lists of voters differ by more than one voter, so nothing that \
                         this peer says counts: change the list by one voter at a time, restarting \
                         one node after the other with the new list",
                    );
                }
            }
            NodeEvent::Election(Event::Ignored(reason)) => {
                if let Some(count) = self.ignored(*reason) {
                    warn!(?reason, count, "message ignored");
                }
            }
            NodeEvent::DiskDamaged { why } => {
                warn!(why, "the hard state is damaged: treated as wiped, this node rejoins");
            }
            NodeEvent::Asked { term } => debug!(%term, "asked to give leadership up"),
            NodeEvent::Status(status) => {
                let (term, role, leader) = (status.term, status.role, status.leader);
                let participants = status.participants();
                if self.is_news(status) {
                    info!(%term, ?role, ?leader, ?participants, "the cluster as it is seen here");
                } else {
                    debug!(%term, ?role, ?leader, ?participants, "status");
                }
            }
            NodeEvent::ShareHeld { share, .. } => {
                debug!(work = %share.work, unit = %share.unit, epoch = %share.epoch, "works on");
            }
            NodeEvent::ShareEnded { share } => {
                debug!(work = %share.work, unit = %share.unit, epoch = %share.epoch, "lets go of");
            }
            NodeEvent::GuardIssued { token, holder } => info!(%token, %holder, "may act"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::lines;
    use super::*;

    fn names(names: &[&str]) -> Vec<NodeId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn logged(observe: impl FnOnce(&LogObserver)) -> Vec<String> {
        let observer = LogObserver::new(names(&["n1", "n2", "n3"]));
        lines::logged(|| observe(&observer))
    }

    fn clash(peer: &str) -> NodeEvent {
        let (peer, theirs) = (peer.parse().unwrap(), Arc::new(names(&["n1", "n4", "n5"])));
        NodeEvent::Election(Event::VotersClash { peer, theirs })
    }

    #[test]
    fn a_clash_names_both_lists_and_the_remedy() {
        let lines = logged(|observer| observer.observe(&clash("n2")));
        for part in ["peer=n2", "[n1, n4, n5]", "[n1, n2, n3]", "one voter at a time"] {
            assert!(lines[0].contains(part), "{part} is missing in {}", lines[0]);
        }
    }

    #[test]
    fn what_a_peer_repeats_is_logged_ever_more_rarely() {
        let ignored = |reason| NodeEvent::Election(Event::Ignored(reason));
        let lines = logged(|observer| {
            for _ in 0..1000 {
                observer.observe(&ignored(Ignored::NotAPeer));
            }
            observer.observe(&ignored(Ignored::OtherVoters));
        });
        assert_eq!(lines.len(), 10 + 1, "1, 2, 4 … 512, and the other reason");
        assert!(lines[9].contains("count=512"), "{}", lines[9]);

        let lines = logged(|observer| {
            for stranger in 0..1000 {
                observer.observe(&clash(&format!("s{stranger}")));
            }
            observer.observe(&clash("n3"));
        });
        assert_eq!(lines.len(), 10 + 1, "new names are not new peers, but n3 is a voter");
    }
}
