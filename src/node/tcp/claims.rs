//! Who is connected under which name, and whose claim to a name is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::queue::Queue;
use crate::election::MAX_OBSERVERS;
use crate::id::NodeId;
use crate::node::frame::Frame;

/// The one connection of a peer or an observer.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) node: NodeId,
    process: u64,
    address: SocketAddr,
    /// Set while nothing is heard from it.
    pub(super) silent: AtomicBool,
    /// Told when another connection takes its place.
    pub(super) superseded: Notify,
    /// What waits for an observer. For a peer it waits at the connection to it.
    pub(super) queue: Option<Arc<Queue>>,
}

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("too many connections have not said hello, and this one was the oldest")]
    TooManyStrangers,
    #[error("no hello in time")]
    NoHello,
    #[error("it does not begin with a hello")]
    NotAHello,
    #[error(
        "it belongs to cluster {theirs:?} and this node to {ours:?}: give both the same name, or \
         the other's nodes other addresses"
    )]
    OtherCluster { theirs: String, ours: String },
    #[error("{from} means {meant} and this is {me}: correct the addresses in its [voters]")]
    OtherNode { from: NodeId, meant: NodeId, me: NodeId },
    #[error("it comes from {from}, which is not among this node's voters")]
    NotAPeer { from: NodeId },
    #[error("it says that {from} is an observer, but here {from} is a voter")]
    ObserverVotes { from: NodeId },
    #[error("{from} is none of the `observers` that are listed here: add it, if it is one")]
    UnlistedObserver { from: NodeId },
    #[error("{from} is one observer too many: {MAX_OBSERVERS} are connected")]
    TooManyObservers { from: NodeId },
    #[error("two processes claim to be {node}: one at {first}, and this one at {second}")]
    Duplicate { node: NodeId, first: SocketAddr, second: SocketAddr },
}

/// The names that may be claimed, and by whom they are.
#[derive(Debug)]
pub(super) struct Claims {
    cluster: String,
    me: NodeId,
    peers: BTreeSet<NodeId>,
    /// Anybody, if there is no list.
    observers: Option<BTreeSet<NodeId>>,
    current: Mutex<BTreeMap<NodeId, Arc<Claim>>>,
}

impl Claims {
    pub(super) fn new(
        cluster: String,
        me: NodeId,
        peers: BTreeSet<NodeId>,
        observers: Option<BTreeSet<NodeId>>,
    ) -> Self {
        Self { cluster, me, peers, observers, current: Mutex::default() }
    }

    /// Makes the connection from `address` that begins with `hello` the caller's one connection.
    ///
    /// Of one process the newest wins: the older may hang in the air. Of two processes the one that
    /// is heard wins, so that a second node under one name cannot push the first out.
    pub(super) fn admit(&self, hello: Frame, address: SocketAddr) -> Result<Arc<Claim>, Refusal> {
        let Frame::Hello { cluster: theirs, from, to: meant, process, observer } = hello else {
            return Err(Refusal::NotAHello);
        };
        if theirs != self.cluster {
            return Err(Refusal::OtherCluster { theirs, ours: self.cluster.clone() });
        }
        if meant != self.me {
            return Err(Refusal::OtherNode { from, meant, me: self.me });
        }
        let votes = from == self.me || self.peers.contains(&from);
        if observer && votes {
            return Err(Refusal::ObserverVotes { from });
        }
        if !observer && !self.peers.contains(&from) {
            return Err(Refusal::NotAPeer { from });
        }
        let listed = |list: &BTreeSet<NodeId>| list.contains(&from);
        if observer && !self.observers.as_ref().is_none_or(listed) {
            return Err(Refusal::UnlistedObserver { from });
        }
        let mut current = self.lock();
        match current.get(&from) {
            Some(held) if held.process != process && !held.silent.load(Ordering::Relaxed) => {
                let (first, second) = (held.address, address);
                return Err(Refusal::Duplicate { node: from, first, second });
            }
            Some(_) => {}
            None if observer && queues(&current).count() >= MAX_OBSERVERS => {
                return Err(Refusal::TooManyObservers { from });
            }
            None => {}
        }
        let claim = Arc::new(Claim {
            node: from,
            process,
            address,
            silent: AtomicBool::new(false),
            superseded: Notify::new(),
            queue: observer.then(Arc::default),
        });
        if let Some(older) = current.insert(from, Arc::clone(&claim)) {
            older.superseded.notify_one();
        }
        Ok(claim)
    }

