//! The leader's end: who is to have which unit, and from when on that is safe.
//!
//! A worker's permission lasts for L on its own clock from its question. The leader answered later
//! than that, so by A on its own clock from the answer, A ≥ (L + m) · r_max / r_min, the permission
//! has ended whatever the worker does: the rule of the leader's own lease, turned round. A unit
//! changes hands only after that, or after its worker has said in a later question that it does
//! not hold it any more; an answer to an earlier question is void by then.
//!
//! Who asks for units and never says that it holds what it was given, does nothing with them: it loses
//! them after a while, and gets none for some time, each time longer.
//!
//! A new leader knows nothing of the answers that an earlier one gave: it takes them for given at the
//! moment of its own start, which is later than all of them as far as leases hold (L1).

use std::collections::{BTreeMap, BTreeSet};

use super::balance::balance;
use super::message::{Granted, WorkBody};
use crate::id::{Boot, NodeId, Token};
use crate::probe::{mutant, reach};
use crate::store::{Assignment, Change, Epoch, Unit};
use crate::time::Instant;

/// For how many A a worker may be given a unit and not say that it holds it. Its next question says so
/// already, if the answer came.
const IDLE_FOR: u64 = 4;

/// The longest rest of a worker that does nothing, in A; it doubles from one to the next.
const MAX_REST: u64 = 256;

/// How many workers that do nothing are remembered. Names can be made up without end.
const MAX_IDLERS: usize = 256;

/// What the leader has to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Order {
    /// Write these changes to the store, all of them or none, and tell
    /// [`Distributor::assigned`] what then stands.
    Assign(Vec<Change>),
    /// Answer a worker.
    Answer {
        /// To this node.
        to: NodeId,
        /// This.
        body: WorkBody,
    },
}

/// The distribution of one work by the leader of one token.
#[derive(Debug, Clone)]
pub struct Distributor {
    token: Token,
    /// A: how long an answered permission lasts at most, on this node's clock, in nanoseconds.
    promise: u64,
    /// Before this, nothing is given to anybody who did not have it: the others had no time to ask.
    settled_at: Instant,
    units: Vec<OfUnit>,
    workers: BTreeMap<NodeId, OfWorker>,
    /// What is being assigned anew: nobody's until the store has answered.
    writing: BTreeSet<Unit>,
    /// Who was given units and did nothing with them: it gets none for a while.
    idlers: BTreeMap<NodeId, Idler>,
}

#[derive(Debug, Clone, Copy)]
struct Idler {
    /// It gets no unit before this.
    until: Instant,
    /// How long it rests, in nanoseconds.
    rest: u64,
}

#[derive(Debug, Clone, Copy)]
struct OfUnit {
    assigned: Option<Assignment>,
    /// From then on its worker certainly has no permission.
    free_at: Instant,
    /// Since when its worker has been given it without saying that it holds it.
    idle_since: Option<Instant>,
}

#[derive(Debug, Clone)]
struct OfWorker {
    boot: Boot,
    question: u64,
    heard_at: Instant,
    leaves: bool,
}

impl Distributor {
    /// Begins at `now`, after the floor was raised to `token`, with what the store has. `promise` is
    /// A, `settle` how long workers may take to ask for the first time; both in nanoseconds.
    pub fn new(
        token: Token,
        units: u32,
        stored: &[Assignment],
        promise: u64,
        settle: u64,
        now: Instant,
    ) -> Self {
        let mut distributor = Self {
            token,
            promise,
            settled_at: now.plus(settle),
            units: Vec::new(),
            workers: BTreeMap::new(),
            writing: BTreeSet::new(),
            idlers: BTreeMap::new(),
        };
        let unassigned = OfUnit { assigned: None, free_at: now, idle_since: None };
        distributor.units.resize(units as usize, unassigned);
        for assignment in stored {
            if let Some(unit) = distributor.units.get_mut(assignment.unit.0 as usize) {
                let free_at = now.plus(promise);
                *unit = OfUnit { assigned: Some(*assignment), free_at, idle_since: None };
            }
        }
        distributor
    }

    /// A worker asks.
    pub fn asked(&mut self, now: Instant, from: NodeId, body: &WorkBody, orders: &mut Vec<Order>) {
        let WorkBody::Renew { worker, token, question, holds, leaves } = body else { return };
        let known = self.workers.get(&from).filter(|known| known.boot == *worker);
        let meant = *token == self.token && worker.node == from;
        if !meant || known.is_some_and(|known| *question <= known.question) {
            return;
        }
        let holds: BTreeSet<Unit> = holds.iter().copied().collect();
        let limit = IDLE_FOR * self.promise;
        let mut idles = false;
        for unit in &mut self.units {
            let own = unit.assigned.filter(|assigned| assigned.worker == *worker);
            let Some(assigned) = own else { continue };
            if holds.contains(&assigned.unit) {
                unit.idle_since = None;
            } else {
                unit.free_at = now;
                idles |= unit.idle_since.is_some_and(|since| now.since(since) >= limit);
            }
        }
        if idles && !mutant!(IdlersKeepTheirUnits) {
            self.rest(now, from);
        }
        let (question, leaves) = (*question, *leaves);
        let of = OfWorker { boot: *worker, question, heard_at: now, leaves };
        self.workers.insert(from, of);
        self.plan(now, orders);
        self.answer(now, from, orders);
    }

