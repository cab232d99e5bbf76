//! Anchors: a fault of the leader that comes in the middle of what it does, not at any time.
//!
//! The moments in which a leader can do harm are short: a claim takes milliseconds, and a drawn
//! time rarely falls into one.

use std::time::Duration;

use super::{Draw, Drawn};
use crate::faults::pick::{chance, log_duration, log_uniform, one_of, uniform};
use crate::faults::plan::{Fault, Start, Target, Trigger, node};
use crate::scenario::units::Between;

/// How many of a hundred single faults of the leader wait for an event.
const ANCHORED: u64 = 25;

/// How long after the event they begin at most: some round trips.
const AFTER_MAX: Duration = Duration::from_millis(20);

/// The largest number of a claim or a send that is waited for.
const NTH_MAX: u64 = 60;

/// What they wait for. The claim under way comes twice: it is what nobody can take back.
const EVENTS: [Trigger; 6] = [
    Trigger::ClaimAsked,
    Trigger::ClaimAsked,
    Trigger::Claim,
    Trigger::Send,
    Trigger::Leader(None),
    Trigger::Floor,
];

impl Draw<'_> {
    /// The event that what was drawn waits for instead of its time, if it is to wait for one.
    pub(super) fn anchor(&mut self, drawn: &Drawn) -> Option<Start> {
        let [(_, fault)] = &drawn[..] else { return None };
        if !meets_the_leader(fault) || !chance(self.rng, ANCHORED) {
            return None;
        }
        let event = match self.delivers {
            true => one_of(self.rng, &EVENTS),
            false => Trigger::Leader(None),
        };
        let often = matches!(event, Trigger::ClaimAsked | Trigger::Claim | Trigger::Send);
        let nth = if often { log_uniform(self.rng, 1, NTH_MAX) } else { uniform(self.rng, 1, 3) };
        let event = match event {
            Trigger::Leader(None) if chance(self.rng, 30) => {
                let voter = uniform(self.rng, 1, self.size.voters.into());
                Trigger::Leader(Some(node(voter as u32)))
            }
            other => other,
        };
        // Half of them at once; the others anywhere in the next round trips.
        let low = Duration::from_micros(100);
        let after = match chance(self.rng, 50) {
            true => Duration::ZERO,
            false => log_duration(self.rng, Between { low, high: AFTER_MAX }),
        };
        Some(Start::When { event, nth: nth as u32, after })
    }
}

/// Whether the fault is one of the leader alone.
fn meets_the_leader(fault: &Fault) -> bool {
    match fault {
        Fault::Pause { nodes, .. } | Fault::Bounce { nodes, .. } | Fault::Die { nodes, .. } => {
            nodes[..] == [Target::Leader]
        }
        Fault::Cut { links, .. } => links.from[..] == [Target::Leader],
        _ => false,
    }
}