    /// Forgets a connection that ended, unless another has taken its place.
    pub(super) fn dismiss(&self, claim: &Arc<Claim>) {
        let mut current = self.lock();
        if current.get(&claim.node).is_some_and(|now| Arc::ptr_eq(now, claim)) {
            current.remove(&claim.node);
        }
    }

    /// Where messages for this observer wait, if it is connected.
    pub(super) fn queue_of(&self, observer: NodeId) -> Option<Arc<Queue>> {
        self.lock().get(&observer)?.queue.clone()
    }

    /// Says goodbye to the observers.
    pub(super) fn leave(&self) {
        queues(&self.lock()).for_each(|queue| queue.leave());
    }

    /// Whether nothing waits for any observer.
    pub(super) fn are_written(&self) -> bool {
        queues(&self.lock()).all(|queue| queue.is_written())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Claim>>> {
        // A panic while the lock was held leaves a whole map.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queues of the observers that are connected.
fn queues(current: &BTreeMap<NodeId, Arc<Claim>>) -> impl Iterator<Item = &Arc<Queue>> {
    current.values().filter_map(|claim| claim.queue.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(cluster: &str, to: &str, process: u64) -> Frame {
        let (from, to) = ("n2".parse().unwrap(), to.parse().unwrap());
        Frame::Hello { cluster: cluster.to_owned(), from, to, process, observer: false }
    }

    #[test]
    fn where_observers_are_listed_no_other_is_let_in() {
        let [me, peer, listed] = ["n1", "n2", "o1"].map(|name| name.parse().unwrap());
        let admits = |observers: Option<BTreeSet<NodeId>>, name: &str| {
            let claims = Claims::new("ours".to_owned(), me, [peer].into(), observers);
            let (cluster, from) = ("ours".to_owned(), name.parse().unwrap());
            let hello = Frame::Hello { cluster, from, to: me, process: 1, observer: true };
            let address = SocketAddr::from(([10, 0, 0, 9], 1));
            claims.admit(hello, address).map(drop).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(admits(None, "o9"), Ok(()));
        assert_eq!(admits(Some([listed].into()), "o1"), Ok(()));
        let refused = admits(Some([listed].into()), "o9").unwrap_err();
        assert!(refused.contains("o9 is none of the `observers`"), "{refused}");
    }

    #[test]
    fn a_refusal_names_both_sides() {
        let [me, peer] = ["n1", "n2"].map(|name| name.parse().unwrap());
        let claims = Claims::new("ours".to_owned(), me, [peer].into(), None);
        let refusal = |hello, port| {
            let address = SocketAddr::from(([10, 0, 0, 9], port));
            claims.admit(hello, address).map(drop).map_err(|refusal| refusal.to_string())
        };
        let other_cluster = refusal(hello("the\nirs", "n1", 1), 1).unwrap_err();
        assert!(other_cluster.contains(r#""the\nirs""#), "on one line: {other_cluster}");
        assert!(other_cluster.contains(r#""ours""#), "{other_cluster}");
        let other_node = refusal(hello("ours", "n3", 1), 1).unwrap_err();
        assert!(other_node.contains("n2 means n3 and this is n1"), "{other_node}");
        assert_eq!(refusal(hello("ours", "n1", 1), 11), Ok(()));
        let twin = refusal(hello("ours", "n1", 2), 22).unwrap_err();
        for part in ["claim to be n2", "10.0.0.9:11", "10.0.0.9:22"] {
            assert!(twin.contains(part), "{twin}");
        }
    }
}
