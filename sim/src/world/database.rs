//! The database: a node of its own that runs the product's SQLite outbox, in memory, behind the
//! simulated network. The SQL that is tested is the SQL that ships.

mod jobs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fencepost::store::{
    Activated, Attempt, Claim, Doubt, Enqueued, MessageId, MessageState, Outgoing, Proof, Roll,
    Settled, Settlement, SqliteOutbox, Store, StoreError,
};
use fencepost::{Boot, Generation, Identity, Token, WallTime};

pub use self::jobs::{JobAnswer, JobBooks, JobQuestion};
use super::clocks::Clocks;
use super::links::SharedMailbox;
use super::recorder::Recorder;
use super::rpc::{Asked, Client, Server};
use super::service::Arrival;
use crate::history::{Kind, MessageNo, ProofKind};

/// The outbox, and the testbed's own books of it. They are kept from the answers alone, so that
/// recording costs no queries; at the end the two must agree.
pub struct Books {
    /// The product's outbox.
    pub outbox: SqliteOutbox,
    floor: Token,
    generation: Generation,
    messages: BTreeMap<MessageNo, (MessageState, Token)>,
    /// The books of the jobs.
    pub jobs: JobBooks,
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
        Ok(Self { outbox, floor, generation, messages, jobs })
    }

    /// The application writes a message.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn enqueue(
        &mut self,
        message: MessageNo,
        payload: &[u8],
        now: WallTime,
    ) -> Result<(), StoreError> {
        let enqueued = self.outbox.enqueue(&message_id(message), payload, now);
        assert_eq!(enqueued, Ok(Enqueued::Added), "each message is written once");
        self.messages.insert(message, (MessageState::Pending, Token::default()));
        Ok(())
    }

    /// Whether every message is where it may stay for good: delivered, failed, or parked.
    ///
    /// # Errors
    /// SQLite says so.
    pub fn is_settled(&mut self) -> Result<bool, StoreError> {
        let open = |(state, _): &(MessageState, Token)| {
            matches!(state, MessageState::Pending | MessageState::Claimed)
        };
        let doubt = |(state, _): &(MessageState, Token)| *state == MessageState::InDoubt;
        if self.messages.values().any(open) {
            return Ok(false);
        }
        // Only the database knows what is parked.
        Ok(!self.messages.values().any(doubt) || self.outbox.doubts(1)?.is_empty())
    }
}

/// What a node asks of the database: the calls of [`Store`].
#[allow(missing_docs)] // the arguments are the trait's
pub enum Question {
    Activate { generation: Generation, token: Token, holder: Identity },
    Roll,
    CallRoll { seen: Generation, boots: Vec<Boot> },
    Sweep { token: Token },
    Pending { limit: usize },
    Claim { token: Token, attempt: Attempt, wall: WallTime },
    Settle { token: Token, attempt: Attempt, settlement: Settlement },
    Doubts { limit: usize },
    Resolve { token: Token, attempt: Attempt, proof: Proof },
    Jobs(JobQuestion),
}

impl Question {
    /// Whether its answer acknowledges a commit.
    fn writes(&self) -> bool {
        match self {
            Self::Roll | Self::Pending { .. } | Self::Doubts { .. } => false,
            Self::Jobs(question) => question.writes(),
            _ => true,
        }
    }
}

