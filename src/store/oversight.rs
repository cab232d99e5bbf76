//! What people see of an outbox, and what they decide: verdicts about messages in doubt and dead
//! letters.
//!
//! A verdict needs no token, because no holder makes it, and so it never touches what a holder is
//! about to send: it is refused while a claim stands. Each one is kept with its reason.

use super::{MessageId, MessageState, OrderingKey, StoreError, rules};
use crate::id::{NodeId, Token};
use crate::time::WallTime;

/// The longest reason of a verdict, and the longest name of who passes it, in bytes.
pub(super) const MAX_VERDICT_TEXT: usize = 1024;

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

/// A part of the messages, in the order in which they were enqueued: an outbox is too long to be read as a
/// whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only those that stand there.
    pub only: Option<MessageState>,
    /// Only those with a higher [`Entry::seq`]; 0 for the first page.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// One message as people and audits see it: where it stands and the evidence. Times are of the
/// store's clock, but for [`Self::claimer_wall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order in which messages were enqueued, from 1 on.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
    /// What it is ordered by, if it is.
    pub key: Option<OrderingKey>,
    /// Where it stands.
    pub state: MessageState,
    /// Who claimed it last, if anybody.
    pub token: Option<Token>,
    /// The node that claimed it last, if that was a worker with a share of the outbox.
    pub worker: Option<NodeId>,
    /// In doubt, without proof to be had: a person's to settle.
    pub parked: bool,
    /// The last that was said about it.
    pub reason: Option<String>,
    /// How often it was claimed.
    pub attempts: u64,
    /// How many attempts have failed since it was enqueued, or requeued: the sink refused them for
    /// now, or their outcome was unknown and a proof allowed another.
    pub failures: u64,
    /// When it was enqueued.
    pub enqueued: WallTime,
    /// Since when an attempt may have had an effect: the first claim that was not given back.
    pub first_claimed: Option<WallTime>,
    /// Before when it is not claimed again, if an attempt has failed.
    pub not_before: Option<WallTime>,
    /// Until when it may be sent again to a deduplicating sink, if it was released to one.
    pub send_until: Option<WallTime>,
    /// When it came to its state.
    pub changed: WallTime,
    /// When it was last claimed, by the claimer's own clock.
    pub claimer_wall: Option<WallTime>,
}

impl Entry {
    /// The entry of a row that a store found.
    pub(super) fn new(
        seq: u64,
        id: MessageId,
        key: Option<OrderingKey>,
        enqueued: WallTime,
        row: rules::Row,
    ) -> Self {
        let rules::Row {
            state,
            parked,
            token,
            attempts,
            failures,
            not_before,
            first_claimed,
            send_until,
            changed,
            claimer_wall,
            reason,
            share: _,
            worker,
        } = row;
        Self {
            seq,
            id,
            key,
            state,
            token,
            worker,
            parked,
            reason,
            attempts,
            failures,
            enqueued,
            first_claimed,
            not_before,
            send_until,
            changed,
            claimer_wall,
        }
    }
}

/// What a person decides about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// In doubt: the recipient has it.
    Delivered,
    /// In doubt: the recipient does not have it, and is not to get it.
    Failed,
    /// In doubt: the recipient does not have it, and nothing of it is on its way. It becomes pending,
    /// before the later ones of its key.
    Resend,
    /// Failed: it is tried anew, whatever was sent of its key since.
    Requeue,
}

/// A person's decision about a message, with the reason that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The message.
    pub id: MessageId,
    /// The attempt that it is about, if the person names one. A message in doubt that is not parked
    /// may be settled by a leader at any moment, so a verdict on it has to.
    pub attempt: Option<u64>,
    /// What was decided.
    pub ruling: Ruling,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
}

/// The answers to verdicts that were passed together, each by itself.
pub type Judged = Vec<Result<Passed, VerdictError>>;

/// A verdict that was passed: one line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// When, by the store's clock.
    pub at: WallTime,
    /// By whom.
    pub by: String,
    /// The last attempt at the message then.
    pub attempt: u64,
    /// Where the message stood.
    pub from: MessageState,
    /// Where it stood after.
    pub to: MessageState,
    /// Why.
    pub why: String,
}

/// A verdict that was not passed. Nothing changed, except perhaps by [`StoreError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// No such message.
    #[error("there is no message {0}")]
    NoMessage(MessageId),
    /// It is in another state. A claimed one will end delivered, failed or in doubt by itself.
    #[error("the message is {}, not {}", .stands.name(), .wanted.name())]
    OtherState {
        /// Where it stands.
        stands: MessageState,
        /// What the ruling is about.
        wanted: MessageState,
    },
    /// There was a later attempt than the one that the person knew of.
    #[error("the message was attempted {attempts} times: look at it again")]
    OtherAttempt {
        /// How often.
        attempts: u64,
    },
    /// It is in doubt, but a leader is going to settle it by proof.
    #[error(
        "the message is not parked, so a leader will settle it; if none does, name attempt {attempts}"
    )]
    NotParked {
        /// Its last attempt.
        attempts: u64,
    },
    /// The reason, or the name, is missing or too long.
    #[error("a verdict says by whom and why, in 1 to {MAX_VERDICT_TEXT} bytes each")]
    NoReason,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
