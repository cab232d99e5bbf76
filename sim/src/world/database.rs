//! The database: a node of its own that runs the product's SQLite outbox, in memory, behind the
//! simulated network. The SQL that is tested is the SQL that ships.

mod books;
mod jobs;
mod remote;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;

use fencepost::store::{
    Activated, Attempt, Checked, Claim, Doubt, EnqueueError, Enqueued, MessageId, MessageState,
    NewMessage, OrderingKey, Outgoing, Permit, Proof, Roll, Settled, Settlement, Share, StoreError,
};
use fencepost::{Boot, Generation, Identity, NodeId, Token, WallTime};

use self::books::BookedClaim;
pub use self::books::{Books, SharedBooks, Standby, lock};
pub use self::jobs::{JobAnswer, JobBooks, JobQuestion};
pub use self::remote::RemoteStore;
pub use self::work::{WorkAnswer, WorkQuestion};
use super::clocks::Clocks;
use super::links::SharedMailbox;
use super::recorder::Recorder;
use super::rpc::{Asked, Server};
use super::service::Arrival;
use crate::history::{Kind, MessageNo, ProofKind};

/// What a node asks of the database: the calls of a store.
#[allow(missing_docs)] // the arguments are the trait's
pub enum Question {
    Activate { generation: Generation, token: Token, holder: Identity },
    Confirm { generation: Generation, token: Token, holder: Identity },
    Advance { generation: Generation, token: Token, holder: Identity },
    Roll,
    CallRoll { seen: Generation, boots: Vec<Boot> },
    Sweep { token: Token },
    Enqueue { messages: Vec<NewMessage> },
    Pending { share: Option<Share>, limit: usize },
    ClaimedUnder { permit: Permit },
    Claim { by: NodeId, permit: Permit, attempts: Vec<Attempt>, wall: WallTime },
    Settle { token: Token, settlements: Vec<(Attempt, Settlement)> },
    Doubts { limit: usize },
    Resolve { token: Token, attempt: Attempt, proof: Proof },
    Jobs(JobQuestion),
    Work(WorkQuestion),
}

impl Question {
    /// Whether its answer acknowledges a commit.
    fn writes(&self) -> bool {
        match self {
            Self::Roll | Self::Pending { .. } | Self::ClaimedUnder { .. } | Self::Doubts { .. } => {
                false
            }
            Self::Jobs(question) => question.writes(),
            Self::Work(question) => question.writes(),
            _ => true,
        }
    }
}

/// What the database answers.
#[allow(missing_docs)] // the results are the trait's
pub enum Answer {
    Activated(Activated),
    Roll(Roll),
    Swept(Checked<u64>),
    Enqueued(Result<Vec<Enqueued>, EnqueueError>),
    Pending(Vec<Outgoing>),
    ClaimedUnder(Vec<Attempt>),
    Claimed(Checked<Vec<Claim>>),
    Settled(Checked<Vec<Settled>>),
    Resolved(Checked<Settled>),
    Doubts(Vec<Doubt>),
    Jobs(JobAnswer),
    Work(WorkAnswer),
    Failed(StoreError),
}

/// A question to the database on its way.
pub type DatabaseMail = Asked<Question, Answer>;

/// The number of a workload message, from its id.
pub fn message_no(id: &MessageId) -> MessageNo {
    let number = id.as_str().strip_prefix('m').and_then(|number| number.parse().ok());
    MessageNo(number.expect("the workload names its messages m1, m2, …"))
}

/// The id of a workload message.
pub fn message_id(number: MessageNo) -> MessageId {
    MessageId::new(&number.to_string()).expect("a short word")
}

/// The number of an ordering key of the workload.
fn key_no(key: &OrderingKey) -> u32 {
    let number = key.as_str().strip_prefix('k').and_then(|number| number.parse().ok());
    number.expect("the workload names its keys k1, k2, …")
}

/// The ordering key of that number.
pub fn ordering_key(number: u32) -> OrderingKey {
    OrderingKey::new(&format!("k{number}")).expect("a short word")
}

/// The database's process.
pub struct Database {
    /// The outbox and its books.
    pub books: SharedBooks,
    /// Its way to answer.
    pub server: Server,
    /// Its questions.
    pub mailbox: SharedMailbox<DatabaseMail>,
    /// Its clock: what the store takes for the time.
    pub clocks: Arc<Clocks>,
    /// Where transactions are recorded, in commit order.
    pub recorder: Arc<Recorder>,
}

impl Database {
    /// Serves for as long as the run lasts.
    pub async fn serve(self) {
        loop {
            let asked = self.mailbox.take().await;
            let service = &self.server.service;
            // A transaction takes no time: a restart comes before its commit or after it.
            match service.arrival(asked.epoch) {
                Arrival::Taken => {}
                Arrival::Refused => {
                    let refused = StoreError::Unavailable("connection refused".into());
                    self.server.refuse(asked, Answer::Failed(refused));
                    continue;
                }
                Arrival::Broken => {
                    let broken = StoreError::Unknown("connection closed".into());
                    self.server.refuse(asked, Answer::Failed(broken));
                    continue;
                }
            }
            if service.fails() {
                let busy = StoreError::Unavailable("the database is busy".into());
                self.server.answer(asked, Answer::Failed(busy), 0);
                continue;
            }
            let outcome = self.execute(&asked.question).unwrap_or_else(Answer::Failed);
            let late = if asked.question.writes() { service.acknowledges() } else { Some(0) };
            if let Some(late) = late {
                self.server.answer(asked, outcome, late);
            }
        }
    }

