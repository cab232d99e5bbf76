//! The SQLite store against its twin: the same rules, written down a second time (see `model`), dumbly
//! and in memory. Random operations with random tokens, ids and clocks must be answered alike and lead
//! to the same rows; and whatever the answers, no token but the floor changes a row (F1), states
//! change only along the known ways (D4), messages of one key keep their order, and the floor outlives
//! every roll call (F4).

mod model;

use proptest::prelude::*;

use self::model::Twin;
use super::tests::{at, boot, current, message, next, node};
use super::*;
use crate::id::{Boot, Generation, Term, Token};
use crate::store::{
    Attempt, Counts, Doubt, Entry, MessageState, NewMessage, OrderingKey, Permit, Proof, Ruling,
    Settlement, Verdict,
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
        (0..30u64).prop_map(|ms| Proof::SinkLacksIt { after: Duration::from_millis(ms) }),
        Just(Proof::GivenUp { reason: "too often".into() }),
        Just(Proof::Park { reason: "the sink cannot tell".into() }),
        (0..100u64, 0..30u64).prop_map(|(window, after)| Proof::Deduplicated {
            window: Duration::from_millis(window),
            after: Duration::from_millis(after),
        }),
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

fn key(key: &str) -> OrderingKey {
    OrderingKey::new(key).unwrap()
}

fn numbered((number, nonce): (u64, u64)) -> Boot {
    boot(&format!("n{number}"), nonce)
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
            let permit = Permit::of_holder(Token(token));
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
        (InDoubt, Failed) => judged || matches!(op, Op::Resolve(.., Proof::GivenUp { .. }, _)),
        (Failed, Pending) => judged,
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
                && entry.not_before.is_none_or(|due| due <= now || entry.changed > now)
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
            failures: e.failures,
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
