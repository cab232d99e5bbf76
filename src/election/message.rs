//! What nodes say to each other. Every message names the sender's incarnation, generation,
//! configuration and current term.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::ConfigId;
use super::known::CrashVector;
use super::roll::Roll;
use crate::id::{Boot, Generation, Identity, Incarnation, NodeId, Term};
use crate::time::Instant;

/// One message of the election.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it. The transport has checked the node; see [`crate::node::Transport`].
    pub from: Identity,
    /// The generation in which the sender is operational; none while it rejoins.
    pub generation: Generation,
    /// The sender's list of voters.
    pub config: ConfigId,
    /// For how long a promise of the sender binds it at least, on its own clock, in nanoseconds: the
    /// shorter one of its A and its Q, because a restart leaves Q of it. Each node has a file of its own.
    pub promise: u64,
    /// The sender's term when it sent this.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a [`Message`] says. Replies name whom they answer, so that none is counted for another life
/// of the same node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Body {
    /// "Would you vote for me in the term after mine?" Changes no state anywhere.
    PreVote,
    /// The answer to a [`Body::PreVote`] asked in term `asked`.
    PreVoteReply {
        /// The one who asked.
        to: Identity,
        /// The term it asked in.
        asked: Term,
        /// Whether the sender would vote for it.
        granted: bool,
    },
    /// "Vote for me in this message's term."
    VoteRequest {
        /// The lease that was given up for this campaign. A vote for such a candidate is also an
        /// acknowledgement: its voter promises A, and the candidate's first lease counts from
        /// this message.
        release: Option<Release>,
    },
    /// The answer to a [`Body::VoteRequest`]; a grant is for this message's term.
    VoteReply {
        /// The candidate.
        to: Identity,
        /// Whether it has the vote.
        granted: bool,
        /// The voter's crash vector.
        known: Arc<CrashVector>,
    },
    /// The leader of this message's term lives.
    Heartbeat {
        /// Counts this leader's heartbeats, from 1.
        round: u64,
        /// The cluster as the leader sees it.
        view: Arc<View>,
    },
    /// The sender promises no vote to others for A, counted from its receipt of that heartbeat. From
    /// an observer: it is there.
    HeartbeatAck {
        /// The leader.
        to: Identity,
        /// Which of its heartbeats.
        round: u64,
        /// The sender's monotonic clock, between its receipt of the heartbeat and this message.
        reading: Instant,
        /// Of this start of the sender. Another one may have another clock.
        nonce: u64,
        /// How much the sender wants to lead.
        priority: u8,
    },
    /// "Your term is over, mine is higher": the answer to a heartbeat of an old term.
    NewerTerm {
        /// The deposed leader.
        to: Identity,
    },
    /// The leader has stopped acting and released its lease: campaign at once.
    TakeOver {
        /// Its successor.
        to: Identity,
    },
    /// The sender goes, and says so.
    Leaving,
    /// "I remember nothing and my quarantine is over. Which incarnation do you know of me?"
    Rejoining {
        /// Of this start of the sender.
        nonce: u64,
        /// The highest generation it has heard of.
        heard: Generation,
        /// It hears enough voters to start anew, but too few of them remember anything for it to
        /// rejoin, and too few remember nothing for a cold start: will those that remember, and know
        /// of no leader, forget as well?
        stuck: bool,
    },
    /// The answer to [`Body::Rejoining`].
    Known {
        /// The one that asked.
        to: Boot,
        /// The highest incarnation known of it.
        incarnation: Incarnation,
    },
    /// "From now on I am the incarnation that this message is from."
    Register {
        /// Of this start of the sender.
        nonce: u64,
    },
    /// The answer to [`Body::Register`]: the sender knows the new incarnation, for good.
    Registered {
        /// The one that registered.
        to: Boot,
        /// As what.
        incarnation: Incarnation,
        /// The sender's crash vector.
        known: Arc<CrashVector>,
    },
    /// The roll of the sender's generation, for one that is on it and does not know.
    RollCall {
        /// The roll.
        roll: Arc<Roll>,
    },
    /// "There is a newer generation than yours: the one this message is of."
    NewerGeneration,
    /// "I know a newer incarnation of you."
    Superseded {
        /// The old one.
        to: Identity,
        /// The newer one.
        by: Incarnation,
    },
    /// The sender's list of voters, for one whose list is another.
    Voters {
        /// The list.
        voters: Arc<Vec<NodeId>>,
        /// Whether the receiver's list is asked for.
        asks: bool,
    },
    /// The sender has no vote and wants to take part.
    Observing,
}

/// A lease given up before its end: exactly that of this leader in this term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// Who gave it up.
    pub leader: Identity,
    /// The term it led.
    pub term: Term,
}

impl Body {
    /// A short name, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PreVote => "pre-vote",
            Self::PreVoteReply { .. } => "pre-vote reply",
            Self::VoteRequest { .. } => "vote request",
            Self::VoteReply { .. } => "vote reply",
            Self::Heartbeat { .. } => "heartbeat",
            Self::HeartbeatAck { .. } => "heartbeat ack",
            Self::NewerTerm { .. } => "newer term",
            Self::TakeOver { .. } => "take over",
            Self::Leaving => "leaving",
            Self::Rejoining { .. } => "rejoining",
            Self::Known { .. } => "known",
            Self::Register { .. } => "register",
            Self::Registered { .. } => "registered",
            Self::RollCall { .. } => "roll call",
            Self::NewerGeneration => "newer generation",
            Self::Superseded { .. } => "superseded",
            Self::Voters { .. } => "voters",
            Self::Observing => "observing",
        }
    }

    /// Whether a node may say this that is not operational: nothing of it counts for an election,
    /// a lease, or another node's recovery (E5).
    pub fn is_harmless(&self) -> bool {
        matches!(
            self,
            Self::Rejoining { .. }
                | Self::Register { .. }
                | Self::Superseded { .. }
                | Self::Voters { .. }
                | Self::Observing
                | Self::Leaving
        )
    }

    /// Whether a lease may come to rest on this: what a voter grants or acknowledges.
    pub(super) fn is_promise(&self) -> bool {
        matches!(
            self,
            Self::PreVoteReply { granted: true, .. }
                | Self::VoteReply { granted: true, .. }
                | Self::HeartbeatAck { .. }
        )
    }

    /// Whether a node without a vote may say this. To any voter, because the leader that it means
    /// may lead no longer when it arrives.
    pub fn is_of_observers(&self) -> bool {
        matches!(
            self,
            Self::Observing | Self::HeartbeatAck { .. } | Self::Leaving | Self::Voters { .. }
        )
    }
}

/// The cluster as the leader of one term sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View {
    /// Counts this leader's views, from 1; 0 before the first.
    pub version: u64,
    /// The live nodes, the leader among them, in order of name.
    pub participants: Vec<NodeId>,
}

#[cfg(test)]
mod tests;
