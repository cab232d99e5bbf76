//! The SQLite store, case by case; here what the cases share.

mod claims;
mod doubt;
mod fence;
mod job_runs;
#[cfg(madsim)]
mod planted;
mod schema;
mod statements;

use super::*;
use crate::id::{Boot, Generation, Identity, Incarnation, Term};
use crate::store::{Activated, Doubt, Roll};

pub(super) fn at(unix_ms: u64) -> WallTime {
    WallTime { unix_ms }
}

pub(super) fn message(name: &str) -> MessageId {
    MessageId::new(name).unwrap()
}

pub(super) fn node(name: &str, incarnation: u64) -> Identity {
    Identity { node: name.parse().unwrap(), incarnation: Incarnation(incarnation) }
}

fn in_doubt(reason: &str) -> Settlement {
    Settlement::InDoubt { reason: reason.into() }
}

/// A store whose floor is 5, with the pending message "m".
fn outbox() -> SqliteOutbox {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    assert_eq!(outbox.enqueue(&message("m"), b"hello", at(1)), Ok(Enqueued::Added));
    raise(&mut outbox, 5);
    outbox
}

/// Raises the floor for n1 in whatever generation the store is in.
fn raise(outbox: &mut SqliteOutbox, token: u64) {
    let generation = outbox.fence().unwrap().generation;
    let raised = outbox.activate(generation, Token(token), node("n1", 1), at(2));
    assert_eq!(raised, Ok(Activated::Raised));
}

pub(super) fn boot(name: &str, nonce: u64) -> Boot {
    Boot { node: name.parse().unwrap(), nonce }
}

/// The last attempt at a message.
pub(super) fn current(outbox: &mut SqliteOutbox, name: &str) -> Attempt {
    let entries = outbox.entries(None).unwrap();
    let number = entries.iter().find(|e| e.id.as_str() == name).map_or(0, |e| e.attempts);
    Attempt { id: message(name), number }
}

/// The attempt that a claim is about: a repeated one, if it is claimed, else the next.
pub(super) fn next(outbox: &mut SqliteOutbox, name: &str) -> Attempt {
    let claimed = outbox.state_of(&message(name)) == Ok(Some(MessageState::Claimed));
    let mut attempt = current(outbox, name);
    attempt.number += u64::from(!claimed);
    attempt
}

fn claim(outbox: &mut SqliteOutbox, token: u64, now: u64) -> Claim {
    let attempt = next(outbox, "m");
    outbox.claim(Token(token), &attempt, at(777), at(now)).unwrap()
}

fn settle(outbox: &mut SqliteOutbox, token: u64, settlement: &Settlement) -> Settled {
    let attempt = current(outbox, "m");
    outbox.settle(Token(token), &attempt, settlement, at(20)).unwrap()
}

fn resolve(outbox: &mut SqliteOutbox, token: u64, proof: &Proof, now: u64) -> Settled {
    let attempt = current(outbox, "m");
    outbox.resolve(Token(token), &attempt, proof, at(now)).unwrap()
}

fn only_entry(outbox: &mut SqliteOutbox) -> Entry {
    let mut entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

const GRANTED: Claim = Claim::Granted { send_within: None };
const DOUBTFUL: Settled = Settled::Now(MessageState::InDoubt);
