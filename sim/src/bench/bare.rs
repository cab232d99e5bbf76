//! The bound: a hand-written event loop that carries the same messages as a calm run, between the
//! same election cores and into the same SQLite.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Add;
use std::time::Duration;

use fencepost::election::{Config, Effect, Election, HardState, Input, Message};
use fencepost::store::{MessageId, NewMessage, Outgoing, Permit, Settlement, SqliteOutbox};
use fencepost::{Generation, Instant, NodeId, Token, WallTime};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::streams::stream;

/// The latencies of a calm network, in nanoseconds.
const LATENCY: std::ops::Range<u64> = 300_000..2_000_000;

/// How often the outbox is looked at when it is empty, as the dispatcher does.
const POLL: u64 = 250_000_000;

/// What was carried.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) simulated: f64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            simulated: self.simulated + other.simulated,
        }
    }
}

enum Due {
    Wake(usize),
    Arrive(usize, Box<Message>),
    Enqueue(u32),
    /// A question of the delivery on its way to database or sink.
    Ask(Step),
    /// Its answer on its way back.
    Answer(Step),
}

/// What is asked, with the messages that are left of the batch.
enum Step {
    Look,
    Claim(Vec<Outgoing>),
    Send(Vec<Outgoing>),
    Settle(Vec<Outgoing>),
}

struct Loop {
    now: u64,
    count: u64,
    random: Xoshiro256PlusPlus,
    /// Ordered by time, then by the order of their making.
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    due: Vec<Option<Due>>,
    free: Vec<usize>,
}

impl Loop {
    fn at(&mut self, at: u64, due: Due) {
        self.count += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.due.push(None);
            self.due.len() - 1
        });
        self.due[slot] = Some(due);
        self.heap.push(Reverse((at, self.count, slot)));
    }

    fn after_latency(&mut self, due: Due) {
        let at = self.now + self.random.random_range(LATENCY);
        self.at(at, due);
    }

    fn next(&mut self) -> Option<Due> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.now = at;
        self.free.push(slot);
        self.due[slot].take()
    }
}

/// Carries one calm run of that size.
pub(super) fn run(voters: u32, messages: u32, horizon: Duration, seed: u64) -> Tally {
    let names: Vec<NodeId> =
        (1..=voters).map(|n| format!("n{n}").parse().expect("a short name")).collect();
    let mut cores: Vec<Election> = (0..names.len())
        .map(|index| {
            let config = Config::of_voter(names[index], names.clone());
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64);
            Election::new(config, Some(HardState::at_first_start(&names)), seed, Instant(0))
                .expect("valid")
        })
        .collect();
    let mut outbox = SqliteOutbox::in_memory().expect("a database in memory");
    let mut loop_ = Loop {
        now: 0,
        count: 0,
        random: stream(seed, "bare", 0),
        heap: BinaryHeap::new(),
        due: Vec::new(),
        free: Vec::new(),
    };
    let mut armed: Vec<u64> = cores.iter().map(|core| core.next_wake().0).collect();
    for (index, wake) in armed.iter().enumerate() {
        loop_.at(*wake, Due::Wake(index));
    }
    let every = u64::try_from(horizon.as_nanos()).expect("short") / u64::from(messages + 1);
    (1..=messages).for_each(|n| loop_.at(u64::from(n) * every, Due::Enqueue(n)));
    let end = u64::try_from((horizon + Duration::from_secs(4)).as_nanos()).expect("short");
    let (mut carried, mut token) = (0, Token(0));
    let mut effects = Vec::new();
    let now = WallTime { unix_ms: 1 };
    while let Some(due) = loop_.next() {
        if loop_.now >= end {
            break;
        }
        let (index, input) = match due {
            Due::Wake(index) => {
                armed[index] = u64::MAX;
                (index, Input::Tick)
            }
            Due::Arrive(index, message) => (index, Input::Message(message)),
            Due::Enqueue(number) => {
                let id = MessageId::new(&format!("m{number}")).expect("a short word");
                outbox.enqueue(&[NewMessage::new(id, [0; 32])], now).expect("SQLite in memory");
                continue;
            }
            Due::Ask(step) => {
                carried += 1;
                let answer = serve(step, &mut outbox, token);
                loop_.after_latency(Due::Answer(answer));
                continue;
            }
            Due::Answer(step) => {
                carried += 1;
                match step {
                    Step::Claim(batch) if batch.is_empty() => {
                        loop_.at(loop_.now + POLL, Due::Ask(Step::Look));
                    }
                    next => loop_.after_latency(Due::Ask(next)),
                }
                continue;
            }
        };
        carried += u64::from(matches!(input, Input::Message(_)));
        let core = &mut cores[index];
        core.handle(Instant(loop_.now), input, &mut effects);
        for effect in effects.drain(..) {
            if let Effect::Send { to, message } = effect {
                let to = names.iter().position(|name| *name == to).expect("a voter");
                loop_.after_latency(Due::Arrive(to, message));
            }
        }
        let wake = core.next_wake().0;
        if wake < armed[index] {
            armed[index] = wake;
            loop_.at(wake.max(loop_.now + 1), Due::Wake(index));
        }
        if messages > 0 && core.lease_until().is_some() && token < Token::from(core.term()) {
            token = core.term().into();
            let raised = outbox.activate(Generation::NONE, token, core.me(), now);
            raised.expect("SQLite in memory");
            loop_.after_latency(Due::Ask(Step::Look));
        }
    }
    Tally { messages: carried, simulated: loop_.now as f64 / 1e9 }
}

/// Carries out what was asked and tells what is to be asked next.
fn serve(step: Step, outbox: &mut SqliteOutbox, token: Token) -> Step {
    let now = WallTime { unix_ms: 1 };
    match step {
        Step::Look => Step::Claim(outbox.pending(32, now).expect("SQLite in memory")),
        Step::Claim(batch) if batch.is_empty() => Step::Look,
        Step::Claim(batch) => {
            let attempt = batch[0].next_attempt();
            outbox
                .claim(&Permit::of_holder(token), &[attempt], now, now)
                .expect("SQLite in memory");
            Step::Send(batch)
        }
        Step::Send(batch) => Step::Settle(batch),
        Step::Settle(mut batch) => {
            let attempt = batch.remove(0).next_attempt();
            outbox
                .settle(token, &[(attempt, Settlement::Delivered)], now)
                .expect("SQLite in memory");
            if batch.is_empty() { Step::Look } else { Step::Claim(batch) }
        }
    }
}
