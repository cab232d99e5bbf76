//! The outbox: messages in, and the transactions by which a holder delivers them.
//!
//! States of a message: pending → claimed(token) → delivered | failed | in doubt; and from in doubt
//! only by [`Proof`] to delivered, failed or pending again. What is certainly not sent goes from claimed
//! through doubt to pending within one transaction: the holder's own word is the proof.
//!
//! **Order.** A message with a key can be claimed only if no earlier one of that key is pending,
//! claimed or in doubt. A failed one does not block: nobody waits for a dead letter.

use std::future::Future;
use std::time::Duration;

use super::{
    Attempt, Checked, MAX_PAYLOAD_LEN, MessageId, MessageState, NewMessage, Outgoing, Permit,
    Share, StoreError,
};
use crate::id::Token;
use crate::time::WallTime;

/// How many bytes of payloads one look for messages returns at most, unless a single one is longer: a backlog of
/// large ones is read piece by piece, and not into memory as a whole.
pub const MAX_LOOK_LEN: usize = 32 << 20;

/// The answer to enqueueing one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was added.
    Added,
    /// Nothing changed: a message of that id is there already, whatever its payload, and stands
    /// here.
    Exists(MessageState),
}

/// Messages that were not enqueued, or perhaps not: none of them, or all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// Nothing was enqueued.
    #[error("the payload of {id} has {len} bytes, at most {MAX_PAYLOAD_LEN} are allowed")]
    TooLong {
        /// The first message that is too long.
        id: MessageId,
        /// How long its payload is.
        len: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EnqueueError {
    /// Refuses payloads that are too long, before anything is written.
    pub(super) fn check(messages: &[NewMessage]) -> Result<(), Self> {
        match messages.iter().find(|message| message.payload.len() > MAX_PAYLOAD_LEN) {
            Some(long) => Err(Self::TooLong { id: long.id.clone(), len: long.payload.len() }),
            None => Ok(()),
        }
    }
}

/// The answer to the claim of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The attempt is claimed under the token, by this call or an earlier one that said the same.
    Granted {
        /// If the message was released to a deduplicating sink: how long it may still be sent,
        /// counted from the transaction.
        send_within: Option<Duration>,
    },
    /// Nothing changed: the message is none of the permit's share, or the share is not the newest
    /// assignment of its unit.
    NotAssigned,
    /// Nothing to claim: the message is not pending, has been attempted since, is not the first of
    /// its key, or does not exist.
    Refused {
        /// Where it stands.
        state: Option<MessageState>,
    },
}

/// What a holder says about a message that it has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The recipient has it.
    Delivered,
    /// The recipient refused it for good, or for now too often.
    Failed {
        /// In the recipient's words.
        reason: String,
    },
    /// The outcome of the send is unknown.
    InDoubt {
        /// What is known.
        reason: String,
    },
    /// The sink refused it for now, certainly without an effect: it is pending again, one more
    /// failure counted.
    Retry {
        /// In the sink's words.
        reason: String,
        /// It is not to be claimed before this long after the transaction.
        after: Duration,
    },
    /// Nothing of it was sent, or a sink refused it that refuses everything: it is pending again, as
    /// before the claim.
    GivenBack {
        /// Why it was not sent.
        reason: String,
    },
}

impl Settlement {
    /// Where it leads.
    pub fn target(&self) -> MessageState {
        match self {
            Self::Delivered => MessageState::Delivered,
            Self::Failed { .. } => MessageState::Failed,
            Self::InDoubt { .. } => MessageState::InDoubt,
            Self::Retry { .. } | Self::GivenBack { .. } => MessageState::Pending,
        }
    }
}

/// What settles an in-doubt message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The sink, fenced with the resolver's stamp, has the message: it becomes delivered.
    SinkHasIt,
    /// The sink, fenced with the resolver's stamp, does not have it, and what is still on its way
    /// will be refused: it becomes pending, one more failure counted.
    SinkLacksIt {
        /// It is not to be claimed before this long after the transaction.
        after: Duration,
    },
    /// The same, once too often: it becomes failed.
    GivenUp {
        /// Why.
        reason: String,
    },
    /// The sink drops a second effect under the same key within `window` of the first attempt that
    /// may have had one: it becomes pending if that window is still open, one more failure counted,
    /// and may then be claimed only while it is.
    Deduplicated {
        /// The sink's window, less a margin for the last attempt to arrive.
        window: Duration,
        /// It is not to be claimed before this long after the transaction, or the end of the window,
        /// which parks it.
        after: Duration,
    },
    /// There is no proof to be had: it stays in doubt, for a person to settle.
    Park {
        /// Why.
        reason: String,
    },
}

/// The answer to [`Outbox::settle`], for each attempt, and [`Outbox::resolve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The message now stands here, by this call or an earlier one that said the same.
    Now(MessageState),
    /// Nothing changed: the message is not in the state that this starts from, the attempt is another
    /// holder's, or there was a later one.
    Refused {
        /// Where it stands, if it exists.
        state: Option<MessageState>,
    },
}

/// An in-doubt message that is not parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The attempt whose outcome is unknown.
    pub attempt: Attempt,
    /// Who claimed it last.
    pub token: Token,
    /// How often an attempt has failed before, as [`Outgoing::failures`] counts.
    pub failures: u64,
    /// What is known.
    pub reason: String,
}

/// The messages. All calls may be repeated after [`StoreError::Unknown`]: said twice, the same thing
/// under the same token happens once. Each call is one transaction.
pub trait Outbox: Send + Sync + 'static {
    /// Adds these messages, all or none, and answers for each. Needs no token: anybody may ask for a
    /// delivery. Of messages with one id, here or in the store, the first counts.
    ///
    /// Two batches at once that hold the same ids in another order may stop each other: one of them is then
    /// [`StoreError::Unavailable`], and may be said again.
    fn enqueue(
        &self,
        messages: &[NewMessage],
    ) -> impl Future<Output = Result<Vec<Enqueued>, EnqueueError>> + Send;

    /// Puts every message that an earlier token claimed in doubt, and tells how many.
    fn sweep(&self, token: Token) -> impl Future<Output = Result<Checked<u64>, StoreError>> + Send;

    /// The oldest messages that may be claimed now, at most `limit`, and at most one of a key. Fewer if
    /// their payloads have more than [`MAX_LOOK_LEN`] bytes in all, but never none for that.
    fn pending(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send;

    /// As [`pending`](Self::pending), of the messages of a share only. The share is not checked: that
    /// comes with the claim.
    fn pending_of(
        &self,
        share: &Share,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send;

    /// Claims these attempts: "whoever shows the permit is about to send them". Each is granted or
    /// refused by itself. `wall` is the claimer's wall clock, kept as evidence for people.
    fn claim(
        &self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
    ) -> impl Future<Output = Result<Checked<Vec<Claim>>, StoreError>> + Send;

    /// The attempts that are claimed under exactly this permit, whether it still counts or not.
    fn claimed_under(
        &self,
        permit: &Permit,
    ) -> impl Future<Output = Result<Vec<Attempt>, StoreError>> + Send;

    /// Says what became of attempts that are claimed under `token`.
    fn settle(
        &self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
    ) -> impl Future<Output = Result<Checked<Vec<Settled>>, StoreError>> + Send;

    /// The oldest in-doubt messages that are not parked, at most `limit`.
    fn doubts(&self, limit: usize) -> impl Future<Output = Result<Vec<Doubt>, StoreError>> + Send;

    /// Settles an in-doubt message by proof. A [`Proof::Deduplicated`] whose window is over parks it.
    fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> impl Future<Output = Result<Checked<Settled>, StoreError>> + Send;
}
