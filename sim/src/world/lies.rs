//! Lies: what leaves a machine is made up on its way. The process behind it is honest and knows nothing
//! of it, so that only what others make of it is on trial.
//!
//! Names are only claimed until connections prove them, so a liar speaks in anybody's. What is made up
//! is no act of the one in whose name it is said, and is not recorded as a message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use fencepost::cluster::Letter;
use fencepost::election::{Body, ConfigId, CrashVector, Message, Release, Roll, View};
use fencepost::node::Packet;
use fencepost::store::{Epoch, Unit};
use fencepost::work::{Granted, WorkBody, WorkMessage};
use fencepost::{Boot, Generation, Identity, Incarnation, Instant, NodeId, Term, Token};
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::place::{Place, Places};
use crate::streams::stream;

/// How many of the last packets that anybody sent are kept, to be said again.
const KEPT: usize = 64;

/// How many lies accompany one packet, at most.
const AT_ONCE: u64 = 3;

/// How many names there are that nobody has.
const STRANGERS: u64 = 100;

/// All machines that may lie.
pub struct Liars(Mutex<Inner>);

struct Inner {
    /// How many faults make each place lie.
    active: Vec<i32>,
    random: Vec<Xoshiro256PlusPlus>,
    names: Vec<NodeId>,
    /// What was said lately, by anybody, while somebody lies.
    said: VecDeque<Packet>,
}

impl Liars {
    /// Nobody lies yet.
    pub fn new(seed: u64, places: &Places) -> Self {
        let names = places.nodes().to_vec();
        let random = (0..names.len()).map(|place| stream(seed, "lies", place as u64)).collect();
        Self(Mutex::new(Inner {
            active: vec![0; names.len()],
            random,
            names,
            said: VecDeque::new(),
        }))
    }

    /// One fault more or less makes that place lie.
    pub fn change(&self, place: Place, by: i32) {
        self.0.lock().expect("never held across a panic").active[place.0] += by;
    }

    /// What is left of a packet that leaves that place: none if lies take its place. Hands those on.
    pub fn say(&self, from: Place, packet: Packet, mut lie: impl FnMut(Packet)) -> Option<Packet> {
        let mut inner = self.0.lock().expect("never held across a panic");
        if inner.active.iter().all(|active| *active == 0) {
            return Some(packet);
        }
        if inner.said.len() == KEPT {
            inner.said.pop_front();
        }
        inner.said.push_back(packet.clone());
        let Inner { active, random, names, said } = &mut *inner;
        if active.get(from.0).is_none_or(|active| *active == 0) {
            return Some(packet);
        }
        let mut liar = Liar { random: &mut random[from.0], names, said };
        for _ in 0..liar.below(AT_ONCE + 1) {
            lie(liar.lie(&packet));
        }
        (!liar.one_in(3)).then_some(packet)
    }
}

struct Liar<'l> {
    random: &'l mut Xoshiro256PlusPlus,
    names: &'l [NodeId],
    said: &'l VecDeque<Packet>,
}