    fn execute(&self, question: &Question) -> Result<Answer, StoreError> {
        let now = self.clocks.wall(self.server.here);
        let books = &mut *lock(&self.books);
        Ok(match question {
            Question::Activate { generation, token, holder } => {
                let (generation, token, holder) = (*generation, *token, *holder);
                let activated = books.outbox.activate(generation, token, holder, now)?;
                if activated == Activated::Raised {
                    self.raised(books, generation, token, holder)?;
                }
                Answer::Activated(activated)
            }
            Question::Confirm { generation, token, holder } => {
                Answer::Activated(books.outbox.confirm(*generation, *token, *holder)?)
            }
            Question::Advance { generation, token, holder } => {
                let (generation, token, holder) = (*generation, *token, *holder);
                let activated = books.outbox.advance(generation, token, holder, now)?;
                if activated == Activated::Raised {
                    books.generation = generation;
                    self.recorder.record(Kind::SetBack {
                        generation,
                        floor: books.floor,
                        holder: None,
                        messages: Vec::new(),
                    });
                    self.raised(books, generation, token, holder)?;
                }
                Answer::Activated(activated)
            }
            Question::Roll => Answer::Roll(books.outbox.roll()?),
            Question::CallRoll { seen, boots } => {
                let roll = books.outbox.call_roll(*seen, boots)?;
                self.roll_called(books, &roll);
                Answer::Roll(roll)
            }
            Question::Sweep { token } => {
                let swept = books.outbox.sweep(*token, now)?;
                match swept {
                    Checked::Passed(count) => self.swept(books, *token, count),
                    Checked::Fenced { floor } => self.fenced(*token, floor),
                }
                Answer::Swept(swept)
            }
            Question::Enqueue { messages } => {
                Answer::Enqueued(books.enqueue(messages, now, &self.recorder))
            }
            Question::Pending { share: None, limit } => {
                Answer::Pending(books.outbox.pending(*limit, now)?)
            }
            Question::Pending { share: Some(share), limit } => {
                Answer::Pending(books.outbox.pending_of(share, *limit, now)?)
            }
            Question::Claim { by, permit, attempts, wall } => {
                let token = permit.token;
                let answer = books.outbox.claim(permit, attempts, *wall, now)?;
                match &answer {
                    Checked::Passed(claims) => {
                        for (attempt, claim) in attempts.iter().zip(claims) {
                            self.claim_answered(books, *by, permit, attempt, *claim);
                        }
                    }
                    Checked::Fenced { floor } => self.fenced(token, *floor),
                }
                Answer::Claimed(answer)
            }
            Question::ClaimedUnder { permit } => {
                Answer::ClaimedUnder(books.outbox.claimed_under(permit)?)
            }
            Question::Settle { token, settlements } => {
                let answer = books.outbox.settle(*token, settlements, now)?;
                match &answer {
                    Checked::Passed(settled) => {
                        for ((Attempt { id, .. }, _), settled) in settlements.iter().zip(settled) {
                            self.settled(books, *token, id, *settled);
                        }
                    }
                    Checked::Fenced { floor } => self.fenced(*token, *floor),
                }
                Answer::Settled(answer)
            }
            Question::Work(question) => Answer::Work(self.assignments(books, question, now)?),
            Question::Doubts { limit } => Answer::Doubts(books.outbox.doubts(*limit)?),
            Question::Resolve { token, attempt, proof } => {
                let answer = books.outbox.resolve(*token, attempt, proof, now)?;
                let kind = match proof {
                    Proof::SinkHasIt => Some(ProofKind::SinkHasIt),
                    Proof::SinkLacksIt { .. } | Proof::GivenUp { .. } => {
                        Some(ProofKind::SinkLacksIt)
                    }
                    Proof::Deduplicated { .. } => Some(ProofKind::Deduplicated),
                    Proof::Park { .. } => None,
                };
                match answer {
                    Checked::Passed(Settled::Now(MessageState::InDoubt)) => {
                        self.parked(books, *token, &attempt.id);
                    }
                    Checked::Passed(Settled::Now(state)) => {
                        self.moved(books, *token, &attempt.id, state, kind);
                        books.of(&attempt.id).parked = false;
                    }
                    Checked::Passed(Settled::Refused { .. }) => {}
                    Checked::Fenced { floor } => self.fenced(*token, floor),
                }
                Answer::Resolved(answer)
            }
            Question::Jobs(question) => Answer::Jobs(self.execute_for_jobs(books, question, now)?),
        })
    }

