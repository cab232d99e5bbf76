//! Sinks: a node of its own that takes messages, in all three kinds, and records what the recipient
//! sees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fencepost::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use fencepost::store::{MessageId, Outgoing};
use fencepost::{NodeId, Token};

use super::clocks::Clocks;
use super::database::message_no;
use super::links::SharedMailbox;
use super::recorder::Recorder;
use super::rpc::{Asked, Client, Server};
use super::service::Arrival;
use super::timer::{Timer, nanos};
use crate::history::{Kind, MessageNo, NoEffect, SendOutcome};
use crate::oracles::SinkKind;

/// A payload that begins so is refused by the recipient for good.
pub const POISON: &[u8] = b"poison";

/// What a node asks of the sink.
#[derive(Debug)]
#[allow(missing_docs)] // the arguments are the trait's
pub enum Question {
    /// Opens a connection: answered without an effect.
    Connect,
    Send {
        message: MessageNo,
        key: MessageNo,
        stamp: Stamp,
        node: NodeId,
        poison: bool,
    },
    Fence {
        stamp: Stamp,
    },
    Has {
        message: MessageNo,
        stamp: Stamp,
    },
}

/// What the sink answers.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Answer {
    Done,
    Has(bool),
    Fenced {
        highest: Stamp,
    },
    Rejected,
    /// It does nothing for now.
    NotNow,
    /// From the machine: there is no such connection, or none can be made.
    Closed,
}

/// A question to the sink on its way.
pub type SinkMail = Asked<Question, Answer>;

/// The sink's process.
pub struct SinkServer {
    kind: SinkKind,
    server: Server,
    mailbox: SharedMailbox<SinkMail>,
    timer: Timer,
    recorder: Arc<Recorder>,
    highest: Stamp,
    /// For a deduplicating sink: when each key was first seen.
    seen: BTreeMap<MessageNo, u64>,
    /// For a fenced sink: what it has.
    has: BTreeSet<MessageNo>,
}

impl SinkServer {
    /// A sink of that kind.
    pub fn new(
        kind: SinkKind,
        server: Server,
        mailbox: SharedMailbox<SinkMail>,
        timer: Timer,
        recorder: Arc<Recorder>,
    ) -> Self {
        let (highest, seen, has) = Default::default();
        Self { kind, server, mailbox, timer, recorder, highest, seen, has }
    }

    /// Serves for as long as the run lasts.
    pub async fn serve(mut self) {
        loop {
            let asked = self.mailbox.take().await;
            let service = &self.server.service;
            if service.arrival(asked.epoch) != Arrival::Taken {
                self.server.refuse(asked, Answer::Closed);
                continue;
            }
            if service.fails() {
                if let Question::Send { message, stamp: Stamp { token, .. }, .. } = asked.question {
                    let why = NoEffect::NotNow;
                    self.recorder.record(Kind::NoEffect { message, token, why });
                }
                self.server.answer(asked, Answer::NotNow, 0);
                continue;
            }
            if let Question::Send { message, stamp: Stamp { token, .. }, .. } = asked.question
                && service.refuses()
            {
                let why = NoEffect::Rejected;
                self.recorder.record(Kind::NoEffect { message, token, why });
                self.server.answer(asked, Answer::Rejected, 0);
                continue;
            }
            let sends = matches!(asked.question, Question::Send { .. });
            let outcome = self.execute(&asked.question);
            let late = if sends { self.server.service.acknowledges() } else { Some(0) };
            if let Some(late) = late {
                self.server.answer(asked, outcome, late);
            }
        }
    }

    fn execute(&mut self, question: &Question) -> Answer {
        match *question {
            Question::Connect => Answer::Done,
            Question::Send { message, key, stamp, node, poison } => {
                self.send(message, key, stamp, node, poison)
            }
            Question::Fence { stamp } => match self.check(stamp) {
                Some(fenced) => fenced,
                None => Answer::Done,
            },
            Question::Has { message, stamp } => match self.check(stamp) {
                Some(fenced) => fenced,
                None => Answer::Has(self.has.contains(&message)),
            },
        }
    }

    /// Refuses a stamp that is too old, else remembers it.
    fn check(&mut self, stamp: Stamp) -> Option<Answer> {
        if stamp < self.highest {
            return Some(Answer::Fenced { highest: self.highest });
        }
        self.highest = stamp;
        None
    }

    fn send(
        &mut self,
        message: MessageNo,
        key: MessageNo,
        stamp: Stamp,
        node: NodeId,
        poison: bool,
    ) -> Answer {
        let token = stamp.token;
        let refuse = |why| self.recorder.record(Kind::NoEffect { message, token, why });
        match self.kind {
            SinkKind::Fenced => {
                if stamp < self.highest {
                    refuse(NoEffect::Fenced);
                    return Answer::Fenced { highest: self.highest };
                }
                self.highest = stamp;
            }
            SinkKind::Dedup { window } => {
                let now = self.timer.now();
                let window = nanos(window);
                if self.seen.get(&key).is_some_and(|first| now - first < window) {
                    refuse(NoEffect::Duplicate);
                    return Answer::Done;
                }
                if !poison {
                    self.seen.insert(key, now);
                }
            }
            SinkKind::Plain => {}
        }
        if poison {
            refuse(NoEffect::Rejected);
            return Answer::Rejected;
        }
        self.has.insert(message);
        self.recorder.record(Kind::Effect { message, key, token, node });
        Answer::Done
    }
}

