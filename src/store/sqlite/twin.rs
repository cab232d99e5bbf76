//! The SQLite store against its twin: the same rules, written down a second time, dumbly and in
//! memory. Random operations with random tokens, ids and clocks must be answered alike and lead to
//! the same rows; and whatever the answers, no token but the floor changes a row (F1), states change
//! only along the known ways (D4), and the floor outlives every roll call (F4).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{at, boot, current, message, next, node};
use super::*;
use crate::id::{Boot, Generation, Term};
use crate::store::{Activated, Counts, Doubt, Roll};

use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};

#[derive(Debug, Clone)]
enum Op {
    Enqueue(usize),
    /// Generation, token, holder.
    Activate(u64, u64, u64),
    /// The generation that was seen; numbers of nodes, and their nonces.
    CallRoll(u64, Vec<(u64, u64)>),
    Sweep(u64),
    /// The last number says how many attempts ago the call was meant for.
    Claim(u64, usize, u64),
    Settle(u64, usize, Settlement, u64),
    Resolve(u64, usize, Proof, u64),
}

const IDS: [&str; 3] = ["a", "b", "c"];

/// Stands for the floor of the moment, so that not every operation is refused.
const FLOOR: u64 = 99;

/// Stands for the generation of the moment.
const CURRENT: u64 = 99;

impl Op {
    /// The operation with that token and that generation filled in.
    fn with(mut self, floor: u64, current: u64) -> Self {
        if let Self::Activate(generation, ..) | Self::CallRoll(generation, _) = &mut self
            && *generation == CURRENT
        {
            *generation = current;
        }
        if let Self::Sweep(token)
        | Self::Claim(token, ..)
        | Self::Settle(token, ..)
        | Self::Resolve(token, ..) = &mut self
            && *token == FLOOR
        {
            *token = floor;
        }
        self
    }
}

fn ops() -> impl Strategy<Value = Vec<(u64, Op)>> {
    let token = prop_oneof![6 => Just(FLOOR), 1 => 0..12u64];
    let generation = prop_oneof![4 => Just(CURRENT), 1 => 0..6u64];
    let nonce = prop_oneof![0..3u64, Just(u64::MAX)];
    let id = 0..IDS.len();
    let settlement = prop_oneof![
        Just(Settlement::Delivered),
        Just(Settlement::Failed { reason: "no such street".into() }),
        Just(Settlement::InDoubt { reason: "timeout".into() }),
        Just(Settlement::InDoubt { reason: "stopped".into() }),
    ];
    let proof = prop_oneof![
        Just(Proof::SinkHasIt),
        Just(Proof::SinkLacksIt),
        Just(Proof::NeverSent),
        Just(Proof::Park { reason: "the sink cannot tell".into() }),
        (0..100u64).prop_map(|ms| Proof::Deduplicated { window: Duration::from_millis(ms) }),
    ];
    let late = prop_oneof![8 => Just(0u64), 1 => Just(1u64)];
    let op = prop_oneof![
        2 => id.clone().prop_map(Op::Enqueue),
        1 => (generation.clone(), 0..12u64, 1..3u64).prop_map(|(g, t, h)| Op::Activate(g, t, h)),
        1 => (generation, prop::collection::vec((1..4u64, nonce), 0..4))
            .prop_map(|(seen, boots)| Op::CallRoll(seen, boots)),
        1 => token.clone().prop_map(Op::Sweep),
        5 => (token.clone(), id.clone(), late.clone()).prop_map(|(t, i, l)| Op::Claim(t, i, l)),
        4 => (token.clone(), id.clone(), settlement, late.clone())
            .prop_map(|(t, i, s, l)| Op::Settle(t, i, s, l)),
        5 => (token, id, proof, late).prop_map(|(t, i, p, l)| Op::Resolve(t, i, p, l)),
    ];
    // Mostly forwards, now and then a step back.
    let now = prop_oneof![4 => 0..20u64, 1 => 100..120u64];
    prop::collection::vec((now, op), 0..120).prop_map(|ops| {
        let mut clock = 50_u64;
        let step = |(step, op): (u64, Op)| {
            clock = if step < 100 { clock + step } else { clock - (step - 90).min(clock) };
            (clock, op)
        };
        ops.into_iter().map(step).collect()
    })
}

