//! The SQLite store, case by case; here what the cases share.

mod broken;
mod claims;
mod doubt;
mod fence;
mod job_runs;
mod order;
mod oversight;
mod pending;
#[cfg(madsim)]
mod planted;
mod retries;
mod schema;
mod statements;

use super::*;
use crate::id::{Boot, Generation, Identity, Incarnation, Term, Token};
use crate::store::{
    Activated, Attempt, Checked, Claim, Doubt, EnqueueError, Enqueued, Entry, FenceRow,
    MAX_PAYLOAD_LEN, MessageId, MessageState, NewMessage, OrderingKey, Permit, Proof, Roll,
    Settled, Settlement,
};
use crate::time::WallTime;

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
    assert_eq!(enqueue(&mut outbox, "m", b"hello", at(1)), Ok(Enqueued::Added));
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

/// The claim of one attempt.
fn claim_one(
    outbox: &mut SqliteOutbox,
    token: Token,
    attempt: &Attempt,
    now: WallTime,
) -> Result<Checked<Claim>, StoreError> {
    let claims =
        outbox.claim(&Permit::of_holder(token), std::slice::from_ref(attempt), at(777), now)?;
    Ok(only(claims))
}

/// The settlement of one attempt.
fn settle_one(
    outbox: &mut SqliteOutbox,
    token: Token,
    attempt: &Attempt,
    settlement: &Settlement,
    now: WallTime,
) -> Result<Checked<Settled>, StoreError> {
    let settled = outbox.settle(token, &[(attempt.clone(), settlement.clone())], now)?;
    Ok(only(settled))
}

fn only<T>(answers: Checked<Vec<T>>) -> Checked<T> {
    match answers {
        Checked::Passed(mut answers) => {
            assert_eq!(answers.len(), 1);
            Checked::Passed(answers.remove(0))
        }
        Checked::Fenced { floor } => Checked::Fenced { floor },
    }
}

pub(super) fn enqueue(
    outbox: &mut SqliteOutbox,
    name: &str,
    payload: &[u8],
    now: WallTime,
) -> Result<Enqueued, EnqueueError> {
    let enqueued = outbox.enqueue(&[NewMessage::new(message(name), payload)], now)?;
    Ok(enqueued[0])
}

fn no_claim(state: Option<MessageState>) -> Checked<Claim> {
    Checked::Passed(Claim::Refused { state })
}

fn refused(state: Option<MessageState>) -> Checked<Settled> {
    Checked::Passed(Settled::Refused { state })
}

fn now_at(state: MessageState) -> Checked<Settled> {
    Checked::Passed(Settled::Now(state))
}

fn claim(outbox: &mut SqliteOutbox, token: u64, now: u64) -> Checked<Claim> {
    let attempt = next(outbox, "m");
    claim_one(outbox, Token(token), &attempt, at(now)).unwrap()
}

fn settle(outbox: &mut SqliteOutbox, token: u64, settlement: &Settlement) -> Checked<Settled> {
    let attempt = current(outbox, "m");
    settle_one(outbox, Token(token), &attempt, settlement, at(20)).unwrap()
}

fn resolve(outbox: &mut SqliteOutbox, token: u64, proof: &Proof, now: u64) -> Checked<Settled> {
    let attempt = current(outbox, "m");
    outbox.resolve(Token(token), &attempt, proof, at(now)).unwrap()
}

fn only_entry(outbox: &mut SqliteOutbox) -> Entry {
    let mut entries = outbox.entries(None).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

const GRANTED: Checked<Claim> = Checked::Passed(Claim::Granted { send_within: None });
const DOUBTFUL: Checked<Settled> = Checked::Passed(Settled::Now(MessageState::InDoubt));

/// A proof for a sink without the message, to be sent again at once.
const LACKS: Proof = Proof::SinkLacksIt { after: Duration::ZERO };

/// A window of a hundred milliseconds, within which a message is sent again at once.
const WINDOW: Proof =
    Proof::Deduplicated { window: Duration::from_millis(100), after: Duration::ZERO };

/// When everything is due.
const LATER: WallTime = WallTime { unix_ms: 1 << 40 };
