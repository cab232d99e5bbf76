//! Who has said goodbye: that it cannot be reached for a while is then no news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::id::NodeId;

/// How long a node that said goodbye may stay away before that is worth a warning: a deployment takes
/// that long.
pub const GOODBYE_LASTS: Duration = Duration::from_secs(60);

/// The voters that have said goodbye and were not reached since.
#[derive(Debug)]
pub(super) struct Departures {
    voters: BTreeSet<NodeId>,
    left: Mutex<BTreeMap<NodeId, Instant>>,
}

impl Departures {
    /// Of these voters: nobody connects to others.
    pub(super) fn of(voters: BTreeSet<NodeId>) -> Self {
        Self { voters, left: Mutex::default() }
    }

    /// It says goodbye.
    pub(super) fn leaves(&self, peer: NodeId) {
        if self.voters.contains(&peer) {
            self.with(|left| left.insert(peer, Instant::now()));
        }
    }

    /// It is back.
    pub(super) fn is_back(&self, peer: NodeId) {
        self.with(|left| left.remove(&peer));
    }

    /// Whether it is away because it said so, not long ago.
    pub(super) fn is_away(&self, peer: NodeId) -> bool {
        self.with(|left| left.get(&peer).is_some_and(|at| at.elapsed() < GOODBYE_LASTS))
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<NodeId, Instant>) -> T) -> T {
        // A panic while the lock was held leaves a whole map.
        act(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