/// A row of the twin: an entry, and the one column that an entry does not show.
#[derive(Debug, Clone)]
struct TwinRow {
    entry: Entry,
    send_until: Option<u64>,
}

#[derive(Debug, Default)]
struct Twin {
    floor: u64,
    /// 0: nobody in this generation.
    holder: u64,
    generation: u64,
    roll: Vec<Boot>,
    rows: Vec<TwinRow>,
}

impl Twin {
    fn find(&mut self, id: usize) -> Option<&mut TwinRow> {
        self.rows.iter_mut().find(|row| row.entry.id.as_str() == IDS[id])
    }

    fn may_write(&self, token: u64) -> bool {
        token > 0 && token == self.floor
    }

    fn run(&mut self, now: u64, op: &Op) -> String {
        let floor = Token(self.floor);
        match op.clone() {
            Op::Enqueue(id) => format!("{:?}", self.enqueue(id, now)),
            Op::Activate(generation, token, holder) => {
                format!("{:?}", self.activate(generation, token, holder))
            }
            Op::CallRoll(seen, boots) => format!("{:?}", self.call_roll(seen, boots)),
            Op::Sweep(token) => format!("{:?}", self.sweep(token, now)),
            Op::Claim(token, ..) if !self.may_write(token) => {
                format!("{:?}", Claim::Fenced { floor })
            }
            Op::Settle(token, ..) | Op::Resolve(token, ..) if !self.may_write(token) => {
                format!("{:?}", Settled::Fenced { floor })
            }
            Op::Claim(_, id, late) | Op::Settle(_, id, _, late) | Op::Resolve(_, id, _, late)
                if late > 0 =>
            {
                let state = self.find(id).map(|row| row.entry.state);
                match op {
                    Op::Claim(..) => format!("{:?}", Claim::NotPending { state }),
                    _ => format!("{:?}", Settled::Refused { state }),
                }
            }
            Op::Claim(token, id, _) => format!("{:?}", self.claim(token, id, now)),
            Op::Settle(token, id, settlement, _) => {
                format!("{:?}", self.settle(token, id, settlement, now))
            }
            Op::Resolve(token, id, proof, _) => {
                format!("{:?}", self.resolve(token, id, &proof, now))
            }
        }
    }

    fn activate(&mut self, generation: u64, token: u64, holder: u64) -> Activated {
        if generation == self.generation {
            if token > self.floor {
                (self.floor, self.holder) = (token, holder);
            }
            if (self.floor, self.holder) == (token, holder) {
                return Activated::Raised;
            }
        }
        let generation = Generation::stored(self.generation);
        Activated::Behind { floor: Token(self.floor), generation }
    }

    /// `None`: refused.
    fn call_roll(&mut self, seen: u64, boots: Vec<(u64, u64)>) -> Option<Roll> {
        // Nodes sort as their numbers do, and the same node twice is the same key twice.
        let distinct: BTreeMap<u64, u64> = boots.iter().copied().collect();
        if boots.is_empty() || distinct.len() < boots.len() {
            return None;
        }
        if seen == self.generation {
            self.generation += 1;
            self.holder = 0;
            self.roll = distinct.into_iter().map(numbered).collect();
        }
        Some(self.roll())
    }

    fn roll(&self) -> Roll {
        let generation = Generation::stored(self.generation);
        Roll { generation, floor: Term(self.floor), boots: self.roll.clone() }
    }

    fn enqueue(&mut self, id: usize, now: u64) -> Enqueued {
        if let Some(row) = self.find(id) {
            return Enqueued::Exists(row.entry.state);
        }
        let entry = Entry {
            id: message(IDS[id]),
            state: Pending,
            token: None,
            parked: false,
            reason: None,
            attempts: 0,
            enqueued: at(now),
            first_claimed: None,
            changed: at(now),
            claimer_wall: None,
        };
        self.rows.push(TwinRow { entry, send_until: None });
        Enqueued::Added
    }

    fn sweep(&mut self, token: u64, now: u64) -> Option<u64> {
        if !self.may_write(token) {
            return None;
        }
        let mut swept = 0;
        for TwinRow { entry, .. } in &mut self.rows {
            if let (Claimed, Some(claimer)) = (entry.state, entry.token)
                && claimer < Token(token)
            {
                entry.state = InDoubt;
                let why =
                    format!("claimed by {claimer}, whose holder was deposed; outcome unknown");
                entry.reason = Some(why);
                entry.changed = at(now);
                swept += 1;
            }
        }
        Some(swept)
    }

