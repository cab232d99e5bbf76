//! The testbed's own books of the database: what its answers said, to be compared with what it holds
//! at the end; and what is done to the outbox without asking over the network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use fencepost::store::{
    EnqueueError, Enqueued, MessageId, MessageState, NewMessage, Passed, Ruling, Share,
    SqliteOutbox, StoreError, Verdict, VerdictError,
};
use fencepost::{Generation, Token, WallTime};

use super::{JobBooks, key_no, message_id, message_no};
use crate::history::{Kind, MessageNo};
use crate::world::recorder::Recorder;

/// The outbox, and the testbed's own books of it. They are kept from the answers alone, so that
/// recording costs no queries; at the end the two must agree.
pub struct Books {
    /// The product's outbox.
    pub outbox: SqliteOutbox,
    pub(super) floor: Token,
    pub(super) generation: Generation,
    /// In the order in which they were written, which is that of their numbers.
    pub(super) messages: BTreeMap<MessageNo, Booked>,
    /// The books of the jobs.
    pub jobs: JobBooks,
    /// All that was written, for its application to write again what a failover lost.
    written: Vec<NewMessage>,
}

/// What a standby has that lags: all that was committed until it was made.
pub struct Standby {
    outbox: SqliteOutbox,
    floor: Token,
    generation: Generation,
    messages: BTreeMap<MessageNo, Booked>,
    jobs: JobBooks,
}

/// What the books say of a message.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Booked {
    pub(super) state: MessageState,
    /// It was left to a person, and is in doubt still if no bug has claimed or settled it since.
    pub(super) parked: bool,
    /// The last claim of it.
    pub(super) claim: Option<BookedClaim>,
    /// The number of its ordering key.
    key: Option<u32>,
}

impl Booked {
    /// Whether it is claimed exactly so, which makes the claim a repetition.
    pub(super) fn is_claimed_by(&self, claim: &BookedClaim) -> bool {
        self.state == MessageState::Claimed && self.claim.as_ref() == Some(claim)
    }

    /// Whether it was a worker, under an assignment, that claimed it last.
    pub(super) fn is_workers(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.share.is_some())
    }
}

/// All that tells two claims of one message apart: workers of one leader show the same token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct BookedClaim {
    pub(super) token: Token,
    /// The assignment, if a worker claimed.
    pub(super) share: Option<Share>,
    /// Which attempt at the message it is.
    pub(super) attempt: u64,
}

/// The books, reached by the database's own task and by the testbed.
pub type SharedBooks = Arc<Mutex<Books>>;