    /// A worker does nothing with what it is given: it gets nothing for a while.
    fn rest(&mut self, now: Instant, node: NodeId) {
        reach!("idle_worker_rests");
        let longest = MAX_REST * self.promise;
        // Who has been at work for as long as it rested is forgiven; to be caught takes a while.
        let caught = 2 * IDLE_FOR * self.promise;
        self.idlers.retain(|_, idler| now < idler.until.plus(idler.rest + caught));
        let before = self.idlers.get(&node).map(|idler| idler.rest);
        let rest = before.map_or(self.promise, |rest| (2 * rest).min(longest));
        if before.is_some() || self.idlers.len() < MAX_IDLERS {
            self.idlers.insert(node, Idler { until: now.plus(rest), rest });
        }
        for unit in &mut self.units {
            if unit.assigned.is_some_and(|assigned| assigned.worker.node == node) {
                unit.idle_since = None;
            }
        }
    }

    /// Time has passed. Due every so often: nothing happens too early or wrongly if it comes late.
    pub fn tick(&mut self, now: Instant, orders: &mut Vec<Order>) {
        self.workers.retain(|_, worker| now.since(worker.heard_at) < self.promise);
        self.plan(now, orders);
    }

    /// The store has written the changes, or has refused them; these assignments stand now.
    pub fn assigned(&mut self, now: Instant, stored: &[Assignment], orders: &mut Vec<Order>) {
        self.writing.clear();
        let mut gained = BTreeSet::new();
        for assignment in stored {
            let Some(unit) = self.units.get_mut(assignment.unit.0 as usize) else { continue };
            if unit.assigned == Some(*assignment) {
                continue;
            }
            let same = unit.assigned.is_some_and(|before| before.worker == assignment.worker);
            if unit.assigned.is_some() && !same {
                reach!("unit_moved");
            }
            unit.assigned = Some(*assignment);
            unit.idle_since = None;
            // A new worker has no permission yet; one that is confirmed may have an old one.
            if !same {
                unit.free_at = now;
            }
            gained.insert(assignment.worker.node);
        }
        for node in gained {
            self.answer(now, node, orders);
        }
    }

    /// What is assigned, in order.
    pub fn assignments(&self) -> impl Iterator<Item = Assignment> + '_ {
        self.units.iter().filter_map(|unit| unit.assigned)
    }

    /// Who shall have each unit: only those that ask.
    fn targets(&self, now: Instant) -> Vec<Option<NodeId>> {
        let takes = |(node, worker): (&NodeId, &OfWorker)| (!worker.leaves).then_some(*node);
        let all: Vec<NodeId> = self.workers.iter().filter_map(takes).collect();
        let rests = |node: &NodeId| self.idlers.get(node).is_some_and(|idler| now < idler.until);
        let awake: Vec<NodeId> = all.iter().copied().filter(|node| !rests(node)).collect();
        // If there is nobody else, there is nothing to lose.
        let workers = if awake.is_empty() { all } else { awake };
        let has = |unit: &OfUnit| unit.assigned.map(|assigned| assigned.worker);
        let alive = |boot: Boot| {
            let worker = self.workers.get(&boot.node).filter(|worker| worker.boot == boot);
            worker.map(|_| boot.node)
        };
        let holders: Vec<_> = self.units.iter().map(|unit| has(unit).and_then(alive)).collect();
        balance(&workers, &holders)
    }

    /// Orders the changes that are wanted and safe now.
    fn plan(&mut self, now: Instant, orders: &mut Vec<Order>) {
        if !self.writing.is_empty() {
            return;
        }
        let mut changes = Vec::new();
        for (unit, target) in (0..).map(Unit).zip(self.targets(now)) {
            let OfUnit { assigned, free_at, .. } = self.units[unit.0 as usize];
            let Some(worker) = target.and_then(|node| self.workers.get(&node)) else { continue };
            let same = assigned.is_some_and(|assigned| assigned.worker == worker.boot);
            let confirmed = assigned.is_some_and(|assigned| assigned.token == self.token);
            let is_free = now >= free_at || mutant!(RevocationNotAwaited);
            let may = if same { !confirmed } else { is_free && now >= self.settled_at };
            if may {
                let after = assigned.map_or(Epoch(0), |assigned| assigned.epoch);
                changes.push(Change { unit, after, worker: worker.boot });
            }
        }
        if !changes.is_empty() {
            self.writing = changes.iter().map(|change| change.unit).collect();
            orders.push(Order::Assign(changes));
        }
    }

    /// Tells a worker what it may hold: what is assigned to it under this token, but for what is to
    /// move elsewhere.
    fn answer(&mut self, now: Instant, to: NodeId, orders: &mut Vec<Order>) {
        let targets = self.targets(now);
        let Some(worker) = self.workers.get(&to) else { return };
        let mut granted = Vec::new();
        for (unit, target) in self.units.iter_mut().zip(targets) {
            let Some(assigned) = unit.assigned else { continue };
            let stays =
                target == Some(to) && !worker.leaves && !self.writing.contains(&assigned.unit);
            if stays && assigned.worker == worker.boot && assigned.token == self.token {
                unit.free_at = now.plus(self.promise);
                unit.idle_since = unit.idle_since.or(Some(now));
                granted.push(Granted { unit: assigned.unit, epoch: assigned.epoch });
            }
        }
        let body = WorkBody::Grant {
            worker: worker.boot,
            question: worker.question,
            token: self.token,
            units: granted,
        };
        orders.push(Order::Answer { to, body });
    }
}