    fn claim(&mut self, token: u64, id: usize, now: u64) -> Claim {
        let Some(row) = self.find(id) else { return Claim::NotPending { state: None } };
        let send_within =
            row.send_until.map(|until| Duration::from_millis(until.saturating_sub(now)));
        let entry = &mut row.entry;
        if entry.state == Claimed && entry.token == Some(Token(token)) {
            return Claim::Granted { send_within };
        }
        if entry.state != Pending {
            return Claim::NotPending { state: Some(entry.state) };
        }
        entry.changed = at(now);
        if send_within == Some(Duration::ZERO) {
            window_over(entry);
            return Claim::NotPending { state: Some(InDoubt) };
        }
        entry.state = Claimed;
        entry.token = Some(Token(token));
        entry.attempts += 1;
        entry.first_claimed.get_or_insert(at(now));
        entry.claimer_wall = Some(at(now + 7));
        Claim::Granted { send_within }
    }

    fn settle(&mut self, token: u64, id: usize, settlement: Settlement, now: u64) -> Settled {
        let (target, reason) = match settlement {
            Settlement::Delivered => (Delivered, None),
            Settlement::Failed { reason } => (Failed, Some(reason)),
            Settlement::InDoubt { reason } => (InDoubt, Some(reason)),
        };
        let Some(TwinRow { entry, .. }) = self.find(id) else {
            return Settled::Refused { state: None };
        };
        let own = entry.token == Some(Token(token));
        if own && entry.state == Claimed {
            entry.state = target;
            entry.changed = at(now);
            if reason.is_some() {
                entry.reason = reason;
            }
        }
        if own && entry.state == target {
            Settled::Now(target)
        } else {
            Settled::Refused { state: Some(entry.state) }
        }
    }

    fn resolve(&mut self, token: u64, id: usize, proof: &Proof, now: u64) -> Settled {
        let Some(row) = self.find(id) else { return Settled::Refused { state: None } };
        let entry = &mut row.entry;
        if entry.state != InDoubt {
            return Settled::Refused { state: Some(entry.state) };
        }
        let before = entry.clone();
        match proof {
            Proof::SinkHasIt => entry.state = Delivered,
            Proof::SinkLacksIt => {
                entry.state = Pending;
                row.send_until = None;
            }
            Proof::NeverSent if entry.token == Some(Token(token)) && !entry.parked => {
                entry.state = Pending;
            }
            Proof::NeverSent => return Settled::Refused { state: Some(InDoubt) },
            Proof::Deduplicated { .. } | Proof::Park { .. } if entry.parked => {}
            Proof::Deduplicated { window } => {
                let first = entry.first_claimed.expect("what is in doubt was claimed").unix_ms;
                let until = first + u64::try_from(window.as_millis()).unwrap();
                if now < until {
                    entry.state = Pending;
                    row.send_until = Some(until);
                } else {
                    window_over(entry);
                }
            }
            Proof::Park { reason } => {
                entry.parked = true;
                entry.reason = Some(reason.clone());
            }
        }
        if entry.state != InDoubt {
            entry.parked = false;
        }
        if *entry != before {
            entry.changed = at(now);
        }
        Settled::Now(entry.state)
    }
}

fn numbered((number, nonce): (u64, u64)) -> Boot {
    boot(&format!("n{number}"), nonce)
}

fn window_over(entry: &mut Entry) {
    entry.state = InDoubt;
    entry.parked = true;
    let over = "the deduplication window is over";
    entry.reason = Some(match entry.reason.take() {
        Some(reason) => format!("{reason}; {over}"),
        None => over.into(),
    });
}

/// An attempt that many before this one; one that never was, if there were not so many.
fn ago(attempt: Attempt, late: u64) -> Attempt {
    Attempt { number: attempt.number.wrapping_sub(late).min(1 << 40), ..attempt }
}

