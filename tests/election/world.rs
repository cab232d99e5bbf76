//! The world around the election: nodes as plain values, true time and each node's own clock, and
//! what of a node survives what.

use fencepost::election::{ColdStart, Config, Effect, Election, Event, HardState, Input};
use fencepost::{Generation, Instant, NodeId, Term};

use crate::checks::{Checks, Watch};
use crate::network::{Cut, Parcel, STORE, Weather, What, is_in};
use crate::setting::{Setting, node};
use crate::store::{Call, Store};

pub const MS: u64 = 1_000_000;

/// A leader raises the floor and then shows that it is at the floor, as its claims do, so often.
const ASK_AGAIN: u64 = 50 * MS;

/// What a restart leaves of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Kept,
    Wiped,
}

/// A node and its disk.
pub struct Node {
    /// The list of voters that its next start gets.
    pub list: Vec<NodeId>,
    /// None while it is down.
    pub election: Option<Election>,
    pub disk: Option<HardState>,
    pub watch: Watch,
    /// Which start this is, of all starts of all nodes.
    pub start: u64,
    /// What its clock showed when true time began.
    origin: u64,
    /// Power fails after so many effects of its next step that has more.
    pub power_cut: Option<usize>,
    leaving: bool,
    raise: Option<Raise>,
}

/// A leader's way to the floor.
struct Raise {
    generation: Generation,
    term: Term,
    asked_ns: u64,
}

