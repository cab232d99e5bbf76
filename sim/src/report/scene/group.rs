//! Kinds of events as people tell them apart: some fifteen, by which a picture is filtered.

use fencepost::election::HardState;

use crate::history::{Kind, MessageKind};
use crate::report::event;

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // `name` and `says` tell
pub enum Group {
    Faults,
    Processes,
    Clocks,
    Election,
    Votes,
    Heartbeats,
    Rejoining,
    Leases,
    Status,
    Fence,
    Claims,
    Sends,
    Effects,
    Outbox,
    Jobs,
    Work,
}

impl Group {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Faults,
        Self::Processes,
        Self::Clocks,
        Self::Election,
        Self::Votes,
        Self::Heartbeats,
        Self::Rejoining,
        Self::Leases,
        Self::Status,
        Self::Fence,
        Self::Claims,
        Self::Sends,
        Self::Effects,
        Self::Outbox,
        Self::Jobs,
        Self::Work,
    ];

    /// One word, and what belongs to it.
    pub fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::Faults => ("faults", "faults and phases of the run"),
            Self::Processes => ("processes", "processes that start, end, stand still and run on"),
            Self::Clocks => ("clocks", "clocks that are set, and what others notice of it"),
            Self::Election => ("election", "elections, promises and lost leaderships"),
            Self::Votes => ("votes", "messages: requests for votes and their answers"),
            Self::Heartbeats => ("heartbeats", "messages: heartbeats and their answers"),
            Self::Rejoining => ("rejoining", "messages: nodes that forgot, and roll calls"),
            Self::Leases => ("leases", "leases and guards"),
            Self::Status => ("status", "what a node says of itself"),
            Self::Fence => ("fence", "the fence: tokens that rise, and tokens refused"),
            Self::Claims => ("claims", "claims, and what becomes of messages in the outbox"),
            Self::Sends => ("sends", "sends to the recipient, where they begin and end"),
            Self::Effects => ("effects", "what the recipient sees"),
            Self::Outbox => ("outbox", "messages written, and how they end"),
            Self::Jobs => ("jobs", "scheduled jobs"),
            Self::Work => ("work", "distributed work"),
        }
    }

    /// The group of an event.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Phase(_)
            | Kind::Fault { .. }
            | Kind::FaultMissed { .. }
            | Kind::FaultEnded { .. }
            | Kind::World(_)
            | Kind::End => Self::Faults,
            Kind::Booted { .. }
            | Kind::Listed { .. }
            | Kind::StopAsked { .. }
            | Kind::Down { .. }
            | Kind::Paused { .. }
            | Kind::Resumed { .. }
            | Kind::DiskDamaged { .. } => Self::Processes,
            Kind::ClockRate { .. }
            | Kind::WallStep { .. }
            | Kind::DatabaseWallStep { .. }
            | Kind::ClockWatch { .. } => Self::Clocks,
            Kind::Started { .. }
            | Kind::Persisted { .. }
            | Kind::Elected { .. }
            | Kind::SteppedDown { .. }
            | Kind::Rejoins { .. }
            | Kind::Rejoined { .. }
            | Kind::PromiseTooShort { .. }
            | Kind::VotersClash { .. } => Self::Election,
            Kind::Sent { what, .. } => Self::of_message(*what),
            Kind::LeaseExtended { .. }
            | Kind::GuardIssued { .. }
            | Kind::Released { .. }
            | Kind::PromiseReleased { .. }
            | Kind::AskedToStepDown { .. } => Self::Leases,
            Kind::Status { .. } => Self::Status,
            Kind::Activated { .. }
            | Kind::RollCalled { .. }
            | Kind::Fenced { .. }
            | Kind::SetBack { .. } => Self::Fence,
            Kind::ClaimStarted { .. }
            | Kind::ClaimEnded { .. }
            | Kind::Claimed { .. }
            | Kind::Moved { .. }
            | Kind::Parked { .. }
            | Kind::Judged { .. } => Self::Claims,
            Kind::SendStarted { .. } | Kind::SendEnded { .. } => Self::Sends,
            Kind::Effect { .. } | Kind::NoEffect { .. } => Self::Effects,
            Kind::Enqueued { .. } | Kind::Final { .. } => Self::Outbox,
            Kind::Job(_) => Self::Jobs,
            Kind::Work(_) => Self::Work,
        }
    }

    fn of_message(what: MessageKind) -> Self {
        match what {
            MessageKind::PreVote
            | MessageKind::PreVoteReply
            | MessageKind::VoteRequest
            | MessageKind::VoteReply
            | MessageKind::NewerTerm
            | MessageKind::TakeOver
            | MessageKind::Leaving => Self::Votes,
            MessageKind::Heartbeat | MessageKind::HeartbeatAck | MessageKind::Observing => {
                Self::Heartbeats
            }
            MessageKind::Rejoining
            | MessageKind::Known
            | MessageKind::Register
            | MessageKind::Registered
            | MessageKind::RollCall
            | MessageKind::NewerGeneration
            | MessageKind::Superseded
            | MessageKind::Voters => Self::Rejoining,
        }
    }

    /// Whether it goes on all the time and tells little: what is left out first.
    pub fn is_routine(kind: &Kind) -> bool {
        matches!(kind, Kind::Sent { .. } | Kind::LeaseExtended { .. } | Kind::Status { .. })
    }
}

/// What happened, short: without what a picture shows anyway, so that few texts are different.
pub fn brief(kind: &Kind) -> String {
    let hard = |hard: &HardState| {
        let HardState { generation, incarnation, term, vote, .. } = hard;
        let vote = vote.map_or("no vote".to_owned(), |vote| format!("vote for {vote}"));
        format!("term {term}, {vote}, incarnation {incarnation}, generation {generation}")
    };
    match kind {
        Kind::Started { hard: state, .. } => format!("starts from {}", hard(state)),
        Kind::Persisted { hard: state, .. } => format!("persisted {}", hard(state)),
        Kind::LeaseExtended { term, .. } => format!("lease of term {term} extended"),
        Kind::Sent { to, term, what, vote, .. } => {
            let vote = vote.map_or(String::new(), |(whom, granted)| {
                format!(" {} {whom}", if granted { "for" } else { "not for" })
            });
            format!("sends {what:?}{vote} in term {term} to {to}")
        }
        _ => event::text(kind),
    }
}