fn run(outbox: &mut SqliteOutbox, now: u64, op: &Op) -> String {
    let id = |id: usize| message(IDS[id]);
    let at_now = at(now);
    match op.clone() {
        Op::Enqueue(m) => format!("{:?}", outbox.enqueue(&id(m), b"payload", at_now).unwrap()),
        Op::Activate(generation, token, holder) => {
            let (generation, holder) = (Generation::stored(generation), node("n", holder));
            format!("{:?}", outbox.activate(generation, Token(token), holder, at_now).unwrap())
        }
        Op::CallRoll(seen, boots) => {
            let boots: Vec<_> = boots.into_iter().map(numbered).collect();
            format!("{:?}", outbox.call_roll(Generation::stored(seen), &boots).ok())
        }
        Op::Sweep(token) => format!("{:?}", outbox.sweep(Token(token), at_now).unwrap()),
        Op::Claim(token, m, late) => {
            let attempt = ago(next(outbox, IDS[m]), late);
            format!("{:?}", outbox.claim(Token(token), &attempt, at(now + 7), at_now).unwrap())
        }
        Op::Settle(token, m, settlement, late) => {
            let attempt = ago(current(outbox, IDS[m]), late);
            format!("{:?}", outbox.settle(Token(token), &attempt, &settlement, at_now).unwrap())
        }
        Op::Resolve(token, m, proof, late) => {
            let attempt = ago(current(outbox, IDS[m]), late);
            format!("{:?}", outbox.resolve(Token(token), &attempt, &proof, at_now).unwrap())
        }
    }
}

fn token_of(op: &Op) -> Option<u64> {
    match *op {
        Op::Enqueue(_) | Op::Activate(..) | Op::CallRoll(..) => None,
        Op::Sweep(token)
        | Op::Claim(token, ..)
        | Op::Settle(token, ..)
        | Op::Resolve(token, ..) => Some(token),
    }
}

/// D4, where a store may also park what it was asked to claim too late.
fn may_follow(old: &Entry, new: &Entry) -> bool {
    match (old.state, new.state) {
        (old, new) if old == new => true,
        (Pending, Claimed) | (Claimed, Delivered | Failed | InDoubt) => true,
        (InDoubt, Pending | Delivered) => true,
        (Pending, InDoubt) => new.parked,
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_store_and_its_twin_agree(ops in ops()) {
        let mut outbox = SqliteOutbox::in_memory().unwrap();
        let mut twin = Twin::default();
        let mut rows: Vec<Entry> = Vec::new();
        for (now, op) in ops {
            let op = op.with(twin.floor, twin.generation);
            let before = twin.floor;
            let allowed = token_of(&op).is_none_or(|token| twin.may_write(token));
            prop_assert_eq!(run(&mut outbox, now, &op), twin.run(now, &op), "{:?} at {}", op, now);

            let entries = outbox.entries(None).unwrap();
            prop_assert!(allowed || entries == rows, "F1: {op:?} changed {rows:?} to {entries:?}");
            for (old, new) in rows.iter().zip(&entries) {
                prop_assert!(may_follow(old, new), "D4: {op:?} changed {old:?} to {new:?}");
            }
            let expected: Vec<Entry> = twin.rows.iter().map(|row| row.entry.clone()).collect();
            prop_assert_eq!(&entries, &expected);
            rows = entries;

            let roll = outbox.roll().unwrap();
            prop_assert!(roll.floor >= Term(before), "F4: {:?} lowered the floor", op);
            prop_assert_eq!(roll, twin.roll());
        }

        let pending: Vec<_> = rows.iter().filter(|e| e.state == Pending).map(|e| &e.id).collect();
        let found = outbox.pending(usize::MAX).unwrap();
        prop_assert_eq!(found.iter().map(|m| &m.id).collect::<Vec<_>>(), pending);
        let doubt = |e: &Entry| (e.state == InDoubt && !e.parked).then(|| Doubt {
            attempt: Attempt { id: e.id.clone(), number: e.attempts },
            token: e.token.unwrap(),
            reason: e.reason.clone().unwrap(),
        });
        prop_assert_eq!(outbox.doubts(9).unwrap(), rows.iter().filter_map(doubt).collect::<Vec<_>>());
        let mut counts = Counts::default();
        for entry in &rows {
            counts.by_state[entry.state as usize] += 1;
        }
        prop_assert_eq!(outbox.counts().unwrap(), counts);
    }
}
