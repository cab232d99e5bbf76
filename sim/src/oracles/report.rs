//! Where an oracle collects what it found.

use super::Violation;
use crate::history::Event;

/// The most violations that one oracle reports of one history. The first one is what matters; a
/// broken layer would otherwise repeat itself for every message.
pub const MAX_VIOLATIONS: usize = 10;

/// The violations of one property, in the order of the history.
pub(super) struct Report {
    property: &'static str,
    found: Vec<Violation>,
}

impl Report {
    pub fn new(property: &'static str) -> Self {
        Self { property, found: Vec::new() }
    }

    /// The event at `index` broke the property. `what` is asked only if it will be reported.
    pub fn add(&mut self, index: usize, event: &Event, what: impl FnOnce() -> String) {
        if self.found.len() < MAX_VIOLATIONS {
            let property = self.property;
            self.found.push(Violation { property, at: event.at, event: index, what: what() });
        }
    }

    pub fn done(self) -> Vec<Violation> {
        self.found
    }
}
