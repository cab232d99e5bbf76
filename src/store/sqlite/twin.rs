//! The SQLite store against its twin: the same rules, written down a second time, dumbly and in
//! memory. Random operations with random tokens, ids and clocks must be answered alike and lead to
//! the same rows; and whatever the answers, no token but the floor changes a row (F1), states change
//! only along the known ways (D4), messages of one key keep their order, and the floor outlives every roll call (F4).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{at, boot, current, message, next, node};
use super::*;
use crate::id::{Boot, Generation, Term, Token};
use crate::store::{
    Activated, Attempt, Checked, Claim, Counts, Doubt, Enqueued, Entry, MessageState, NewMessage,
    OrderingKey, Permit, Proof, Roll, Ruling, Settled, Settlement, Verdict,
};

use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};

#[derive(Debug, Clone)]
enum Op {
    Enqueue(usize),
    /// Generation, token, holder.
    Activate(u64, u64, u64),
    /// The generation that was seen; numbers of nodes, and their nonces.
    CallRoll(u64, Vec<(u64, u64)>),
    Sweep(u64),
    /// The last number of each says how many attempts ago the call was meant for.
    Claim(u64, Vec<(usize, u64)>),
    Settle(u64, Vec<(usize, Settlement, u64)>),
    Resolve(u64, usize, Proof, u64),
    Judge(usize, Ruling, Option<u64>),
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// Some of the messages have a key, and are ordered by it.
const KEYS: [Option<&str>; 4] = [None, Some("k"), Some("k"), Some("k")];

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
        Just(Settlement::GivenBack { reason: "stopped".into() }),
        (0..30u64).prop_map(|ms| Settlement::Retry {
            reason: "busy".into(),
            after: Duration::from_millis(ms)
        }),
    ];
    let proof = prop_oneof![
        Just(Proof::SinkHasIt),
        Just(Proof::SinkLacksIt),
        Just(Proof::Park { reason: "the sink cannot tell".into() }),
        (0..100u64).prop_map(|ms| Proof::Deduplicated { window: Duration::from_millis(ms) }),
    ];
    let ruling = prop_oneof![
        Just(Ruling::Delivered),
        Just(Ruling::Failed),
        Just(Ruling::Resend),
        Just(Ruling::Requeue),
    ];
    let attempt = prop_oneof![2 => Just(None), 1 => (0..4u64).prop_map(Some)];
    let late = prop_oneof![8 => Just(0u64), 1 => Just(1u64)];
    let op = prop_oneof![
        2 => id.clone().prop_map(Op::Enqueue),
        1 => (generation.clone(), 0..12u64, 1..3u64).prop_map(|(g, t, h)| Op::Activate(g, t, h)),
        1 => (generation, prop::collection::vec((1..4u64, nonce), 0..4))
            .prop_map(|(seen, boots)| Op::CallRoll(seen, boots)),
        1 => token.clone().prop_map(Op::Sweep),
        6 => (token.clone(), prop::collection::vec((id.clone(), late.clone()), 1..4))
            .prop_map(|(t, claims)| Op::Claim(t, claims)),
        5 => (token.clone(), prop::collection::vec((id.clone(), settlement, late.clone()), 1..4))
            .prop_map(|(t, said)| Op::Settle(t, said)),
        5 => (token, id.clone(), proof, late).prop_map(|(t, i, p, l)| Op::Resolve(t, i, p, l)),
        2 => (id, ruling, attempt).prop_map(|(i, r, a)| Op::Judge(i, r, a)),
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

#[derive(Debug, Default)]
struct Twin {
    floor: u64,
    /// 0: nobody in this generation.
    holder: u64,
    generation: u64,
    roll: Vec<Boot>,
    rows: Vec<Entry>,
}

impl Twin {
    fn find(&mut self, id: usize) -> Option<&mut Entry> {
        self.rows.iter_mut().find(|row| row.id.as_str() == IDS[id])
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
            Op::Judge(id, ruling, attempt) => format!("{:?}", self.judge(id, ruling, attempt, now)),
            Op::Sweep(token)
            | Op::Claim(token, _)
            | Op::Settle(token, _)
            | Op::Resolve(token, ..)
                if !self.may_write(token) =>
            {
                format!("{:?}", Checked::<()>::Fenced { floor })
            }
            Op::Sweep(token) => format!("{:?}", Checked::Passed(self.sweep(token, now))),
            Op::Claim(token, claims) => {
                // All attempts are meant as they stand before the batch.
                let numbers: Vec<_> = claims.iter().map(|(id, _)| self.next(*id)).collect();
                let claim = |((id, late), number): (&(usize, u64), u64)| match late {
                    0 => self.claim(token, *id, number, now),
                    _ => Claim::Refused { state: self.find(*id).map(|row| row.state) },
                };
                let answers: Vec<_> = claims.iter().zip(numbers).map(claim).collect();
                format!("{:?}", Checked::Passed(answers))
            }
            Op::Settle(token, said) => {
                let settle = |(id, settlement, late): (usize, Settlement, u64)| match late {
                    0 => self.settle(token, id, settlement, now),
                    _ => Settled::Refused { state: self.find(id).map(|row| row.state) },
                };
                let answers: Vec<_> = said.into_iter().map(settle).collect();
                format!("{:?}", Checked::Passed(answers))
            }
            Op::Resolve(_, id, _, late) if late > 0 => {
                let state = self.find(id).map(|row| row.state);
                format!("{:?}", Checked::Passed(Settled::Refused { state }))
            }
            Op::Resolve(_, id, proof, _) => {
                format!("{:?}", Checked::Passed(self.resolve(id, &proof, now)))
            }
        }
    }

    /// The attempt that a claim is about.
    fn next(&mut self, id: usize) -> u64 {
        self.find(id).map_or(1, |row| row.attempts + u64::from(row.state != Claimed))
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
            return Enqueued::Exists(row.state);
        }
        self.rows.push(Entry {
            id: message(IDS[id]),
            key: KEYS[id].map(key),
            state: Pending,
            token: None,
            parked: false,
            reason: None,
            attempts: 0,
            failures: 0,
            enqueued: at(now),
            first_claimed: None,
            not_before: None,
            send_until: None,
            changed: at(now),
            claimer_wall: None,
        });
        Enqueued::Added
    }

    fn sweep(&mut self, token: u64, now: u64) -> u64 {
        let mut swept = 0;
        for row in &mut self.rows {
            if let (Claimed, Some(claimer)) = (row.state, row.token)
                && claimer < Token(token)
            {
                row.state = InDoubt;
                let why =
                    format!("claimed by {claimer}, whose holder was deposed; outcome unknown");
                row.reason = Some(why);
                row.changed = at(now);
                swept += 1;
            }
        }
        swept
    }

    fn is_behind(&self, id: usize) -> bool {
        let before = self.rows.iter().take_while(|row| row.id.as_str() != IDS[id]);
        let mut of_key = before.filter(|row| row.key.is_some() && row.key == KEYS[id].map(key));
        of_key.any(|row| !matches!(row.state, Delivered | Failed))
    }

    fn claim(&mut self, token: u64, id: usize, number: u64, now: u64) -> Claim {
        let behind = self.is_behind(id);
        let Some(row) = self.find(id) else { return Claim::Refused { state: None } };
        let send_within =
            row.send_until.map(|until| Duration::from_millis(until.unix_ms.saturating_sub(now)));
        if row.state == Claimed && row.token == Some(Token(token)) && row.attempts == number {
            return Claim::Granted { send_within };
        }
        if row.state != Pending || row.attempts + 1 != number || behind {
            return Claim::Refused { state: Some(row.state) };
        }
        row.changed = at(now);
        if send_within == Some(Duration::ZERO) {
            window_over(row);
            return Claim::Refused { state: Some(InDoubt) };
        }
        row.state = Claimed;
        row.token = Some(Token(token));
        row.attempts += 1;
        row.not_before = None;
        row.first_claimed.get_or_insert(at(now));
        row.claimer_wall = Some(at(now + 7));
        Claim::Granted { send_within }
    }

    fn settle(&mut self, token: u64, id: usize, settlement: Settlement, now: u64) -> Settled {
        let Some(row) = self.find(id) else { return Settled::Refused { state: None } };
        let own = row.token == Some(Token(token));
        let open = own && row.state == Claimed;
        let (target, reason) = match settlement {
            Settlement::Delivered => (Delivered, None),
            Settlement::Failed { reason } => (Failed, Some(reason)),
            Settlement::InDoubt { reason } => (InDoubt, Some(reason)),
            Settlement::GivenBack { reason } => (Pending, Some(reason)),
            Settlement::Retry { reason, after } => {
                if open {
                    row.failures += 1;
                    row.not_before = Some(at(now + u64::try_from(after.as_millis()).unwrap()));
                }
                (Pending, Some(reason))
            }
        };
        if open {
            row.state = target;
            row.changed = at(now);
            if target == Pending && row.send_until.is_none() {
                row.first_claimed = None;
            }
            if reason.is_some() {
                row.reason = reason;
            }
        }
        if own && row.state == target {
            Settled::Now(target)
        } else {
            Settled::Refused { state: Some(row.state) }
        }
    }

    fn resolve(&mut self, id: usize, proof: &Proof, now: u64) -> Settled {
        let Some(row) = self.find(id) else { return Settled::Refused { state: None } };
        if row.state != InDoubt {
            return Settled::Refused { state: Some(row.state) };
        }
        let before = row.clone();
        match proof {
            Proof::SinkHasIt => row.state = Delivered,
            Proof::SinkLacksIt => {
                row.state = Pending;
                row.send_until = None;
            }
            Proof::Deduplicated { .. } | Proof::Park { .. } if row.parked => {}
            Proof::Deduplicated { window } => {
                let first = row.first_claimed.expect("what is in doubt was claimed").unix_ms;
                let until = first + u64::try_from(window.as_millis()).unwrap();
                if now < until {
                    row.state = Pending;
                    row.send_until = Some(at(until));
                } else {
                    window_over(row);
                }
            }
            Proof::Park { reason } => {
                row.parked = true;
                row.reason = Some(reason.clone());
            }
        }
        if row.state != InDoubt {
            row.parked = false;
        }
        if *row != before {
            row.changed = at(now);
        }
        Settled::Now(row.state)
    }

    /// Where the message stands then; none if the verdict is not passed.
    fn judge(
        &mut self,
        id: usize,
        ruling: Ruling,
        attempt: Option<u64>,
        now: u64,
    ) -> Option<MessageState> {
        let row = self.find(id)?;
        let (from, to) = match ruling {
            Ruling::Delivered => (InDoubt, Delivered),
            Ruling::Failed => (InDoubt, Failed),
            Ruling::Resend => (InDoubt, Pending),
            Ruling::Requeue => (Failed, Pending),
        };
        let named = attempt.map(|attempt| attempt == row.attempts);
        if row.state != from || !named.unwrap_or(row.parked || from == Failed) {
            return None;
        }
        (row.state, row.parked, row.changed) = (to, false, at(now));
        if to == Pending {
            (row.failures, row.not_before) = (0, None);
            (row.first_claimed, row.send_until) = (None, None);
        }
        Some(to)
    }
}

