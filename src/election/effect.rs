//! What the caller of the state machine has to do, and what it may want to know.

use super::machine::HardState;
use super::message::Message;
use crate::id::{Identity, NodeId, Term};
use crate::time::Instant;

/// To be carried out in order. A [`Effect::Persist`] must be durable before any later effect leaves
/// the node; if it fails, the node must stop (and rejoin as if wiped).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Make this state durable.
    Persist(HardState),
    /// Send this message, once, without waiting; losing it is harmless.
    Send {
        /// The receiver, a configured voter.
        to: NodeId,
        /// The message.
        message: Message,
    },
    /// Something happened that the world outside may want to know.
    Event(Event),
}

/// What happened inside the election.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// This node was elected.
    Elected {
        /// In this term.
        term: Term,
        /// By these voters, itself included.
        certificate: Vec<Identity>,
    },
    /// This leader's lease now lasts until `until` on its own clock.
    LeaseExtended {
        /// The leader's term.
        term: Term,
        /// Exclusive end of the lease.
        until: Instant,
    },
    /// This node leads no longer.
    SteppedDown {
        /// The term it led.
        term: Term,
        /// Why.
        reason: SteppedDown,
    },
    /// A message was dropped because nothing honest would have sent it here.
    Ignored(Ignored),
}

/// Why a leader leads no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SteppedDown {
    /// Its lease ran out, or it never got a first one in time.
    LeaseExpired,
    /// It met a higher term.
    Deposed,
    /// The store's floor was at or above its term.
    Outranked,
    /// It was asked to.
    Resigned,
}

/// Why a message was dropped. The state is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The sender is no configured voter, or claims to be this very node.
    NotAPeer,
    /// Its term lies further ahead than [`super::MAX_TERM_JUMP`].
    TermTooFarAhead,
    /// It claims to lead a term whose leader is another.
    SecondLeader,
    /// It acknowledges a heartbeat that was never sent.
    UnknownRound,
}