pub struct World {
    pub setting: Setting,
    pub nodes: Vec<Node>,
    pub now_ns: u64,
    pub network: Vec<Parcel>,
    pub store: Store,
    pub cut: Cut,
    /// By sender: the nodes that nothing from it gets to, but for the store.
    pub broken: [u16; STORE],
    pub weather: Weather,
    /// Nodes that handle nothing, while their clocks go on.
    pub frozen: u16,
    /// Whether nothing ticks but by the hand of the test.
    pub timers_are_late: bool,
    pub checks: Checks,
    /// Everything that nodes told.
    pub events: Vec<(usize, Event)>,
    starts: u64,
    /// Where the network's chance stands.
    pub chance: u64,
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let list: Vec<_> = (0..setting.voters).map(node).collect();
        let mut world = Self {
            now_ns: 0,
            nodes: Vec::new(),
            network: Vec::new(),
            store: Store::new(if setting.empty { 0 } else { 1 }),
            cut: Cut::default(),
            broken: [0; STORE],
            weather: Weather::default(),
            chance: setting.seed,
            frozen: 0,
            timers_are_late: false,
            checks: Checks::new(setting.is_within_bound(), setting.store),
            events: Vec::new(),
            starts: 0,
            setting,
        };
        for index in 0..world.setting.voters + world.setting.observers {
            let voter = index < world.setting.voters;
            let first = voter && !world.setting.empty;
            world.add_node(list.clone(), first.then(|| HardState::at_first_start(&list)));
        }
        world
    }

    /// Adds a node with that list and disk, and starts it.
    pub fn add_node(&mut self, list: Vec<NodeId>, disk: Option<HardState>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            list,
            election: None,
            disk,
            watch: Watch::default(),
            start: 0,
            origin: 1_000_000 * MS,
            power_cut: None,
            leaving: false,
            raise: None,
        });
        self.start(index);
        index
    }

    pub fn start(&mut self, index: usize) {
        self.starts += 1;
        let start = self.starts;
        let me = node(index);
        let node = &mut self.nodes[index];
        let config = Config {
            me,
            voters: node.list.clone(),
            observer: !node.list.contains(&me),
            priority: self.setting.priorities[index],
            cold_start: match self.setting.store {
                true => ColdStart::ByStore,
                false => ColdStart::ByAllVoters,
            },
            timing: self.setting.timing.clone(),
        };
        if node.disk.is_none() {
            // It may be another machine by now, whose clock began at another time.
            node.origin = 1_000_000 * MS * (start * 7 % 11 + 1);
        }
        node.start = start;
        (node.power_cut, node.leaving, node.raise) = (None, false, None);
        let disk = node.disk.clone();
        let now = self.clock(index);
        let seed = self.setting.seed.wrapping_mul(1_000_003).wrapping_add(start);
        let election = Election::new(config, disk, seed, now).unwrap();
        self.nodes[index].watch = Watch::of(&election);
        self.nodes[index].election = Some(election);
        self.check(index);
    }

    pub fn stop(&mut self, index: usize, disk: Disk) {
        self.nodes[index].election = None;
        if disk == Disk::Wiped {
            self.nodes[index].disk = None;
        }
    }

    pub fn restart(&mut self, index: usize, disk: Disk) {
        self.stop(index, disk);
        self.start(index);
    }

    pub fn leave(&mut self, index: usize) {
        if self.nodes[index].election.is_some() && !self.nodes[index].leaving {
            self.nodes[index].leaving = true;
            self.handle(index, Input::Leave);
        }
    }

    /// A node's own clock.
    pub fn clock(&self, index: usize) -> Instant {
        let rate = u64::try_from(1_000_000 + self.setting.drifts[index]).unwrap();
        Instant(self.nodes[index].origin + self.now_ns / 1_000 * rate / 1_000)
    }

    /// From now on a node's clock runs at another rate.
    pub fn set_drift(&mut self, index: usize, drift: i32) {
        let before = self.clock(index);
        self.setting.drifts[index] = drift;
        self.checks.within_bound &= self.setting.is_within_bound();
        self.nodes[index].origin = 0;
        let after = self.clock(index);
        self.nodes[index].origin = before.0 - after.0;
    }

    pub fn up(&self, index: usize) -> Option<&Election> {
        self.nodes[index].election.as_ref()
    }

    /// A node that is up, for tests that know it is.
    pub fn of(&self, index: usize) -> &Election {
        self.up(index).expect("this node is up")
    }

    /// One input as the driver would handle it: with a tick if that is due as well.
    pub fn handle(&mut self, index: usize, input: Input) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        let Some(election) = &mut node.election else { return };
        let mut effects = Vec::new();
        let asked = match &input {
            Input::Outranked { term, .. } | Input::Resign { term } | Input::HandOver { term } => {
                Some(*term)
            }
            _ => None,
        };
        node.watch.begin(asked, matches!(input, Input::Leave));
        election.handle(now, input, &mut effects);
        if !self.timers_are_late && now >= election.next_wake() {
            election.handle(now, Input::Tick, &mut effects);
        }
        let happen = match node.power_cut {
            Some(limit) if limit < effects.len() => limit,
            _ => effects.len(),
        };
        let fails = happen < effects.len();
        for effect in effects.into_iter().take(happen) {
            self.carry_out(index, now, effect);
        }
        if fails {
            return self.restart(index, Disk::Kept);
        }
        self.raise_floor(index);
        self.check(index);
    }

    fn carry_out(&mut self, index: usize, now: Instant, effect: Effect) {
        let node = &mut self.nodes[index];
        let who = crate::checks::Who { index, start: node.start, list: &node.list, now };
        match effect {
            Effect::Persist(hard) => {
                self.checks.persisted(&who, node.disk.as_ref(), &hard);
                node.disk = Some(hard);
            }
            Effect::Send { to, message } => {
                self.checks.sent(&who, &node.watch, node.disk.as_ref(), &message);
                let to = (0..self.nodes.len()).find(|peer| crate::setting::node(*peer) == to);
                if let Some(to) = to {
                    self.send(Parcel::new(index, to, What::Message(*message)));
                }
            }
            Effect::ReadRoll => {
                let what = What::Call(node.start, Call::Read);
                self.send(Parcel::new(index, STORE, what));
            }
            Effect::CallRoll { seen, boots } => {
                let what = What::Call(node.start, Call::Roll { seen, boots });
                self.send(Parcel::new(index, STORE, what));
            }
            Effect::Event(event) => {
                self.checks.told(&who, &mut node.watch, &event);
                self.events.push((index, event));
            }
        }
    }

    /// An elected leader that holds a lease raises the floor, and looks at it ever after.
    fn raise_floor(&mut self, index: usize) {
        let now_ns = self.now_ns;
        let node = &mut self.nodes[index];
        let Some(election) = node.election.as_ref().filter(|e| e.lease_until().is_some()) else {
            return;
        };
        let (generation, term) = (election.generation(), election.term());
        match &mut node.raise {
            Some(raise) if (raise.generation, raise.term) == (generation, term) => {
                if now_ns < raise.asked_ns + ASK_AGAIN {
                    return;
                }
                raise.asked_ns = now_ns;
            }
            raise => *raise = Some(Raise { generation, term, asked_ns: now_ns }),
        }
        let call = Call::Raise { generation, term, holder: election.me() };
        let what = What::Call(node.start, call);
        if self.setting.store {
            self.send(Parcel::new(index, STORE, what));
        }
    }

    pub fn tick_if_due(&mut self, index: usize) {
        let due = self.up(index).is_some_and(|e| e.next_wake() <= self.clock(index));
        if due && !is_in(self.frozen, index) {
            self.handle(index, Input::Tick);
        }
    }

    fn tick_all(&mut self) {
        for index in 0..self.nodes.len() {
            self.tick_if_due(index);
        }
    }

    /// True time passes in which nobody does anything.
    pub fn pass(&mut self, ms: u64) {
        self.now_ns += ms * MS;
    }

    /// True time passes, and each hop takes a millisecond.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.pass(1);
            self.arrive(self.now_ns);
            self.tick_all();
        }
    }

    /// Those that stood still find their timers before their messages, which is the other order.
    pub fn tick_then_run(&mut self, ms: u64) {
        self.tick_all();
        self.run(ms);
    }

    /// The one leader that holds a lease by its own clock.
    pub fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|&index| {
            let until = self.up(index).and_then(Election::lease_until);
            until.is_some_and(|until| self.clock(index) < until)
        })
    }

    /// Whether somebody leads at some time from now on.
    pub fn leads_within(&mut self, ms: u64) -> bool {
        (0..ms).any(|_| {
            self.run(1);
            self.leader().is_some()
        })
    }

    /// The one leader, for tests that know there is one.
    pub fn the_leader(&self) -> usize {
        self.leader().expect("there is a leader")
    }

    /// Whether there is an event of that node that `pick` wants.
    pub fn told(&self, index: usize, pick: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(who, event)| *who == index && pick(event))
    }

    fn check(&mut self, index: usize) {
        let now = self.clock(index);
        let node = &mut self.nodes[index];
        if let Some(election) = &node.election {
            self.checks.state(index, now, election, &mut node.watch);
        }
        let holders = |peer: &usize| {
            let until = self.up(*peer).and_then(Election::lease_until);
            until.is_some_and(|until| self.clock(*peer) < until)
        };
        let holders: Vec<_> = (0..self.nodes.len()).filter(holders).collect();
        self.checks.leases(&holders, self.now_ns);
    }

    /// Starts a node with that list, for the first time or again.
    pub fn add_or_start(&mut self, index: usize, list: Vec<NodeId>) {
        if index == self.nodes.len() {
            self.add_node(list, None);
            return;
        }
        self.nodes[index].list = list;
        if self.nodes[index].election.is_none() {
            self.start(index);
        }
    }

    /// The network is whole, and nobody stands still.
    pub fn mend(&mut self) {
        (self.cut, self.frozen, self.weather) = (Cut::default(), 0, Weather::default());
        self.broken = [0; STORE];
    }

    /// All faults end, and everyone is up. What is on its way still arrives.
    pub fn heal(&mut self) {
        self.mend();
        for index in 0..self.nodes.len() {
            self.nodes[index].power_cut = None;
            if self.nodes[index].election.is_none() {
                self.start(index);
            } else if self.nodes[index].leaving {
                self.restart(index, Disk::Kept);
            }
        }
    }
}
