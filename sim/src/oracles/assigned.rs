//! Which claims of workers others may put in doubt under the claim's own token: those of an assignment
//! that is no longer the newest, and those of a run of a share that was cut short, which the next run
//! of that share finds.
//!
//! A run is cut short for what it had begun. A question that it asked may commit only when the next
//! run has begun, and is cut short all the same; what the next run asks for is not.

use std::collections::BTreeMap;

use fencepost::Boot;
use fencepost::store::{Epoch, Share, Unit, WorkName};

use super::shares::Shares;
use crate::history::{Event, Kind, MessageNo, WorkEvent};

/// Names a share, which is the same in all of its runs.
type Key = (WorkName, Unit, Epoch, Boot);

/// The assignments and their runs at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    shares: Shares,
    newest: BTreeMap<(WorkName, Unit), Epoch>,
    /// Counts events.
    now: u64,
    /// When a run of a share ended or ran out last.
    cut: BTreeMap<Key, u64>,
    /// When a claim of a message was asked for last under a share.
    asked: BTreeMap<(MessageNo, Key), u64>,
}

impl Assigned {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        self.now += 1;
        match &event.kind {
            Kind::ClaimStarted { share: Some(share), message, .. } => {
                self.asked.insert((*message, key(share)), self.now);
            }
            Kind::Work(WorkEvent::Assigned { work, assignment }) => {
                self.newest.insert((work.clone(), assignment.unit), assignment.epoch);
            }
            Kind::Work(WorkEvent::Ended { share }) => {
                self.cut.insert(key(share), self.now);
            }
            // A run that notices by its own clock that its time is over just ends.
            Kind::Work(WorkEvent::Held { share, .. })
                if self.shares.has_lapsed(share, event.at) =>
            {
                self.cut.insert(key(share), self.now);
            }
            _ => {}
        }
        self.shares.apply(event);
    }

    /// Whether a claim of the message under that share is no longer its claimant's: the assignment has
    /// ended, or the run that asked for the claim.
    pub fn is_revoked(&self, message: MessageNo, share: &Share) -> bool {
        let newest = self.newest.get(&(share.work.clone(), share.unit));
        let key = key(share);
        newest.is_some_and(|newest| *newest > share.epoch)
            || self.cut.get(&key).copied() > self.asked.get(&(message, key)).copied()
    }
}

fn key(share: &Share) -> Key {
    (share.work.clone(), share.unit, share.epoch, share.worker)
}