/// What the database answers.
#[allow(missing_docs)] // the results are the trait's
pub enum Answer {
    Activated(Activated),
    Roll(Roll),
    Swept(Option<u64>),
    Pending(Vec<Outgoing>),
    Claim(Claim),
    Settled(Settled),
    Doubts(Vec<Doubt>),
    Jobs(JobAnswer),
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
                    let again = books.floor == token;
                    books.floor = token;
                    self.recorder.record(Kind::Activated { generation, token, holder, again });
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
                    Some(count) => self.swept(books, *token, count),
                    None => self.fenced(*token, books.floor),
                }
                Answer::Swept(swept)
            }
            Question::Pending { limit } => Answer::Pending(books.outbox.pending(*limit)?),
            Question::Claim { token, attempt, wall } => {
                let id = &attempt.id;
                let claim = books.outbox.claim(*token, attempt, *wall, now)?;
                match claim {
                    Claim::Granted { .. } => self.claimed(books, *token, id),
                    Claim::Fenced { floor } => self.fenced(*token, floor),
                    // A window that is over puts a pending message back in doubt.
                    Claim::NotPending { state: Some(state) } => {
                        self.moved(books, *token, id, state, None);
                    }
                    Claim::NotPending { state: None } => {}
                }
                Answer::Claim(claim)
            }
            Question::Settle { token, attempt, settlement } => {
                let settled = books.outbox.settle(*token, attempt, settlement, now)?;
                self.settled(books, *token, &attempt.id, settled, None);
                Answer::Settled(settled)
            }
            Question::Doubts { limit } => Answer::Doubts(books.outbox.doubts(*limit)?),
            Question::Resolve { token, attempt, proof } => {
                let settled = books.outbox.resolve(*token, attempt, proof, now)?;
                let kind = match proof {
                    Proof::SinkHasIt => Some(ProofKind::SinkHasIt),
                    Proof::SinkLacksIt => Some(ProofKind::SinkLacksIt),
                    Proof::Deduplicated { .. } => Some(ProofKind::Deduplicated),
                    Proof::NeverSent => Some(ProofKind::NeverSent),
                    Proof::Park { .. } => None,
                };
                self.settled(books, *token, &attempt.id, settled, kind);
                Answer::Settled(settled)
            }
            Question::Jobs(question) => {
                Answer::Jobs(self.execute_for_jobs(books, question, now)?)
            }
        })
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
        for (&message, (state, by)) in &mut books.messages {
            if *state == MessageState::Claimed && *by < token {
                *state = MessageState::InDoubt;
                seen += 1;
                let (from, to) = (MessageState::Claimed, MessageState::InDoubt);
                self.recorder.record(Kind::Moved { token, message, from, to, proof: None });
            }
        }
        assert_eq!(seen, count, "a sweep moves what earlier tokens claimed, and only that");
    }

    fn claimed(&self, books: &mut Books, token: Token, id: &MessageId) {
        let message = message_no(id);
        let entry = books.messages.get_mut(&message).expect("only what was written is claimed");
        if *entry != (MessageState::Claimed, token) {
            *entry = (MessageState::Claimed, token);
            self.recorder.record(Kind::Claimed { token, message });
        }
    }

    fn settled(
        &self,
        books: &mut Books,
        token: Token,
        id: &MessageId,
        settled: Settled,
        proof: Option<ProofKind>,
    ) {
        match settled {
            Settled::Now(state) => self.moved(books, token, id, state, proof),
            Settled::Fenced { floor } => self.fenced(token, floor),
            Settled::Refused { .. } => {}
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
        let entry = books.messages.get_mut(&message).expect("only what was written is moved");
        let from = std::mem::replace(&mut entry.0, to);
        if from != to {
            self.recorder.record(Kind::Moved { token, message, from, to, proof });
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
            assert_eq!(row.state, books.messages[&message].0, "{message}: database and books");
            recorder.record(Kind::Final { message, state: row.state, parked: row.parked });
        }
        Self::audit_jobs(books, recorder, now)
    }
}

/// Opens the books.
pub fn lock(books: &SharedBooks) -> MutexGuard<'_, Books> {
    books.lock().expect("never held across a panic")
}

/// The store as a node sees it: far away.
pub struct RemoteStore {
    /// The way to the database.
    pub client: Client<Question, Answer>,
    /// Where acts that leave the node are recorded.
    pub recorder: Arc<Recorder>,
    /// Whose node.
    pub node: fencepost::NodeId,
    /// The node's clocks.
    pub clocks: Arc<Clocks>,
}

impl RemoteStore {
    async fn ask(&self, question: Question) -> Result<Answer, StoreError> {
        match self.client.ask(question).await {
            Some(Answer::Failed(error)) => Err(error),
            Some(answer) => Ok(answer),
            None => Err(StoreError::Unknown("the database did not answer in time".into())),
        }
    }
}

/// The answer to a question is of its kind, because [`Database::execute`] pairs them.
macro_rules! expect {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(value) => Ok(value),
            _ => unreachable!("the database answers what it was asked"),
        }
    };
}

impl Store for RemoteStore {
    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        expect!(self.ask(Question::Activate { generation, token, holder }).await, Activated)
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        expect!(self.ask(Question::Roll).await, Roll)
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        expect!(self.ask(Question::CallRoll { seen, boots: boots.to_vec() }).await, Roll)
    }

    async fn sweep(&self, token: Token) -> Result<Option<u64>, StoreError> {
        expect!(self.ask(Question::Sweep { token }).await, Swept)
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        expect!(self.ask(Question::Pending { limit }).await, Pending)
    }

    async fn claim(
        &self,
        token: Token,
        attempt: &Attempt,
        wall: WallTime,
    ) -> Result<Claim, StoreError> {
        self.recorder.record(Kind::ClaimStarted {
            node: self.node,
            token,
            message: message_no(&attempt.id),
            reading: self.clocks.reading(self.client.here),
        });
        expect!(self.ask(Question::Claim { token, attempt: attempt.clone(), wall }).await, Claim)
    }

    async fn settle(
        &self,
        token: Token,
        attempt: &Attempt,
        settlement: Settlement,
    ) -> Result<Settled, StoreError> {
        let attempt = attempt.clone();
        expect!(self.ask(Question::Settle { token, attempt, settlement }).await, Settled)
    }

    async fn doubts(&self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        expect!(self.ask(Question::Doubts { limit }).await, Doubts)
    }

    async fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<Settled, StoreError> {
        expect!(
            self.ask(Question::Resolve { token, attempt: attempt.clone(), proof }).await,
            Settled
        )
    }
}
