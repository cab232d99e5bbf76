//! The particulars of events: of which kind, how it ended, and why.

use super::SimTime;

/// The phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From the start until a guard was handed out.
    WarmUp,
    /// Faults happen.
    Faults,
    /// All faults have ended; liveness must hold within the bound.
    Healing,
}

/// What kind of election message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names of `fencepost::election::Body`
pub enum MessageKind {
    PreVote,
    PreVoteReply,
    VoteRequest,
    VoteReply,
    Heartbeat,
    HeartbeatAck,
    NewerTerm,
    TakeOver,
    Leaving,
    Rejoining,
    Known,
    Register,
    Registered,
    RollCall,
    NewerGeneration,
    Superseded,
    Voters,
    Observing,
}

/// When the copies of a message arrive: at most two, kept inline because most events are messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrivals {
    /// The transport does not tell.
    Untold,
    /// Each copy; none: it is lost.
    At([Option<SimTime>; 2]),
}

impl Arrivals {
    /// The copies that arrive, as far as it is told.
    pub fn times(self) -> impl Iterator<Item = SimTime> {
        let copies = match self {
            Self::Untold => [None; 2],
            Self::At(copies) => copies,
        };
        copies.into_iter().flatten()
    }
}

/// How the question for a claim ended at the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClaimEnd {
    /// The database answered.
    Answered,
    /// No answer came.
    Unknown,
    /// It was dropped before its end.
    Cancelled,
}

/// How a send ended at the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendOutcome {
    /// The recipient has it.
    Accepted,
    /// Nothing left the node.
    NotSent,
    /// Refused for now, without an effect.
    NotNow,
    /// Refused for good.
    Rejected,
    /// Refused for its stamp.
    Fenced,
    /// No answer came.
    Unknown,
}

/// Which proof moved a message out of doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofKind {
    /// The fenced sink has it.
    SinkHasIt,
    /// The fenced sink does not have it.
    SinkLacksIt,
    /// The sink drops repetitions and its window is open.
    Deduplicated,
    /// The holder never sent a byte that was not refused.
    NeverSent,
}

/// Why a request to the sink had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoEffect {
    /// A repetition within the window.
    Duplicate,
    /// The stamp was below the highest seen.
    Fenced,
    /// The recipient refuses the message.
    Rejected,
    /// The sink takes nothing for now.
    NotNow,
}
