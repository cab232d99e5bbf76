//! The store: the fence and the outbox, changed only in transactions that check the fence.
//!
//! States of a message: pending → claimed(token) → delivered | failed | in doubt; and from in doubt
//! only by [`Proof`] to delivered, failed or pending again. Every write names the writer's token;
//! the transaction that makes it refuses a token that is not the floor (F1, F3).
//!
//! The fence also keeps the cluster's generation and who started it. A roll call moves to the next
//! one and leaves the floor where it is, so that a token has one holder across all of them (F4).

mod job_runs;
mod sqlite;
mod unfenced;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use crate::election::Roll;
use crate::id::{Boot, Generation, Identity, Token};
use crate::time::WallTime;

pub use job_runs::{
    Begun, Finished, InvalidJobName, JOB_HISTORY_KEPT, JobName, JobRuns, JobState, JobStates,
    MAX_JOB_NAME_LEN, MAX_JOB_REASON_LEN, RunEnd, RunRecord, RunSpan, RunState, Running, Skip,
    SkipReason, Step, TakenOver,
};
pub use sqlite::{BindError, EnqueueError, Enqueued, Entry, Fence, SqliteOutbox, SqliteStore};
pub use unfenced::Unfenced;

/// The longest message id, in bytes.
pub const MAX_MESSAGE_ID_LEN: usize = 128;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD_LEN: usize = 1 << 20;

/// The id of a message, which is also its idempotency key: 1 to [`MAX_MESSAGE_ID_LEN`] bytes
/// without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

/// A text that cannot be the id of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a message id has 1 to {MAX_MESSAGE_ID_LEN} bytes and no control characters")]
pub struct InvalidMessageId;

impl MessageId {
    /// Checks and keeps `id`.
    ///
    /// # Errors
    /// It is empty, too long, or has control characters.
    pub fn new(id: &str) -> Result<Self, InvalidMessageId> {
        let valid =
            (1..=MAX_MESSAGE_ID_LEN).contains(&id.len()) && !id.chars().any(char::is_control);
        valid.then(|| Self(id.into())).ok_or(InvalidMessageId)
    }

    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One attempt to deliver a message: what a claim, a settlement and a proof are about. Without the
/// number, a repeat of a call that arrives late would be taken for a word about a later attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The message.
    pub id: MessageId,
    /// Counts the claims of the message, from 1.
    pub number: u64,
}

/// A message of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its id and idempotency key.
    pub id: MessageId,
    /// The number that the next attempt to deliver it has.
    pub attempt: u64,
    /// What is to be delivered.
    pub payload: Arc<[u8]>,
}

impl Outgoing {
    /// The next attempt to deliver it.
    pub fn next_attempt(&self) -> Attempt {
        Attempt { id: self.id.clone(), number: self.attempt }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// Nobody has tried to deliver it, or it is proved that no attempt had an effect.
    Pending,
    /// The holder of a token is about to send it.
    Claimed,
    /// The recipient has it.
    Delivered,
    /// The recipient refused it for good.
    Failed,
    /// It may or may not have been sent.
    InDoubt,
}

impl MessageState {
    /// All states, in the order of the numbers that a store keeps for them.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Claimed, Self::Delivered, Self::Failed, Self::InDoubt];

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::InDoubt => "in doubt",
        }
    }
}
/// The answer to [`Store::activate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// The floor is the token, held by the caller.
    Raised,
    /// Nothing changed: the floor is at or above the token and not the caller's, or the store is in
    /// another generation.
    Behind {
        /// The floor.
        floor: Token,
        /// The generation that the store is in.
        generation: Generation,
    },
}

/// The answer to [`Store::claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The attempt is claimed under the token, by this call or an earlier one that said the same.
    Granted {
        /// If the message was released to a deduplicating sink: how long it may still be sent,
        /// counted from the transaction.
        send_within: Option<Duration>,
    },
    /// Nothing changed: the token is not the floor.
    Fenced {
        /// The floor.
        floor: Token,
    },
    /// Nothing to claim: the message is not pending, has been attempted since, or does not exist.
    NotPending {
        /// Where it stands.
        state: Option<MessageState>,
    },
}

