//! Which node may act on which share of a work: from when it is told so until it is told otherwise,
//! its process is gone, or its own clock reaches the end.
//!
//! A paused process keeps its shares, as it keeps its guard: see `guards`.

use std::collections::BTreeMap;

use fencepost::store::{Share, Unit, WorkName};
use fencepost::{Boot, Instant, NodeId, Token};

use super::guards::LocalClock;
use crate::history::{Event, Kind, SimTime, WorkEvent};

/// One permission.
#[derive(Debug, Clone)]
pub(super) struct Permission {
    pub share: Share,
    pub token: Token,
    pub until: Instant,
}

impl Permission {
    fn permits(&self, token: Token, reading: Instant) -> bool {
        self.token == token && reading < self.until
    }
}

/// The permissions of all nodes at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Shares {
    clocks: BTreeMap<NodeId, LocalClock>,
    held: BTreeMap<(WorkName, Unit, Boot), Permission>,
}

impl Shares {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        match &event.kind {
            Kind::ClockRate { node, reading, ppm, .. } => {
                let clock = LocalClock { at: event.at, reading: *reading, ppm: *ppm };
                self.clocks.insert(*node, clock);
            }
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                self.held.retain(|(_, _, worker), _| worker.node != *node);
            }
            Kind::Work(WorkEvent::Held { share, token, until }) => {
                let given = Permission { share: share.clone(), token: *token, until: *until };
                self.held.insert(key(share), given);
            }
            Kind::Work(WorkEvent::Ended { share }) => drop(self.held.remove(&key(share))),
            _ => {}
        }
    }

    /// The permission that this worker was given last, if it was not taken back.
    pub fn of(&self, share: &Share) -> Option<&Permission> {
        self.held.get(&key(share))
    }

    /// Whether the worker may act on exactly that share, as assigned under that token, when its own
    /// clock shows `reading`.
    pub fn permits(&self, share: &Share, token: Token, reading: Instant) -> bool {
        let given = self.of(share);
        given.is_some_and(|given| given.share == *share && given.permits(token, reading))
    }

    /// Whether this worker's permission has run out at `at` by its own clock, and was not taken back.
    pub fn has_lapsed(&self, share: &Share, at: SimTime) -> bool {
        let clock = self.clocks.get(&share.worker.node);
        let given = self.of(share).zip(clock);
        given.is_some_and(|(given, clock)| clock.has_reached(given.until, at))
    }

    /// Whether the node may act on any share of the work of that name under that token when its own
    /// clock shows `reading`.
    pub fn permits_any(&self, work: &str, node: NodeId, token: Token, reading: Instant) -> bool {
        let is_of = |share: &Share| share.work.as_str() == work && share.worker.node == node;
        let mut given = self.held.values().filter(|given| is_of(&given.share));
        given.any(|given| given.permits(token, reading))
    }

    /// Every permission for that unit that is valid at `at`, which is no earlier than the last event
    /// applied.
    ///
    /// # Panics
    /// There is a permission and no clock to judge it by: a bug in the testbed.
    pub fn valid<'a>(
        &'a self,
        work: &'a WorkName,
        unit: Unit,
        at: SimTime,
    ) -> impl Iterator<Item = &'a Share> {
        let of_unit = move |permission: &&Permission| {
            permission.share.unit == unit && permission.share.work == *work
        };
        let valid = move |permission: &&Permission| {
            let node = permission.share.worker.node;
            let clock = self.clocks.get(&node);
            let clock = clock.unwrap_or_else(|| panic!("{node} acts before its first ClockRate"));
            !clock.has_reached(permission.until, at)
        };
        self.held.values().filter(of_unit).filter(valid).map(|permission| &permission.share)
    }
}

fn key(share: &Share) -> (WorkName, Unit, Boot) {
    (share.work.clone(), share.unit, share.worker)
}
