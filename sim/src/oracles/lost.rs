//! What a store lost although it had acknowledged it, and what that excuses.
//!
//! Whose claim or end was lost is, for everybody who asks the store, as it was before: it may be claimed
//! and sent again, once for each time that this happened. Nothing else is excused: not what the store
//! kept, and not a second effect at a sink that would have dropped it.

use std::collections::BTreeMap;

use crate::history::{Event, Kind, MessageNo};

/// The messages of which a store lost something, at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Lost {
    times: BTreeMap<MessageNo, u32>,
}

impl Lost {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        if let Kind::SetBack { messages, .. } = &event.kind {
            for (message, _) in messages {
                *self.times.entry(*message).or_default() += 1;
            }
        }
    }

    /// How often something was lost about that message.
    pub fn times(&self, message: MessageNo) -> u32 {
        self.times.get(&message).copied().unwrap_or(0)
    }

    /// Whether that ever happened.
    pub fn met(&self, message: MessageNo) -> bool {
        self.times(message) > 0
    }
}
