//! What happens on a node, told to whoever wants to know: logs, metrics, the testbed's history.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{debug, info, warn};

use super::status::ClusterStatus;
use crate::election::{Event, HardState, Ignored};
use crate::id::{Identity, NodeId, Term, Token};
use crate::store::Share;
use crate::time::{Clock, Instant, SystemClock};

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
    /// By what the lines are about.
    flows: BTreeMap<&'static str, Flow>,
}

/// How many lines about one thing may be written at once.
const FLOW_BURST: u64 = 20;

/// And how long it takes from then on until there may be one more, in nanoseconds.
const FLOW_EVERY: u64 = 1_000_000_000;

/// Lines that say something new each time, however often peers make it happen.
#[derive(Debug, Default)]
struct Flow {
    /// When all of the burst is there again.
    full_at: Instant,
    left_out: u64,
}

impl Flow {
    /// How many lines were left out before this one; `None`: this one is left out as well.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let full_at = self.full_at.max(now).plus(FLOW_EVERY);
        if full_at.since(now) > FLOW_BURST * FLOW_EVERY {
            self.left_out += 1;
            return None;
        }
        self.full_at = full_at;
        Some(std::mem::take(&mut self.left_out))
    }
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

/// What the lines of an event are about that peers can make happen again and again.
fn flow_of(event: &NodeEvent) -> Option<&'static str> {
    match event {
        NodeEvent::Status(_) => Some("the cluster as it is seen here"),
        NodeEvent::Election(event) => match event {
            Event::Elected { .. } | Event::SteppedDown { .. } | Event::Released { .. } => {
                Some("elections")
            }
            Event::Rejoining { .. } | Event::Rejoined { .. } => Some("rejoining"),
            Event::ClockWatch { .. } => Some("clocks"),
            _ => None,
        },
        _ => None,
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
        let status = matches!(event, NodeEvent::Status(_));
        if let Some(about) = flow_of(event)
            && !matches!(event, NodeEvent::Status(status) if !self.is_news(status))
        {
            match self.seen().flows.entry(about).or_default().take(SystemClock.now()) {
                None => return,
                Some(0) => {}
                Some(count) => warn!(about, count, "so many lines were left out: too many at once"),
            }
        } else if status {
            return debug!("status, as before");
        }
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
                info!(%term, ?role, ?leader, ?participants, "the cluster as it is seen here");
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
    fn a_flow_of_lines_is_a_burst_and_then_a_trickle() {
        let (mut flow, start) = (Flow::default(), Instant(5));
        let mut written = |at: u64| {
            let lines = (0..1_000).filter_map(|_| flow.take(start.plus(at * FLOW_EVERY)));
            lines.collect::<Vec<_>>()
        };
        assert_eq!(written(0), vec![0; 20]);
        assert_eq!(written(1), [980]);
        assert_eq!(written(3), [999, 0]);
        assert_eq!(written(100), [vec![998], vec![0; 19]].concat());
    }

    /// Made-up observers that come and go change the participants each time.
    #[test]
    fn participants_that_come_and_go_do_not_fill_the_log() {
        let lines = logged(|observer| {
            for stranger in 0..1_000 {
                let participants = names(&["n1", &format!("s{stranger}")]);
                let view = Arc::new(crate::election::View { version: stranger, participants });
                observer.observe(&NodeEvent::Status(ClusterStatus {
                    current: names(&["n1"])[0],
                    incarnation: crate::id::Incarnation::FIRST,
                    role: crate::election::Role::Leader,
                    generation: crate::id::Generation::NONE,
                    term: Term(1),
                    leader: None,
                    view,
                    clock_suspects: Arc::default(),
                }));
            }
        });
        // One more for each second that the test takes.
        assert!((20..500).contains(&lines.len()), "{}", lines.len());
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
