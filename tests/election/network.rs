//! The network: it delays, loses, repeats and reorders, and pairs are cut off one way or both.

use fencepost::election::{Body, Input, Message};

use crate::store::{Answer, Call};
use crate::world::{MS, World};

/// More than this many parcels on their way, and the oldest are lost.
const NETWORK_LIMIT: usize = 2_000;

/// The store's place in the masks of cuts and pauses, behind all nodes.
pub const STORE: usize = 15;

/// Something on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub from: usize,
    pub to: usize,
    pub what: What,
    /// When it arrives, if nothing is in its way.
    due_ns: u64,
}

impl Parcel {
    pub fn new(from: usize, to: usize, what: What) -> Self {
        Self { from, to, what, due_ns: 0 }
    }
}

#[derive(Debug, Clone)]
pub enum What {
    Message(Message),
    /// To the store, by that start of a node.
    Call(u64, Call),
    /// From the store, to that start of a node.
    Answer(u64, Answer),
    /// From its own service, to that start of a node.
    Command(u64, Input),
}

/// Parcels from one of `from` to one of `to` do not get through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cut {
    pub from: u16,
    pub to: u16,
    /// Nor do those the other way.
    pub both: bool,
    /// Whether what is sent meanwhile is lost, or all arrives when the cut ends.
    pub lose: bool,
}

impl Cut {
    fn is_between(&self, from: usize, to: usize) -> bool {
        let there = is_in(self.from, from) && is_in(self.to, to);
        there || self.both && is_in(self.from, to) && is_in(self.to, from)
    }
}

pub fn is_in(mask: u16, place: usize) -> bool {
    mask >> place & 1 == 1
}

/// What the network does to parcels that are sent from now on, in percent of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// So many of those to `slow_to` take up to `tail_ms` instead of a millisecond.
    pub slow: u8,
    pub slow_to: u16,
    pub tail_ms: u64,
    pub lost: u8,
    /// So many arrive a second time.
    pub twice: u8,
}

impl World {
    pub fn send(&mut self, mut parcel: Parcel) {
        if self.network.len() >= NETWORK_LIMIT {
            self.network.drain(..NETWORK_LIMIT / 2);
        }
        let Weather { slow, slow_to, tail_ms, lost, twice } = self.weather;
        if self.percent(lost)
            || self.cut.lose && self.cut.is_between(parcel.from, parcel.to)
            || self.is_broken(parcel.from, parcel.to)
        {
            return;
        }
        for _ in 0..1 + u8::from(self.percent(twice)) {
            let late = is_in(slow_to, parcel.to) && self.percent(slow);
            let latency = if late { self.draw(tail_ms) } else { 0 };
            parcel.due_ns = self.now_ns + (1 + latency) * MS;
            self.network.push(parcel.clone());
        }
    }

    fn is_broken(&self, from: usize, to: usize) -> bool {
        self.broken.get(from).is_some_and(|mask| is_in(*mask, to))
    }

    /// From now on nothing gets from one node to another.
    pub fn break_link(&mut self, from: usize, to: usize) {
        self.broken[from] |= 1 << to;
    }

    fn percent(&mut self, of: u8) -> bool {
        of > 0 && self.draw(100) < of.into()
    }

    /// A multiplicative congruential generator's high bits: enough for the weather.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.chance >> 33) % below.max(1)
    }

    pub fn deliver(&mut self, parcel: Parcel) {
        let Parcel { from, to, what, .. } = parcel;
        match what {
            What::Message(message) => self.handle(to, Input::Message(message.into())),
            What::Call(start, call) => {
                let answer = self.store.answer(call, &mut self.checks);
                self.send(Parcel::new(STORE, from, What::Answer(start, answer)));
            }
            What::Answer(start, _) | What::Command(start, _) if self.nodes[to].start != start => {}
            What::Answer(_, Answer::Roll(roll)) => self.handle(to, Input::Roll(roll)),
            What::Answer(_, Answer::Behind { term, floor, generation }) => {
                self.handle(to, Input::Outranked { term, floor, generation });
            }
            What::Answer(_, Answer::Raised) => {}
            What::Command(_, input) => self.handle(to, input),
        }
    }

    /// Delivers the messages that `pick` wants, in order; the others stay on their way.
    pub fn deliver_where(&mut self, mut pick: impl FnMut(usize, usize, &Body) -> bool) {
        for parcel in std::mem::take(&mut self.network) {
            match &parcel.what {
                What::Message(message) if pick(parcel.from, parcel.to, &message.body) => {
                    self.deliver(parcel);
                }
                _ => self.network.push(parcel),
            }
        }
    }

    /// Everything on its way arrives, but for what is cut off or goes to a node that stands still.
    pub fn flush(&mut self) {
        self.arrive(u64::MAX);
    }

    pub fn arrive(&mut self, until_ns: u64) {
        for parcel in std::mem::take(&mut self.network) {
            let held = !self.cut.lose && self.cut.is_between(parcel.from, parcel.to);
            if parcel.due_ns > until_ns || held || is_in(self.frozen, parcel.to) {
                self.network.push(parcel);
            } else {
                self.deliver(parcel);
            }
        }
    }
}
