//! A deduplicating sink's window as the database counts it: by its own wall clock, which can be set,
//! from the first claim that may have led to an effect, for as long as the nodes are told.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SinkKind;
use crate::history::{Event, Kind, MessageNo, MessageState, ProofKind, SimTime};

/// What runs for one message.
#[derive(Debug, Default)]
struct Window {
    /// The first claim that may have led to an effect, by the database's clock.
    first_claimed: Option<i64>,
    /// It was released to be sent again.
    released: bool,
}

/// The windows of all messages at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// By how much the database's clock was set, in milliseconds.
    set_ms: i64,
    messages: BTreeMap<MessageNo, Window>,
}

impl Windows {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        match event.kind {
            Kind::DatabaseWallStep { by_ms } => self.set_ms = self.set_ms.saturating_add(by_ms),
            Kind::Claimed { message, .. } => {
                let now = self.clock_ms(event.at);
                self.of(message).first_claimed.get_or_insert(now);
            }
            // What had no effect leaves alone what runs for an earlier attempt.
            Kind::Moved { message, proof: Some(ProofKind::NeverSent), .. } => {
                let window = self.of(message);
                if !window.released {
                    window.first_claimed = None;
                }
            }
            Kind::Moved { message, proof: Some(ProofKind::Deduplicated), .. } => {
                self.of(message).released = true;
            }
            // A person vouches that no attempt had an effect.
            Kind::Judged { message, to: MessageState::Pending, .. } => {
                *self.of(message) = Window::default();
            }
            _ => {}
        }
    }

    /// Whether the message was released to be sent again while its window runs.
    pub fn is_released(&self, message: MessageNo) -> bool {
        self.messages.get(&message).is_some_and(|window| window.released)
    }

    /// Whether the window of that sink has ended for the message; never, if none has begun or the sink
    /// has none.
    pub fn is_over(&self, sink: SinkKind, message: MessageNo, at: SimTime) -> bool {
        self.is_past(sink, message, at, Duration::ZERO)
    }

    /// Whether it ended so long ago.
    pub fn is_past(&self, sink: SinkKind, message: MessageNo, at: SimTime, ago: Duration) -> bool {
        let SinkKind::Dedup { window } = sink else { return false };
        let told = window.saturating_sub(SinkKind::WINDOW_MARGIN) + ago;
        let first = self.messages.get(&message).and_then(|window| window.first_claimed);
        let millis = i64::try_from(told.as_millis()).unwrap_or(i64::MAX);
        first.is_some_and(|first| self.clock_ms(at) >= first.saturating_add(millis))
    }

    /// What the database's clock shows, from an origin of its own, in its milliseconds.
    fn clock_ms(&self, at: SimTime) -> i64 {
        let ms = i64::try_from(at.0 / 1_000_000).expect("a run lasts less than 292 years");
        ms.saturating_add(self.set_ms)
    }

    fn of(&mut self, message: MessageNo) -> &mut Window {
        self.messages.entry(message).or_default()
    }
}