/// What a holder says about a message that it has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The recipient has it.
    Delivered,
    /// The recipient refused it for good.
    Failed {
        /// In the recipient's words.
        reason: String,
    },
    /// The outcome of the send is unknown.
    InDoubt {
        /// What is known.
        reason: String,
    },
}

/// What settles an in-doubt message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The sink, fenced with the resolver's stamp, has the message: it becomes delivered.
    SinkHasIt,
    /// The sink, fenced with the resolver's stamp, does not have it, and what is still on its way
    /// will be refused: it becomes pending.
    SinkLacksIt,
    /// The sink drops a second effect under the same key within `window` of the first attempt: it
    /// becomes pending if that window is still open, and may then be claimed only while it is.
    Deduplicated {
        /// The sink's window, less a margin for the last attempt to arrive.
        window: Duration,
    },
    /// The holder itself claimed it, and sent nothing or was refused each time, without an effect:
    /// it becomes pending.
    NeverSent,
    /// There is no proof to be had: it stays in doubt, for a person to settle.
    Park {
        /// Why.
        reason: String,
    },
}

/// The answer to [`Store::settle`] and [`Store::resolve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The message now stands here, by this call or an earlier one that said the same.
    Now(MessageState),
    /// Nothing changed: the token is not the floor.
    Fenced {
        /// The floor.
        floor: Token,
    },
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
    /// What is known.
    pub reason: String,
}

/// How many messages stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// By state, in the order of [`MessageState::ALL`].
    pub by_state: [u64; 5],
}

impl Counts {
    /// How many messages stand at `state`.
    pub fn of(&self, state: MessageState) -> u64 {
        self.by_state[state as usize]
    }
}

/// A call that failed. What happened to the state is what distinguishes the variants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It did not happen: the store is as it was.
    #[error("the store is unavailable, nothing was changed: {0}")]
    Unavailable(String),
    /// It may have happened, or may still happen: the answer was lost.
    #[error("the outcome of the call is unknown: {0}")]
    Unknown(String),
}

/// Fence and outbox. All calls may be repeated after [`StoreError::Unknown`]: said twice, the same
/// thing under the same token happens once.
pub trait Store: Send + Sync + 'static {
    /// Whether there is a fence behind it. A store that keeps nothing has none, and a guard says so.
    fn is_fence(&self) -> bool {
        true
    }

    /// Raises the floor to `token` for `holder`, if it is lower (F2) and the store is in
    /// `generation` (F4).
    fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> impl Future<Output = Result<Activated, StoreError>> + Send;

    /// The roll of the generation that the store is in.
    fn roll(&self) -> impl Future<Output = Result<Roll, StoreError>> + Send;

    /// Starts the generation after `seen` with these boots, unless the store has moved on from
    /// `seen`, and tells the roll that now stands: the caller looks whether it is on it. Nobody
    /// holds the floor in the new generation.
    fn call_roll(
        &self,
        seen: Generation,
        boots: &[Boot],
    ) -> impl Future<Output = Result<Roll, StoreError>> + Send;

    /// Puts every message that an earlier token claimed in doubt, and tells how many. `None`: the
    /// token is not the floor, nothing changed.
    fn sweep(&self, token: Token) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// The oldest pending messages, at most `limit`.
    fn pending(
        &self,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send;

    /// Claims a pending message: "token is about to send it". `wall` is the claimer's wall clock,
    /// kept as evidence for people.
    fn claim(
        &self,
        token: Token,
        attempt: &Attempt,
        wall: WallTime,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Says what became of an attempt that is claimed under `token`.
    fn settle(
        &self,
        token: Token,
        attempt: &Attempt,
        settlement: Settlement,
    ) -> impl Future<Output = Result<Settled, StoreError>> + Send;

    /// The oldest in-doubt messages that are not parked, at most `limit`.
    fn doubts(&self, limit: usize) -> impl Future<Output = Result<Vec<Doubt>, StoreError>> + Send;

    /// Settles an in-doubt message by proof. A [`Proof::Deduplicated`] whose window is over parks it.
    fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> impl Future<Output = Result<Settled, StoreError>> + Send;
}