    /// Records what the fence says now, not what was asked for.
    fn raised(
        &self,
        books: &mut Books,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<(), StoreError> {
        let stands = books.outbox.fence()?.floor;
        let again = books.floor == stands;
        books.floor = stands;
        self.recorder.record(Kind::Activated { generation, token, holder, again });
        Ok(())
    }

    /// Records the roll that stands, if it is a new one.
    fn roll_called(&self, books: &mut Books, roll: &Roll) {
        let (generation, floor) = (roll.generation, roll.floor.into());
        if generation != books.generation {
            (books.generation, books.floor) = (generation, floor);
            let boots = roll.boots.clone();
            self.recorder.record(Kind::RollCalled { generation, boots, floor });
        }
    }

    fn swept(&self, books: &mut Books, token: Token, count: u64) {
        let mut seen = 0;
        for (&message, booked) in &mut books.messages {
            let earlier = booked.claim.as_ref().is_some_and(|claim| claim.token < token);
            if booked.state == MessageState::Claimed && earlier {
                booked.state = MessageState::InDoubt;
                seen += 1;
                let (from, to) = (MessageState::Claimed, MessageState::InDoubt);
                self.recorder.record(Kind::Moved { token, message, from, to, proof: None });
            }
        }
        assert_eq!(seen, count, "a sweep moves what earlier tokens claimed, and only that");
    }

    /// A second claim that is granted is recorded, too, unless it repeats the first in all that tells
    /// claims apart: whether it may be granted is for the oracles to say, not for the books.
    fn claim_answered(
        &self,
        books: &mut Books,
        node: NodeId,
        permit: &Permit,
        Attempt { id, number }: &Attempt,
        claim: Claim,
    ) {
        let token = permit.token;
        match claim {
            Claim::Granted { .. } => {
                let message = message_no(id);
                let booked =
                    books.messages.get_mut(&message).expect("only what was written is claimed");
                let claim = BookedClaim { token, share: permit.share.clone(), attempt: *number };
                if !booked.is_claimed_by(&claim) {
                    (booked.state, booked.claim) = (MessageState::Claimed, Some(claim));
                    self.recorder.record(Kind::Claimed { node, token, message });
                    self.claimed_as(message, token, permit.share.as_ref());
                }
            }
            // A window that is over puts a pending message back in doubt, and leaves it to a person.
            Claim::Refused { state: Some(state) } => {
                let pending = books.of(id).state == MessageState::Pending;
                self.moved(books, token, id, state, None);
                if pending && state == MessageState::InDoubt {
                    self.parked(books, token, id);
                }
            }
            Claim::Refused { state: None } | Claim::NotAssigned => {}
        }
    }

    /// What is pending again was certainly not sent, by its holder's own word: through doubt, by
    /// proof, in one transaction.
    fn settled(&self, books: &mut Books, token: Token, id: &MessageId, settled: Settled) {
        let Settled::Now(state) = settled else { return };
        let claimed = books
            .messages
            .get(&message_no(id))
            .is_some_and(|booked| booked.state == MessageState::Claimed);
        if state == MessageState::Pending && claimed {
            self.moved(books, token, id, MessageState::InDoubt, None);
            self.moved(books, token, id, state, Some(ProofKind::NeverSent));
        } else {
            self.moved(books, token, id, state, None);
        }
    }

    /// Records a change of state, if it is one.
    fn moved(
        &self,
        books: &mut Books,
        token: Token,
        id: &MessageId,
        to: MessageState,
        proof: Option<ProofKind>,
    ) {
        let message = message_no(id);
        let from = std::mem::replace(&mut books.of(id).state, to);
        if from != to {
            self.recorder.record(Kind::Moved { token, message, from, to, proof });
        }
    }

    /// Records that a message in doubt is left to a person, if it was not yet.
    fn parked(&self, books: &mut Books, token: Token, id: &MessageId) {
        if !std::mem::replace(&mut books.of(id).parked, true) {
            self.recorder.record(Kind::Parked { token, message: message_no(id) });
        }
    }

    fn fenced(&self, token: Token, floor: Token) {
        self.recorder.record(Kind::Fenced { token, floor });
    }

    /// Records where each message and each job ended, as the database itself says; `now` is its
    /// clock.
    ///
    /// # Errors
    /// SQLite says so.
    ///
    /// # Panics
    /// The database and the testbed's books disagree: one of them is wrong.
    pub fn audit(
        books: &SharedBooks,
        recorder: &Recorder,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let books = &mut *lock(books);
        let mut rows: Vec<_> = books.outbox.entries(None)?;
        rows.sort_by_key(|row| message_no(&row.id));
        assert_eq!(rows.len(), books.messages.len(), "no message appears or disappears");
        let fence = books.outbox.fence()?;
        let kept = (books.floor, books.generation);
        assert_eq!((fence.floor, fence.generation), kept, "fence: database and books");
        for row in rows {
            let message = message_no(&row.id);
            let booked = &books.messages[&message];
            let kept = (booked.state, booked.parked);
            assert_eq!((row.state, row.parked), kept, "{message}: database and books");
            recorder.record(Kind::Final { message, state: row.state, parked: row.parked });
        }
        Self::audit_jobs(books, recorder, now)
    }
}
