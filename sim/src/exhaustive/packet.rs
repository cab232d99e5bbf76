//! What is under way: messages to voters, and roll calls to the store.
//!
//! The network of the model is the set of all that was ever said. Anything in it can arrive at any
//! time, any number of times, or never: that is loss, delay, doubling and reordering. What can never
//! change anything any more is taken out, so that states which differ in it alone are one.
//!
//! Much is not even put in, because other actions of the model do the same and more:
//!
//! - Pre-votes and their answers change no promise. Whoever wants to campaign is welcome, so a
//!   campaign is one action; the model leaves no campaign out.
//! - A refusal, a `NewerTerm` or a refused pre-vote tells a higher term. Any voter may adopt any
//!   term that anyone in its generation has reached, at any time: that is an action of its own.
//! - A `NewerGeneration` tells a generation. Any voter may hear of any that ever began.
//! - Every message of an operational voter also teaches its incarnation. So does its registration,
//!   which all incarnations but a first one have sent to everyone and which is in the set; a first
//!   one is known from the start to all that are on its roll, and taught by it to the others.
//! - Acknowledgements only extend a lease, which only makes a leader refuse more. They are kept
//!   where a lease is needed for something: in handovers.
//! - `Leaving` only tells who is healthy, and the model hands over to anyone.

use fencepost::election::{Body, Message};
use fencepost::{Boot, Generation};

/// Something under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Packet {
    /// A message between voters.
    Message {
        /// Who said it.
        from: u8,
        /// Whom it is for.
        to: u8,
        /// What.
        message: Message,
    },
    /// A roll call on its way to the store, which does not care who calls.
    Roll {
        /// The generation that it thinks the store is in.
        seen: Generation,
        /// The boots of the roll.
        boots: Vec<Boot>,
    },
}

impl Packet {
    /// The voter that said it, if that matters.
    pub fn from(&self) -> Option<u8> {
        match self {
            Self::Message { from, .. } => Some(*from),
            Self::Roll { .. } => None,
        }
    }

    /// The voter that it is for, if it is not for the store.
    pub fn to(&self) -> Option<u8> {
        match self {
            Self::Message { to, .. } => Some(*to),
            Self::Roll { .. } => None,
        }
    }

    /// The message, if it is not for the store.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Message { message, .. } => Some(message),
            Self::Roll { .. } => None,
        }
    }
}

/// Whether a message is put into the set at all; see above.
pub fn is_modelled(body: &Body, leases: bool) -> bool {
    match body {
        Body::VoteReply { granted, .. } => *granted,
        Body::HeartbeatAck { .. } => leases,
        Body::VoteRequest { .. }
        | Body::Heartbeat { .. }
        | Body::TakeOver { .. }
        | Body::Rejoining { .. }
        | Body::Known { .. }
        | Body::Register { .. }
        | Body::Registered { .. }
        | Body::RollCall { .. }
        | Body::Superseded { .. } => true,
        Body::PreVote
        | Body::PreVoteReply { .. }
        | Body::NewerTerm { .. }
        | Body::NewerGeneration
        | Body::Leaving
        | Body::Voters { .. }
        | Body::Observing => false,
    }
}