impl Liar<'_> {
    fn below(&mut self, limit: u64) -> u64 {
        self.random.random_range(0..limit)
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// Another packet than this one, more or less.
    fn lie(&mut self, packet: &Packet) -> Packet {
        if self.one_in(4) {
            let which = self.random.random_range(0..self.said.len());
            return self.said[which].clone();
        }
        match packet.clone() {
            Packet::Election(message) => Packet::Election(Box::new(self.forge(*message))),
            Packet::Letter(letter) => Packet::Letter(self.forge_letter(letter)),
        }
    }

    /// A number near `of`, or one at which something could break.
    fn number(&mut self, of: u64) -> u64 {
        match self.below(10) {
            0..=3 => of.wrapping_add(self.below(4)),
            4 => of.saturating_sub(self.below(4)),
            5 => 0,
            6 => of.saturating_add(1 << (20 + self.below(14))),
            7 => i64::MAX as u64 - self.below(2),
            8 => u64::MAX,
            _ => self.random.next_u64(),
        }
    }

    fn name(&mut self) -> NodeId {
        if self.one_in(6) {
            let name = format!("stranger-{}", self.below(STRANGERS));
            return name.parse().expect("letters and digits");
        }
        self.names[self.random.random_range(0..self.names.len())]
    }

    fn identity(&mut self, of: Identity) -> Identity {
        let node = if self.one_in(2) { self.name() } else { of.node };
        Identity { node, incarnation: Incarnation(self.number(of.incarnation.0)) }
    }

    fn generation(&mut self, of: Generation) -> Generation {
        let roll = if self.one_in(4) { self.random.next_u64() } else { of.roll };
        Generation { number: self.number(of.number), roll }
    }

    fn boot(&mut self, of: Boot) -> Boot {
        let node = if self.one_in(2) { self.name() } else { of.node };
        Boot { node, nonce: if self.one_in(3) { self.random.next_u64() } else { of.nonce } }
    }

    fn vector(&mut self, of: &CrashVector) -> Arc<CrashVector> {
        let mut known: Vec<Identity> = of.iter().collect();
        for _ in 0..self.below(40) {
            let of = Identity { node: self.name(), incarnation: Incarnation::FIRST };
            known.push(self.identity(of));
        }
        Arc::new(known.into_iter().collect())
    }

    fn nodes(&mut self) -> Vec<NodeId> {
        (0..self.below(20)).map(|_| self.name()).collect()
    }

    /// A message with some of its fields made up, or with another body.
    fn forge(&mut self, mut message: Message) -> Message {
        if self.one_in(2) {
            message.from.node = self.name();
        }
        match self.below(8) {
            0 => message.term = Term(self.number(message.term.0)),
            1 => message.generation = self.generation(message.generation),
            2 => message.from = self.identity(message.from),
            3 => message.promise = self.number(message.promise),
            4 if self.one_in(4) => message.config = ConfigId(self.random.next_u64()),
            _ => {}
        }
        message.body = if self.one_in(3) { self.body(&message) } else { self.twist(message.body) };
        message
    }

    /// The same body, with other numbers and names.
    fn twist(&mut self, body: Body) -> Body {
        match body {
            Body::PreVoteReply { to, asked, granted } => {
                Body::PreVoteReply { to, asked: Term(self.number(asked.0)), granted: !granted }
            }
            Body::VoteReply { to, granted, known } => {
                Body::VoteReply { to, granted: !granted, known: self.vector(&known) }
            }
            Body::Heartbeat { round, view } => {
                let version = self.number(view.version);
                let view = Arc::new(View { version, participants: self.nodes() });
                Body::Heartbeat { round: self.number(round), view }
            }
            Body::HeartbeatAck { to, round, reading, nonce, priority } => Body::HeartbeatAck {
                to,
                round: self.number(round),
                reading: Instant(self.number(reading.0)),
                nonce: if self.one_in(3) { self.random.next_u64() } else { nonce },
                priority: if self.one_in(3) { u8::MAX } else { priority },
            },
            Body::Rejoining { nonce, heard, stuck } => {
                let stuck = stuck ^ self.one_in(2);
                Body::Rejoining { nonce, heard: self.generation(heard), stuck }
            }
            Body::Known { to, incarnation } => {
                Body::Known { to, incarnation: Incarnation(self.number(incarnation.0)) }
            }
            Body::Registered { to, incarnation, known } => {
                Body::Registered { to, incarnation, known: self.vector(&known) }
            }
            Body::RollCall { roll } => {
                let boots = roll.boots.iter().map(|boot| self.boot(*boot)).collect();
                let generation = self.generation(roll.generation);
                let floor = Term(self.number(roll.floor.0));
                Body::RollCall { roll: Arc::new(Roll { generation, floor, boots }) }
            }
            other => other,
        }
    }

    /// A body of any kind.
    fn body(&mut self, message: &Message) -> Body {
        let me = message.from;
        let to = self.identity(me);
        let nonce = self.random.next_u64();
        let term = message.term;
        let of_boot = Boot { node: me.node, nonce };
        match self.below(18) {
            0 => Body::PreVote,
            1 => Body::PreVoteReply { to, asked: term, granted: true },
            2 => {
                let release =
                    Release { leader: self.identity(me), term: Term(self.number(term.0)) };
                Body::VoteRequest { release: self.one_in(2).then_some(release) }
            }
            3 => {
                let known = self.vector(&CrashVector::default());
                Body::VoteReply { to, granted: true, known }
            }
            4 => {
                let view = View { version: self.number(1), participants: self.nodes() };
                Body::Heartbeat { round: self.number(1), view: Arc::new(view) }
            }
            5 => Body::HeartbeatAck {
                to,
                round: self.number(1),
                reading: Instant(nonce),
                nonce,
                priority: 0,
            },
            6 => Body::NewerTerm { to },
            7 => Body::TakeOver { to },
            8 => Body::Leaving,
            9 => {
                let (heard, stuck) = (self.generation(message.generation), self.one_in(2));
                Body::Rejoining { nonce, heard, stuck }
            }
            10 => {
                let incarnation = Incarnation(self.number(me.incarnation.0));
                Body::Known { to: self.boot(of_boot), incarnation }
            }
            11 => Body::Register { nonce },
            12 => {
                let known = self.vector(&CrashVector::default());
                Body::Registered { to: self.boot(of_boot), incarnation: me.incarnation, known }
            }
            13 => {
                let generation = self.generation(message.generation);
                let boots = self.names.iter().map(|node| Boot { node: *node, nonce }).collect();
                Body::RollCall { roll: Arc::new(Roll { generation, floor: term, boots }) }
            }
            14 => Body::NewerGeneration,
            15 => Body::Superseded { to, by: Incarnation(self.number(to.incarnation.0)) },
            16 => Body::Voters { voters: Arc::new(self.nodes()), asks: self.one_in(2) },
            _ => Body::Observing,
        }
    }

    /// A letter that says something else, perhaps in another's name.
    fn forge_letter(&mut self, letter: Letter) -> Letter {
        let from = if self.one_in(2) { self.name() } else { letter.from };
        let bytes = match WorkMessage::decode(&letter.body) {
            Some(message) if !self.one_in(6) => {
                let WorkMessage { units, body } = message;
                WorkMessage { units, body: self.twist_work(units, body) }.encode()
            }
            _ => {
                let mut bytes = letter.body.to_vec();
                let noise = self.below(64) as usize;
                bytes.resize(noise, 0);
                self.random.fill_bytes(&mut bytes);
                bytes
            }
        };
        Letter { from, body: bytes.into(), ..letter }
    }

    fn units(&mut self, units: u32) -> Vec<Unit> {
        (0..units).filter(|_| self.one_in(2)).map(Unit).collect()
    }

    fn twist_work(&mut self, units: u32, body: WorkBody) -> WorkBody {
        match body {
            WorkBody::Renew { worker, token, question, .. } => WorkBody::Renew {
                worker: self.boot(worker),
                token: Token(self.number(token.0)),
                question: self.number(question),
                holds: self.units(units),
                leaves: self.one_in(4),
            },
            WorkBody::Grant { worker, question, token, units: granted } => {
                let epoch = granted.first().map_or(0, |granted| granted.epoch.0);
                let units = self.units(units);
                let units = units.into_iter().map(|unit| {
                    let epoch = Epoch(self.number(epoch));
                    Granted { unit, epoch }
                });
                let units = units.collect();
                let question = if self.one_in(2) { self.number(question) } else { question };
                let token = if self.one_in(2) { Token(self.number(token.0)) } else { token };
                WorkBody::Grant { worker, question, token, units }
            }
        }
    }
}