fn key(key: &str) -> OrderingKey {
    OrderingKey::new(key).unwrap()
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
    let at_now = at(now);
    match op.clone() {
        Op::Enqueue(m) => {
            let new = NewMessage::new(message(IDS[m]), *b"payload");
            let new = NewMessage { key: KEYS[m].map(key), ..new };
            format!("{:?}", outbox.enqueue(&[new], at_now).unwrap()[0])
        }
        Op::Activate(generation, token, holder) => {
            let (generation, holder) = (Generation::stored(generation), node("n", holder));
            format!("{:?}", outbox.activate(generation, Token(token), holder, at_now).unwrap())
        }
        Op::CallRoll(seen, boots) => {
            let boots: Vec<_> = boots.into_iter().map(numbered).collect();
            format!("{:?}", outbox.call_roll(Generation::stored(seen), &boots).ok())
        }
        Op::Sweep(token) => format!("{:?}", outbox.sweep(Token(token), at_now).unwrap()),
        Op::Claim(token, claims) => {
            let attempt = |(m, late): &(usize, u64)| ago(next(outbox, IDS[*m]), *late);
            let attempts: Vec<_> = claims.iter().map(attempt).collect();
            let permit = Permit { token: Token(token) };
            format!("{:?}", outbox.claim(&permit, &attempts, at(now + 7), at_now).unwrap())
        }
        Op::Settle(token, said) => {
            let attempt = |(m, settlement, late)| (ago(current(outbox, IDS[m]), late), settlement);
            let said: Vec<_> = said.into_iter().map(attempt).collect();
            format!("{:?}", outbox.settle(Token(token), &said, at_now).unwrap())
        }
        Op::Resolve(token, m, proof, late) => {
            let attempt = ago(current(outbox, IDS[m]), late);
            format!("{:?}", outbox.resolve(Token(token), &attempt, &proof, at_now).unwrap())
        }
        Op::Judge(m, ruling, attempt) => {
            let (id, by, why) = (message(IDS[m]), "Ada".into(), "known".into());
            let passed = outbox.judge(&Verdict { id, attempt, ruling, by, why }, at_now);
            format!("{:?}", passed.ok().map(|passed| passed.to))
        }
    }
}