/// The message and the idempotency key that an id shows. They are the same, unless a planted bug
/// made a new key: `m7#2`.
fn message_and_key(id: &MessageId) -> (MessageNo, MessageNo) {
    let Some((message, fresh)) = id.as_str().split_once('#') else {
        return (message_no(id), message_no(id));
    };
    let message = MessageId::new(message).map_or(MessageNo(0), |id| message_no(&id));
    let fresh: u32 = fresh.parse().unwrap_or(0);
    (message, MessageNo(message.0 + NEW_KEYS * (fresh + 1)))
}

/// More than the messages of any run: keys beyond are no message's.
const NEW_KEYS: u32 = 1_000_000;

/// The sink as a node sees it: far away, behind a connection.
pub struct RemoteSink {
    /// What it can do.
    pub kind: SinkKind,
    /// The way to it.
    pub client: Client<Question, Answer>,
    /// Whether the last request was answered; if not, a new connection comes first.
    pub connected: AtomicBool,
    /// Where acts that leave the node are recorded.
    pub recorder: Arc<Recorder>,
    /// Whose node.
    pub node: NodeId,
    /// The node's clocks.
    pub clocks: Arc<Clocks>,
}

impl RemoteSink {
    /// `None`: no answer came, or the connection broke.
    async fn ask(&self, question: Question) -> Option<Answer> {
        let answer = self.client.ask(question).await;
        let answer = answer.filter(|answer| !matches!(answer, Answer::Closed));
        self.connected.store(answer.is_some(), Ordering::Relaxed);
        answer
    }

    fn ended(&self, token: Token, message: MessageNo, outcome: SendOutcome) {
        self.recorder.record(Kind::SendEnded { node: self.node, token, message, outcome });
    }
}

impl Sink for RemoteSink {
    fn promise(&self) -> Promise {
        match self.kind {
            SinkKind::Dedup { window } => {
                Promise::Deduplicates { window: window.saturating_sub(SinkKind::WINDOW_MARGIN) }
            }
            SinkKind::Fenced => Promise::Fenced,
            SinkKind::Plain => Promise::Plain,
        }
    }

    /// As with TCP, a peer that cannot be reached is found out before anything is sent, if the
    /// connection is not an old one.
    async fn ready(&self) -> Result<(), SinkError> {
        if self.connected.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.ask(Question::Connect).await {
            Some(Answer::NotNow) => {
                self.connected.store(false, Ordering::Relaxed);
                Err(SinkError::Unavailable("the sink takes nobody for now".into()))
            }
            Some(_) => Ok(()),
            None => Err(SinkError::Unavailable("no connection".into())),
        }
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        let (token, node) = (stamp.token, self.node);
        let (number, key) = message_and_key(&message.id);
        self.recorder.record(Kind::SendStarted {
            node,
            token,
            message: number,
            key,
            reading: self.clocks.reading(self.client.here),
        });
        let poison = message.payload.starts_with(POISON);
        let question = Question::Send { message: number, key, stamp, node, poison };
        match self.ask(question).await {
            Some(Answer::Done | Answer::Has(_)) => {
                self.ended(token, number, SendOutcome::Accepted);
                Ok(())
            }
            Some(Answer::Rejected) => {
                self.ended(token, number, SendOutcome::Rejected);
                Err(SendError::Rejected("the recipient refuses it".into()))
            }
            Some(Answer::Fenced { highest }) => {
                self.ended(token, number, SendOutcome::Fenced);
                Err(SendError::Fenced { highest })
            }
            Some(Answer::NotNow) => {
                self.ended(token, number, SendOutcome::NotNow);
                Err(SendError::NotNow("the sink is busy".into()))
            }
            // Whether the connection broke or the answer is late: the sink may have it.
            Some(Answer::Closed) | None => {
                self.ended(token, number, SendOutcome::Unknown);
                Err(SendError::Unknown("the sink did not answer in time".into()))
            }
        }
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        match self.ask(Question::Fence { stamp }).await {
            Some(Answer::Fenced { highest }) => Err(SinkError::Fenced { highest }),
            Some(Answer::NotNow) => Err(SinkError::Unavailable("the sink is busy".into())),
            Some(_) => Ok(()),
            None => Err(SinkError::Unavailable("the sink did not answer in time".into())),
        }
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        match self.ask(Question::Has { message: message_no(id), stamp }).await {
            Some(Answer::Has(has)) => Ok(has),
            Some(Answer::Fenced { highest }) => Err(SinkError::Fenced { highest }),
            Some(_) => Err(SinkError::Unavailable("the sink cannot tell".into())),
            None => Err(SinkError::Unavailable("the sink did not answer in time".into())),
        }
    }
}
