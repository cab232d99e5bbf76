//! The configuration of a node with what follows from it: what never changes while it runs.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::clock_watch::RateBound;
use super::config::{Config, ConfigId, Timing};
use super::message::View;
use crate::id::NodeId;
use crate::probe::mutant;

/// What never changes, and therefore is no part of a state's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fixed(pub(super) Arc<Settings>);

/// The configuration with what follows from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub config: Config,
    pub id: ConfigId,
    pub nanos: Nanos,
    pub rates: RateBound,
    /// For how long this node is bound by a promise at least, in nanoseconds.
    pub keeps_promises: u64,
    /// For how long a voter must be bound for this node's lease to rest on it, in nanoseconds.
    pub needs_promises: u64,
    /// Where this node stands among the voters; an observer stands nowhere.
    pub my_index: Option<usize>,
    /// The view while there is none: shared, because each new term begins with it.
    pub no_view: Arc<View>,
}

impl Settings {
    /// Where a node stands among the voters.
    pub fn voter_index(&self, node: &NodeId) -> Option<usize> {
        self.config.voters.iter().position(|voter| voter == node)
    }
}

impl std::ops::Deref for Fixed {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

impl Hash for Fixed {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// [`super::Timing`] in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Nanos {
    pub heartbeat: u64,
    pub lease: u64,
    pub promise: u64,
    pub quarantine: u64,
    pub election_timeout: u64,
    pub jitter: u64,
}

impl Nanos {
    /// The same durations in nanoseconds; they were validated.
    pub fn of(timing: &Timing) -> Self {
        Self {
            heartbeat: as_nanos(timing.heartbeat),
            lease: as_nanos(timing.lease),
            promise: as_nanos(timing.promise),
            quarantine: match mutant!(NoQuarantine) {
                true => 0,
                false => as_nanos(timing.quarantine),
            },
            election_timeout: as_nanos(timing.election_timeout),
            jitter: as_nanos(timing.jitter),
        }
    }
}

pub(super) fn as_nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("validated: some hours at most")
}