/// Whose write a token must allow; a verdict needs none.
fn token_of(op: &Op) -> Option<u64> {
    match *op {
        Op::Enqueue(_) | Op::Activate(..) | Op::CallRoll(..) | Op::Judge(..) => None,
        Op::Sweep(token)
        | Op::Claim(token, ..)
        | Op::Settle(token, ..)
        | Op::Resolve(token, ..) => Some(token),
    }
}

/// D4, where a store may also park what it was asked to claim too late, a batch may say several
/// things of one message, and a person may requeue a dead letter.
fn may_follow(op: &Op, old: &Entry, new: &Entry) -> bool {
    let judged = matches!(op, Op::Judge(..));
    match (old.state, new.state) {
        (old, new) if old == new => true,
        (Pending, Claimed) | (Claimed, Delivered | Failed | InDoubt | Pending) => !judged,
        (InDoubt, Pending | Delivered) => true,
        (InDoubt, Failed) | (Failed, Pending) => judged,
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
                prop_assert!(may_follow(&op, old, new), "D4: {op:?} changed {old:?} to {new:?}");
            }
            prop_assert_eq!(&entries, &twin.rows);
            rows = entries;

            let roll = outbox.roll().unwrap();
            prop_assert!(roll.floor >= Term(before), "F4: {:?} lowered the floor", op);
            prop_assert_eq!(roll, twin.roll());
        }

        let now = at(60);
        let due = |(index, entry): &(usize, &Entry)| {
            let of_key = |e: &&Entry| e.key.is_some() && e.key == entry.key;
            let mut earlier = rows[..*index].iter().filter(of_key);
            entry.state == Pending
                && entry.not_before.is_none_or(|due| due <= now)
                && earlier.all(|e| matches!(e.state, Delivered | Failed))
        };
        let pending: Vec<_> =
            rows.iter().enumerate().filter(due).map(|(_, e)| (&e.id, e.attempts + 1, e.failures)).collect();
        let found = outbox.pending(usize::MAX, now).unwrap();
        let found: Vec<_> = found.iter().map(|m| (&m.id, m.attempt, m.failures)).collect();
        prop_assert_eq!(found, pending);
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
