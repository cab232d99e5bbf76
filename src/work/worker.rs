//! A worker's end: asks the leader what it may hold, and holds it no longer than it may.
//!
//! A permission lasts for L on this node's own clock, counted from the moment the question was
//! *asked*, so that no clocks are compared and no delay lengthens it. Only the answer to the last
//! question counts: what an earlier one granted was refused by not being asked for again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::message::{Granted, WorkBody};
use crate::id::{Boot, NodeId, Token};
use crate::store::{Epoch, Unit};
use crate::time::Instant;

/// Whom the status names as the leader, and in which term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leader {
    /// The node.
    pub node: NodeId,
    /// Its token.
    pub token: Token,
}

/// What a worker has to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WorkerEffect {
    /// Say this to the leader.
    Ask {
        /// The leader.
        leader: NodeId,
        /// The question.
        body: WorkBody,
    },
    /// Begin to act on a unit. [`Worker::finished`] must follow some time after [`Self::End`].
    Begin {
        /// The unit and its epoch.
        granted: Granted,
        /// The token to show.
        token: Token,
        /// Acts must start before this, as far as no [`Self::Extend`] moves it.
        until: Instant,
    },
    /// A permission lasts longer, unless it has run out: then say [`Worker::lapsed`].
    Extend {
        /// For this unit.
        unit: Unit,
        /// Until then.
        until: Instant,
    },
    /// No act on this unit may start any more.
    End {
        /// The unit.
        unit: Unit,
    },
}

/// One process' part in one work.
#[derive(Debug, Clone)]
pub struct Worker {
    me: Boot,
    /// L, in nanoseconds.
    lease: u64,
    /// How often it asks, in nanoseconds.
    every: u64,
    leader: Option<Leader>,
    /// The number of the last question.
    question: u64,
    asked_at: Instant,
    /// Whom the last question was put to.
    asked: Option<Leader>,
    units: BTreeMap<Unit, Held>,
    leaves: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: Epoch,
    token: Token,
    until: Instant,
    /// It was told to end and has not finished yet.
    ends: bool,
}

impl Worker {
    /// A process that holds nothing yet. `lease` is L in nanoseconds.
    pub fn new(me: Boot, lease: u64, now: Instant) -> Self {
        Self {
            me,
            lease,
            // Two questions may be lost before a permission ends.
            every: lease / 3,
            leader: None,
            question: 0,
            asked_at: now,
            asked: None,
            units: BTreeMap::new(),
            leaves: false,
        }
    }

    /// Time has passed, or there may be another leader: `leader` as the status names it.
    pub fn tick(&mut self, now: Instant, leader: Option<Leader>, effects: &mut Vec<WorkerEffect>) {
        for (unit, held) in &mut self.units {
            if now >= held.until {
                held.end(*unit, effects);
            }
        }
        let due = self.question == 0 || now >= self.asked_at.plus(self.every);
        if due || leader != self.leader {
            self.leader = leader;
            self.ask(now, effects);
        }
    }

    /// When [`Self::tick`] is due at the latest.
    pub fn next_wake(&self) -> Instant {
        let live = self.units.values().filter(|held| !held.ends).map(|held| held.until);
        live.chain([self.asked_at.plus(self.every)]).min().unwrap_or(self.asked_at)
    }

    /// An answer came.
    pub fn answered(
        &mut self,
        now: Instant,
        from: NodeId,
        body: &WorkBody,
        effects: &mut Vec<WorkerEffect>,
    ) {
        let WorkBody::Grant { worker, question, token, units } = body else { return };
        let asked = self.asked == Some(Leader { node: from, token: *token });
        if !asked || *worker != self.me || *question != self.question {
            return;
        }
        let until = self.asked_at.plus(self.lease);
        if now >= until || self.leaves {
            return;
        }
        for (unit, held) in &mut self.units {
            let same = Granted { unit: *unit, epoch: held.epoch };
            if held.token == *token && units.contains(&same) && now < held.until {
                if !held.ends && held.until < until {
                    held.until = until;
                    effects.push(WorkerEffect::Extend { unit: *unit, until });
                }
            } else {
                held.end(*unit, effects);
            }
        }
        for granted in units {
            // What has not finished under an earlier epoch begins again when it has, and asks anew.
            if let Entry::Vacant(place) = self.units.entry(granted.unit) {
                let (epoch, token) = (granted.epoch, *token);
                place.insert(Held { epoch, token, until, ends: false });
                effects.push(WorkerEffect::Begin { granted: *granted, token, until });
            }
        }
    }

    /// The permission ended before what was to prolong it was done: a holder may know already.
    pub fn lapsed(&mut self, unit: Unit, effects: &mut Vec<WorkerEffect>) {
        if let Some(held) = self.units.get_mut(&unit) {
            held.end(unit, effects);
        }
    }

    /// Nothing is done on a unit any more, neither now nor later under its last permission.
    pub fn finished(&mut self, now: Instant, unit: Unit, effects: &mut Vec<WorkerEffect>) {
        if let Some(held) = self.units.remove(&unit) {
            // Somebody may be waiting for it. If not, it is this worker's still, and only ran out of
            // things to do for a moment.
            self.ask_with(now, (!held.ends).then_some(unit), effects);
        }
    }

    /// Gives everything up: ends all permissions and takes no more.
    pub fn leave(&mut self, now: Instant, effects: &mut Vec<WorkerEffect>) {
        self.leaves = true;
        for (unit, held) in &mut self.units {
            held.end(*unit, effects);
        }
        self.ask(now, effects);
    }

    /// Whether nothing is held, and nothing unfinished.
    pub fn is_idle(&self) -> bool {
        self.units.is_empty()
    }

    fn ask(&mut self, now: Instant, effects: &mut Vec<WorkerEffect>) {
        self.ask_with(now, None, effects);
    }

    /// Asks, and lists a unit more among those that it holds.
    fn ask_with(&mut self, now: Instant, more: Option<Unit>, effects: &mut Vec<WorkerEffect>) {
        self.question += 1;
        self.asked_at = now;
        self.asked = self.leader;
        let Some(Leader { node: leader, token }) = self.leader else { return };
        let body = WorkBody::Renew {
            worker: self.me,
            token,
            question: self.question,
            holds: self.units.keys().copied().chain(more).collect(),
            leaves: self.leaves,
        };
        effects.push(WorkerEffect::Ask { leader, body });
    }
}

impl Held {
    fn end(&mut self, unit: Unit, effects: &mut Vec<WorkerEffect>) {
        if !self.ends {
            self.ends = true;
            effects.push(WorkerEffect::End { unit });
        }
    }
}
