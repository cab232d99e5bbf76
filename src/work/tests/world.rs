//! The world of the test: everything between the two ends.

use std::collections::BTreeMap;

use crate::id::{Boot, NodeId, Token};
use crate::store::{Assignment, Change, Epoch, Unit};
use crate::time::Instant;
use crate::work::{self, Distributor, Granted, Order, WorkBody, Worker, WorkerEffect};

const MS: u64 = 1_000_000;
/// L and A of the default timing, which keep the rule for rates 10,000 ppm off.
const LEASE: u64 = 900 * MS;
const PROMISE: u64 = 950 * MS;
const SETTLE: u64 = 600 * MS;

#[derive(Debug, Clone)]
pub enum Step {
    /// So many times 10 ms in which everything works.
    Calm(u32),
    /// So many ms in which nothing moves.
    Pass(u32),
    Tick(usize),
    Deliver(prop_index::Index),
    Repeat(prop_index::Index),
    Lose(prop_index::Index),
    /// The store carries out what it was asked, and says so, or does not get to it.
    Store(bool),
    /// A worker is done with one of its units.
    Finish(usize, prop_index::Index),
    /// That node leads from now on.
    Lead(usize),
    Restart(usize),
    Stop(usize),
    Leave(usize),
}

mod prop_index {
    pub use proptest::sample::Index;
}

struct Process {
    worker: Worker,
    boot: Boot,
    /// Valid unless its time is over.
    live: BTreeMap<Unit, (Epoch, Instant)>,
    /// Was told to end, and has not finished.
    ending: Vec<Unit>,
    leaves: bool,
}

struct Leader {
    node: usize,
    token: Token,
    distributor: Distributor,
}

pub struct World {
    now: u64,
    /// Deviation of each node's clock, in parts per million.
    rates: Vec<i64>,
    processes: Vec<Option<Process>>,
    leader: Option<Leader>,
    floor: Token,
    store: BTreeMap<Unit, Assignment>,
    units: u32,
    writing: Option<(Token, Vec<Change>)>,
    mail: Vec<(usize, usize, WorkBody)>,
    nonces: u64,
}

fn name(node: usize) -> NodeId {
    format!("n{node}").parse().unwrap()
}

fn number(node: NodeId) -> usize {
    node.as_str()[1..].parse().unwrap()
}

impl World {
    pub fn new(units: u32, rates: &[i64]) -> Self {
        let mut world = Self {
            now: 0,
            rates: rates.to_vec(),
            processes: Vec::new(),
            leader: None,
            floor: Token(0),
            store: BTreeMap::new(),
            units,
            writing: None,
            mail: Vec::new(),
            nonces: 0,
        };
        world.processes.resize_with(rates.len(), || None);
        world.start_all();
        world
    }

    /// The reading of a node's clock; origins differ.
    fn reading(&self, node: usize) -> Instant {
        let now = i64::try_from(self.now).unwrap();
        let passed = now + now / 1_000_000 * self.rates[node];
        Instant(u64::try_from(passed).unwrap() + 7_000_000_000 * (node as u64 + 1))
    }

    pub fn start_all(&mut self) {
        for node in 0..self.processes.len() {
            if self.processes[node].as_ref().is_none_or(|process| process.leaves) {
                self.restart(node);
            }
        }
    }

