//! What nodes say to each other. Every message names the sender's incarnation and current term.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{Identity, NodeId, Term};

/// One message of the election.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it. The transport has checked the node; see [`crate::node::Transport`].
    pub from: Identity,
    /// The sender's term when it sent this.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a [`Message`] says. Replies name whom they answer, so that none is counted for another life
/// of the same node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    VoteRequest,
    /// The answer to a [`Body::VoteRequest`]; a grant is for this message's term.
    VoteReply {
        /// The candidate.
        to: Identity,
        /// Whether it has the vote.
        granted: bool,
    },
    /// The leader of this message's term lives.
    Heartbeat {
        /// Counts this leader's heartbeats, from 1.
        round: u64,
        /// The cluster as the leader sees it.
        view: Arc<View>,
    },
    /// The sender promises no vote to others for A, counted from its receipt of that heartbeat.
    HeartbeatAck {
        /// The leader.
        to: Identity,
        /// Which of its heartbeats.
        round: u64,
    },
    /// "Your term is over, mine is higher": the answer to a heartbeat of an old term.
    NewerTerm {
        /// The deposed leader.
        to: Identity,
    },
}

impl Body {
    /// A short name, for logs and traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PreVote => "pre-vote",
            Self::PreVoteReply { .. } => "pre-vote reply",
            Self::VoteRequest => "vote request",
            Self::VoteReply { .. } => "vote reply",
            Self::Heartbeat { .. } => "heartbeat",
            Self::HeartbeatAck { .. } => "heartbeat ack",
            Self::NewerTerm { .. } => "newer term",
        }
    }
}

/// The cluster as the leader of one term sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// Counts this leader's views, from 1; 0 before the first.
    pub version: u64,
    /// The live nodes, the leader among them, in order of name.
    pub participants: Vec<NodeId>,
}
