//! Where a message leaves the system.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use crate::id::Token;
use crate::store::{MessageId, Outgoing};

/// What a sink can do, and so what can be promised about in-doubt messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It drops a repeated message id within `window` of the first: exactly one effect. An in-doubt
    /// message is sent again under the same key while the window lasts, else parked.
    Deduplicates {
        /// How long the sink remembers a message id at least, less a margin that covers the longest
        /// time that a send can be on its way.
        window: Duration,
    },
    /// It refuses stamps below the highest it has seen and can say whether it has a message:
    /// exactly one effect. An in-doubt message is settled by fencing the sink and asking.
    Fenced,
    /// Neither, as with SMTP: at most one effect. An in-doubt message is parked for a person.
    Plain,
}

/// What a fenced sink compares: the token, and within one leadership a round that is raised before
/// each settlement of doubts, so that an own send that is still on its way is refused as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The sender's fencing token.
    pub token: Token,
    /// Counts the settlements of doubts under that token.
    pub round: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.token, self.round)
    }
}

/// A text that is no stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stamp is two numbers with a point between them, as in 7.0")]
pub struct InvalidStamp;

impl FromStr for Stamp {
    type Err = InvalidStamp;

    /// Reads what [`Stamp`]'s text is, and nothing else: no signs, no leading zeros.
    fn from_str(text: &str) -> Result<Self, InvalidStamp> {
        let (token, round) = text.split_once('.').ok_or(InvalidStamp)?;
        let token = Token(token.parse().map_err(|_| InvalidStamp)?);
        let stamp = Self { token, round: round.parse().map_err(|_| InvalidStamp)? };
        (stamp.to_string() == text).then_some(stamp).ok_or(InvalidStamp)
    }
}

/// A send that did not end in "the recipient has it".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing left this node: there was no connection. It may be tried again. That is taken for a word
    /// about the sink, so the rest of a batch is not tried; a sink of several recipients that cannot
    /// reach one of them says [`NotNow`](Self::NotNow).
    #[error("not sent: {0}")]
    NotSent(String),
    /// The sink refuses it for now, as one does that is busy or full; it had no effect. It may be
    /// tried again.
    #[error("refused for now: {0}")]
    NotNow(String),
    /// The sink lets nobody in who says what this node says of itself: a login or a key is wrong. It had
    /// no effect, and is no failure of the message's. The sink is left alone for seconds, then minutes.
    #[error("not let in: {0}")]
    Denied(String),
    /// No sink of this kind can be sent this message, as when a mail cannot be made of it. It had no
    /// effect, and is a dead letter at once; nobody was asked.
    #[error("cannot be sent: {0}")]
    Unsendable(String),
    /// The recipient refuses this message for good; it had no effect. It is a dead letter once the
    /// recipient has taken another message since an earlier refusal of this one: until then that may be a
    /// word about the recipient, and counts as a refusal for now.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The sink has seen a higher stamp; the message had no effect.
    #[error("fenced: the sink has seen stamp {highest}")]
    Fenced {
        /// The highest stamp seen.
        highest: Stamp,
    },
    /// It may have had an effect, or may still have one.
    #[error("the outcome of the send is unknown: {0}")]
    Unknown(String),
}

/// A question to a sink that was not answered. The sink's answer would have changed no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The sink has seen a higher stamp than the asker's.
    #[error("fenced: the sink has seen stamp {highest}")]
    Fenced {
        /// The highest stamp seen.
        highest: Stamp,
    },
    /// The sink does not let this node in: a login is wrong.
    #[error("the sink does not let this node in: {0}")]
    Denied(String),
    /// No answer, or the sink cannot do what was asked.
    #[error("the sink did not answer: {0}")]
    Unavailable(String),
}

/// Where messages leave the system. The message id is the idempotency key, always.
pub trait Sink: Send + Sync + 'static {
    /// What this sink can do.
    fn promise(&self) -> Promise;

    /// Makes ready to send: opens whatever connection that needs. Nothing of a message leaves, so it
    /// needs no permission; the guard is looked at after it, right before the send.
    fn ready(&self) -> impl Future<Output = Result<(), SinkError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Sends one message and waits for the recipient's word. Never repeats a send by itself. When
    /// the future is dropped, the outcome is unknown.
    fn send(
        &self,
        message: &Outgoing,
        stamp: Stamp,
    ) -> impl Future<Output = Result<(), SendError>> + Send;

    /// For how long the recipient asked to be left alone in its last answer, as by `Retry-After`; told
    /// once. Asked after a send that was not taken.
    fn asks_for(&self) -> Option<Duration> {
        None
    }

    /// Fences the sink with `stamp`: from now on it refuses lower ones. For [`Promise::Fenced`]; a
    /// sink that promises it and does not say how leaves every doubt open.
    fn fence(&self, stamp: Stamp) -> impl Future<Output = Result<(), SinkError>> + Send {
        let _ = stamp;
        std::future::ready(Err(SinkError::Unavailable("it knows no stamps".into())))
    }

    /// Whether the sink has the message; asked with the stamp it was fenced with. For
    /// [`Promise::Fenced`]; as with [`fence`](Self::fence), what cannot be proved remains a doubt.
    fn has(
        &self,
        id: &MessageId,
        stamp: Stamp,
    ) -> impl Future<Output = Result<bool, SinkError>> + Send {
        let _ = (id, stamp);
        std::future::ready(Err(SinkError::Unavailable("it cannot tell what it has".into())))
    }
}
