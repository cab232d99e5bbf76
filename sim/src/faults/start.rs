//! When a fault of a plan begins: at a time, or when something happens.

use std::time::Duration;

use fencepost::NodeId;

use super::fault::Fault;

/// A fault and its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFault {
    /// When.
    pub start: Start,
    /// What.
    pub fault: Fault,
}

impl PlannedFault {
    /// A fault at that time from the end of the warm-up.
    pub fn at(at: Duration, fault: Fault) -> Self {
        Self { start: Start::At(at), fault }
    }
}

/// When a fault begins. Ordered as in a plan: times first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// At this time from the end of the warm-up.
    At(Duration),
    /// When something happens, and never if it does not happen before the horizon.
    When {
        /// What must happen.
        event: Trigger,
        /// For the how-many-th time since the end of the warm-up; from 1.
        nth: u32,
        /// How long after it.
        after: Duration,
    },
}

/// What a fault can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A voter asks for votes in a new term: this one, or any.
    Campaign(Option<NodeId>),
    /// A guard is handed out: to this voter, or to any.
    Leader(Option<NodeId>),
    /// A holder asks the database to claim a message; the claim is under way.
    ClaimAsked,
    /// A claim is durable.
    Claim,
    /// A message is on its way to the sink.
    Send,
    /// The floor rises.
    Floor,
}

impl Trigger {
    /// Whether it can only happen where there are messages: without, nobody keeps a store.
    pub fn needs_workload(self) -> bool {
        !matches!(self, Self::Leader(_) | Self::Campaign(_))
    }
}

impl Start {
    /// The same, that much later.
    pub fn later(self, by: Duration) -> Self {
        match self {
            Self::At(at) => Self::At(at + by),
            Self::When { event, nth, after } => Self::When { event, nth, after: after + by },
        }
    }

    /// The earliest time at which it can be, from the end of the warm-up.
    pub fn earliest(self) -> Duration {
        match self {
            Self::At(at) => at,
            Self::When { after, .. } => after,
        }
    }
}
