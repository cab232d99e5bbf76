//! What the log hears of messages that are not delivered: that it happens at once, and then a sum every few
//! seconds, however many they are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::store::MessageId;
use crate::time::Instant;

/// How often there is a line at most.
const EVERY: Duration = Duration::from_secs(10);

/// Dead letters and parked messages since the last line, of all units of a node.
#[derive(Debug, Default)]
pub(super) struct Losses {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    sum: Sum,
    /// When the last line was written.
    told: Option<Instant>,
}

#[derive(Debug, Default)]
struct Sum {
    refused: u64,
    given_up: u64,
    parked: u64,
    /// The last one, with what was said about it.
    example: Option<(MessageId, String)>,
}

impl Losses {
    /// This one is a dead letter: its recipient refuses it, or it cannot be sent.
    pub(super) fn refused(&self, now: Instant, id: &MessageId, reason: &str) {
        self.add(now, id, reason, |sum| &mut sum.refused);
    }

    /// This one is a dead letter after its last attempt.
    pub(super) fn given_up(&self, now: Instant, id: &MessageId, reason: &str) {
        self.add(now, id, reason, |sum| &mut sum.given_up);
    }

    /// This one waits for a person's verdict.
    pub(super) fn parked(&self, now: Instant, id: &MessageId, reason: &str) {
        self.add(now, id, reason, |sum| &mut sum.parked);
    }

    /// Writes what there is to say, if it is time.
    pub(super) fn tell(&self, now: Instant) {
        self.update(|seen| seen.tell(now));
    }

    fn add(&self, now: Instant, id: &MessageId, reason: &str, count: fn(&mut Sum) -> &mut u64) {
        self.update(|seen| {
            *count(&mut seen.sum) += 1;
            seen.sum.example = Some((id.clone(), reason.to_owned()));
            seen.tell(now);
        });
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        // A panic while the lock was held leaves whole counts.
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Seen {
    fn tell(&mut self, now: Instant) {
        if self.sum.example.is_none() || self.told.is_some_and(|told| now < told + EVERY) {
            return;
        }
        let Sum { refused, given_up, parked, example } = std::mem::take(&mut self.sum);
        self.told = Some(now);
        if let Some((example, reason)) = example {
            warn!(
                refused,
                given_up,
                parked,
                %example,
                reason,
                "messages were not delivered: `fencepost outbox list` shows dead letters and doubts"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::lines::logged;

    #[test]
    fn a_thousand_losses_are_a_line_every_ten_seconds() {
        let id = |n: u64| MessageId::new(&format!("m{n}")).unwrap();
        let lines = logged(|| {
            let losses = Losses::default();
            for n in 0..1000 {
                let now = Instant(0) + Duration::from_millis(n * 20);
                match n % 3 {
                    0 => losses.refused(now, &id(n), "HTTP 404"),
                    1 => losses.given_up(now, &id(n), "busy"),
                    _ => losses.parked(now, &id(n), "HTTP 503"),
                }
            }
            losses.tell(Instant(0) + EVERY);
            losses.tell(Instant(0) + EVERY * 3);
            losses.tell(Instant(0) + EVERY * 9);
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("WARN") && lines[0].contains("refused=1 "), "{lines:?}");
        assert!(lines[0].contains("example=m0") && lines[0].contains("HTTP 404"), "{lines:?}");
        assert!(lines[1].contains("refused=166 given_up=167 parked=167"), "{lines:?}");
        assert!(lines[2].contains("example=m999"), "{lines:?}");
    }
}