impl Books {
    /// An empty database.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn new() -> Result<Self, StoreError> {
        let outbox = SqliteOutbox::in_memory()?;
        let (floor, generation) = (Token::default(), Generation::NONE);
        let (messages, jobs) = (BTreeMap::new(), JobBooks::default());
        Ok(Self { outbox, floor, generation, messages, jobs, written: Vec::new() })
    }

    /// A standby as of now.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn standby(&mut self) -> Result<Standby, StoreError> {
        Ok(Standby {
            outbox: self.outbox.copy()?,
            floor: self.floor,
            generation: self.generation,
            messages: self.messages.clone(),
            jobs: self.jobs.clone(),
        })
    }

    /// The standby takes over. What was committed since it was made is gone; but messages that were
    /// written since their application writes again, because it finds them nowhere.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn fail_over(
        &mut self,
        standby: Standby,
        now: WallTime,
        recorder: &Recorder,
    ) -> Result<(), EnqueueError> {
        let Standby { outbox, floor, generation, messages, jobs } = standby;
        let acknowledged = std::mem::replace(&mut self.messages, messages);
        (self.outbox, self.floor, self.generation, self.jobs) = (outbox, floor, generation, jobs);
        let gone = |new: &&NewMessage| !self.messages.contains_key(&message_no(&new.id));
        let again: Vec<_> = self.written.iter().filter(gone).cloned().collect();
        self.outbox.enqueue(&again, now)?;
        for NewMessage { id, key, .. } in &again {
            let (state, key) = (MessageState::Pending, key.as_ref().map(key_no));
            let booked = Booked { state, parked: false, claim: None, key };
            self.messages.insert(message_no(id), booked);
        }
        let now = self.messages.iter();
        let lost = now.filter(|(message, booked)| acknowledged.get(message) != Some(booked));
        let messages = lost.map(|(message, booked)| (*message, booked.state)).collect();
        let holder = self.outbox.fence()?.holder;
        recorder.record(Kind::SetBack { generation, floor, holder, messages });
        Ok(())
    }

    /// Messages are written. What is new goes into the books and the history.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn enqueue(
        &mut self,
        messages: &[NewMessage],
        now: WallTime,
        recorder: &Recorder,
    ) -> Result<Vec<Enqueued>, EnqueueError> {
        let answers = self.outbox.enqueue(messages, now)?;
        for (new, answer) in messages.iter().zip(&answers) {
            let NewMessage { id, key, .. } = new;
            if *answer == Enqueued::Added {
                self.written.push(new.clone());
                let (message, key) = (message_no(id), key.as_ref().map(key_no));
                let state = MessageState::Pending;
                self.messages.insert(message, Booked { state, parked: false, claim: None, key });
                recorder.record(Kind::Enqueued { message, key });
            }
        }
        Ok(answers)
    }

    /// What the books say of a message that was written.
    pub(super) fn of(&mut self, id: &MessageId) -> &mut Booked {
        self.messages.get_mut(&message_no(id)).expect("only what was written has a state")
    }

    /// Those in doubt that hold up others of their key.
    pub fn holding_up(&self) -> Vec<MessageNo> {
        let mut doubts: BTreeMap<u32, MessageNo> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for (&message, booked) in &self.messages {
            let Some(key) = booked.key else { continue };
            match booked.state {
                MessageState::InDoubt => {
                    doubts.entry(key).or_insert(message);
                }
                MessageState::Pending => found.extend(doubts.get(&key)),
                _ => {}
            }
        }
        found.into_iter().collect()
    }

    /// The messages that stand there.
    pub fn standing(&self, state: MessageState) -> Vec<MessageNo> {
        let there = self.messages.iter().filter(|(_, booked)| booked.state == state);
        there.map(|(&message, _)| message).collect()
    }

    /// How often a message was attempted.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn attempts(&mut self, message: MessageNo) -> Result<Option<u64>, StoreError> {
        Ok(self.outbox.entry(&message_id(message))?.map(|entry| entry.attempts))
    }

    /// A person passes a verdict about a message, or about one attempt at it.
    ///
    /// # Errors
    /// It does not fit where the message stands, or a leader is going to settle it.
    pub fn judge(
        &mut self,
        message: MessageNo,
        attempt: Option<u64>,
        ruling: Ruling,
        now: WallTime,
        recorder: &Recorder,
    ) -> Result<(), VerdictError> {
        let (by, why) = ("the operator".into(), "the recipient was asked".into());
        let verdict = Verdict { id: message_id(message), attempt, ruling, by, why };
        let Passed { from, to, .. } = self.outbox.judge(&verdict, now)?;
        if let Some(booked) = self.messages.get_mut(&message) {
            (booked.state, booked.parked) = (to, false);
        }
        recorder.record(Kind::Judged { message, from, to });
        Ok(())
    }

    /// Whether every message is where it may stay for good: delivered, failed, or parked and in
    /// nobody's way.
    pub fn is_settled(&self) -> bool {
        self.messages.values().all(|booked| match booked.state {
            MessageState::Pending | MessageState::Claimed => false,
            MessageState::InDoubt => booked.parked,
            MessageState::Delivered | MessageState::Failed => true,
        })
    }
}

/// Opens the books.
pub fn lock(books: &SharedBooks) -> MutexGuard<'_, Books> {
    books.lock().expect("never held across a panic")
}