    fn restart(&mut self, node: usize) {
        self.nonces += 1;
        let boot = Boot { node: name(node), nonce: self.nonces };
        let worker = Worker::new(boot, LEASE, self.reading(node));
        let (live, ending) = Default::default();
        self.processes[node] = Some(Process { worker, boot, live, ending, leaves: false });
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Calm(times) => (0..*times).for_each(|_| self.calm()),
            Step::Pass(ms) => self.now += u64::from(*ms) * MS,
            Step::Tick(node) => self.tick(*node),
            Step::Deliver(which) if !self.mail.is_empty() => {
                let mail = self.mail.remove(which.index(self.mail.len()));
                self.deliver(mail);
            }
            Step::Repeat(which) if !self.mail.is_empty() => {
                let mail = self.mail[which.index(self.mail.len())].clone();
                self.deliver(mail);
            }
            Step::Lose(which) if !self.mail.is_empty() => {
                self.mail.remove(which.index(self.mail.len()));
            }
            Step::Deliver(_) | Step::Repeat(_) | Step::Lose(_) => {}
            Step::Store(true) => self.write(),
            // The question is lost, and will be put again.
            Step::Store(false) => {}
            Step::Finish(node, which) => {
                let Some(process) = &self.processes[*node] else { return };
                if !process.ending.is_empty() {
                    let unit = process.ending[which.index(process.ending.len())];
                    self.finish(*node, unit);
                }
            }
            Step::Lead(node) => self.lead(*node),
            Step::Restart(node) => self.restart(*node),
            Step::Stop(node) => self.processes[*node] = None,
            Step::Leave(node) => {
                let now = self.reading(*node);
                let Some(process) = &mut self.processes[*node] else { return };
                process.leaves = true;
                let mut effects = Vec::new();
                process.worker.leave(now, &mut effects);
                self.carry_out(*node, effects);
            }
        }
    }

    fn calm(&mut self) {
        self.now += 10 * MS;
        for node in 0..self.processes.len() {
            self.tick(node);
        }
        for node in 0..self.processes.len() {
            while let Some(unit) = self.processes[node].as_ref().and_then(|p| p.ending.first()) {
                self.finish(node, *unit);
            }
        }
        for mail in std::mem::take(&mut self.mail) {
            self.deliver(mail);
        }
        self.write();
    }

    fn tick(&mut self, node: usize) {
        let now = self.reading(node);
        let leader = self.leader.as_ref();
        let leader = leader.map(|l| work::Leader { node: name(l.node), token: l.token });
        if let Some(process) = &mut self.processes[node] {
            let mut effects = Vec::new();
            process.worker.tick(now, leader, &mut effects);
            self.carry_out(node, effects);
        }
        let mut orders = Vec::new();
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.node == node) {
            leader.distributor.tick(now, &mut orders);
        }
        self.obey(node, orders);
    }

    fn deliver(&mut self, (from, to, body): (usize, usize, WorkBody)) {
        let now = self.reading(to);
        match body {
            WorkBody::Renew { .. } => {
                let mut orders = Vec::new();
                if let Some(leader) = self.leader.as_mut().filter(|leader| leader.node == to) {
                    leader.distributor.asked(now, name(from), &body, &mut orders);
                }
                self.obey(to, orders);
            }
            WorkBody::Grant { .. } => {
                let mut effects = Vec::new();
                if let Some(process) = &mut self.processes[to] {
                    process.worker.answered(now, name(from), &body, &mut effects);
                }
                self.carry_out(to, effects);
            }
        }
    }

    fn finish(&mut self, node: usize, unit: Unit) {
        let now = self.reading(node);
        let process = self.processes[node].as_mut().unwrap();
        process.ending.retain(|ending| *ending != unit);
        let mut effects = Vec::new();
        process.worker.finished(now, unit, &mut effects);
        self.carry_out(node, effects);
    }

    fn carry_out(&mut self, node: usize, effects: Vec<WorkerEffect>) {
        for effect in effects {
            match effect {
                WorkerEffect::Ask { leader, body } => self.mail.push((node, number(leader), body)),
                WorkerEffect::Begin { granted: Granted { unit, epoch }, until, .. } => {
                    let process = self.processes[node].as_mut().unwrap();
                    assert!(!process.ending.contains(&unit), "it has not finished yet");
                    assert!(
                        process.live.insert(unit, (epoch, until)).is_none(),
                        "it began already"
                    );
                }
                WorkerEffect::Extend { unit, until } => {
                    let process = self.processes[node].as_mut().unwrap();
                    process.live.get_mut(&unit).unwrap().1 = until;
                }
                WorkerEffect::End { unit } => {
                    let process = self.processes[node].as_mut().unwrap();
                    process.live.remove(&unit).unwrap();
                    process.ending.push(unit);
                }
            }
        }
    }

    fn obey(&mut self, node: usize, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Assign(changes) => {
                    assert!(self.writing.is_none(), "one write at a time");
                    self.writing = Some((self.leader.as_ref().unwrap().token, changes));
                }
                Order::Answer { to, body } => self.mail.push((node, number(to), body)),
            }
        }
    }

    /// What the store does in one transaction.
    fn write(&mut self) {
        let Some((token, changes)) = self.writing.take() else { return };
        if token != self.floor {
            return;
        }
        for Change { unit, after, worker } in changes {
            let stands = self.store.get(&unit).map_or(Epoch(0), |assigned| assigned.epoch);
            assert_eq!(stands, after, "nobody else writes under this token");
            let epoch = Epoch(after.0 + 1);
            self.store.insert(unit, Assignment { unit, epoch, worker, token });
        }
        let stored: Vec<_> = self.store.values().copied().collect();
        let Some(leader) = &mut self.leader else { return };
        let node = leader.node;
        let mut orders = Vec::new();
        let passed = i64::try_from(self.now).unwrap();
        let passed = passed + passed / 1_000_000 * self.rates[node];
        let now = Instant(u64::try_from(passed).unwrap() + 7_000_000_000 * (node as u64 + 1));
        leader.distributor.assigned(now, &stored, &mut orders);
        self.obey(node, orders);
    }

    /// The leader before has ended, whether it knows it or not: it answers nobody any more. What it
    /// asked of the store comes too late.
    fn lead(&mut self, node: usize) {
        self.floor = Token(self.floor.0 + 1);
        self.writing = None;
        let stored: Vec<_> = self.store.values().copied().collect();
        let now = self.reading(node);
        let token = self.floor;
        let distributor = Distributor::new(token, self.units, &stored, PROMISE, SETTLE, now);
        self.leader = Some(Leader { node, token, distributor });
    }

    /// A unit on which two may act.
    pub fn held_twice(&self) -> Option<(Unit, Vec<Boot>)> {
        (0..self.units).map(Unit).find_map(|unit| {
            let holders: Vec<_> = self.holders(unit).collect();
            (holders.len() > 1).then_some((unit, holders))
        })
    }

    fn holders(&self, unit: Unit) -> impl Iterator<Item = Boot> + '_ {
        self.processes.iter().enumerate().filter_map(move |(node, process)| {
            let process = process.as_ref()?;
            let (_, until) = process.live.get(&unit)?;
            (self.reading(node) < *until).then_some(process.boot)
        })
    }

    /// How many units each node may act on.
    pub fn shares(&self) -> Vec<usize> {
        let mut shares = vec![0; self.processes.len()];
        for unit in (0..self.units).map(Unit) {
            for holder in self.holders(unit) {
                shares[number(holder.node)] += 1;
            }
        }
        shares
    }

    pub fn assigned(&self) -> Vec<Assignment> {
        self.store.values().copied().collect()
    }
}
