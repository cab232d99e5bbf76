//! What fails again and again is said once, then ever more rarely, and once more when it is over.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::observe::is_noteworthy;
use crate::time::Instant;

/// Without a failure for so long, a trouble is over for good. What fails every other time ends again
/// and again before that, and is said as rarely as it fails.
const CALM: Duration = Duration::from_secs(5);

/// Somebody who is asked for the same things for as long as a node runs, and who may fail to do them.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// Who asks, for the log.
    part: &'static str,
    /// Who is asked.
    whom: &'static str,
    seen: Mutex<Seen>,
}

/// The trouble that lasts, or the last one.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    failures: u64,
    last: Instant,
    /// How often an answer came after failures.
    ends: u64,
    /// Whether one came after the last failure.
    answered: bool,
    /// Whether that was said.
    said: bool,
}

impl Trouble {
    /// None yet, of `part` with `whom`.
    pub(crate) fn of(part: &'static str, whom: &'static str) -> Self {
        Self { part, whom, seen: Mutex::default() }
    }

    /// What was to be done, as in "cannot sweep", was not; `now` is the node's own clock.
    pub(crate) fn failed(&self, now: Instant, what: &str, error: &impl Display) {
        let failures = self.update(|seen| {
            if seen.answered && now >= seen.last + CALM {
                *seen = Seen::default();
            }
            let failures = seen.failures.saturating_add(1);
            *seen = Seen { failures, last: now, answered: false, said: false, ..*seen };
            failures
        });
        let Self { part, whom, .. } = self;
        if is_noteworthy(failures) {
            warn!(part, %error, failures, "{what}: trouble with {whom}");
        } else {
            debug!(part, %error, failures, "{what}");
        }
    }

    /// It answered as it should.
    pub(crate) fn answered(&self, now: Instant) {
        let over = self.update(|seen| {
            if seen.failures == 0 || seen.said {
                return None;
            }
            seen.ends += u64::from(!seen.answered);
            let is_news = !seen.answered && is_noteworthy(seen.ends);
            seen.answered = true;
            seen.said = is_news || now >= seen.last + CALM;
            seen.said.then_some(seen.failures)
        });
        if let Some(failures) = over {
            info!(part = self.part, failures, "{} does its work again", self.whom);
        }
    }

    fn update<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        // A panic while the lock was held leaves whole counts.
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::logged;
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn what_fails_is_said_at_once_then_more_rarely_and_when_it_is_over() {
        let lines = logged(|| {
            let trouble = Trouble::of("delivery", "the store");
            trouble.answered(at(1));
            for second in 1..=1000 {
                trouble.failed(at(second), "cannot claim", &"no connection");
            }
            trouble.answered(at(1001));
            trouble.answered(at(1006));
            trouble.failed(at(1007), "cannot claim", &"no connection");
        });
        assert_eq!(lines.len(), 10 + 1 + 1, "1, 2, 4 … 512, its end, and the next: {lines:?}");
        for part in ["WARN", "part=\"delivery\"", "error=no connection", "failures=1 "] {
            assert!(lines[0].contains(part) && lines[11].contains(part), "{part}: {lines:?}");
        }
        assert!(lines[10].contains("INFO") && lines[10].contains("failures=1000"), "{lines:?}");
    }

    /// A store that takes every other claim is one trouble, not a thousand.
    #[test]
    fn what_fails_every_other_time_does_not_fill_the_log() {
        let lines = logged(|| {
            let trouble = Trouble::of("delivery", "the store");
            for second in 0..1000 {
                trouble.failed(at(2 * second), "cannot claim", &"busy");
                trouble.answered(at(2 * second + 1));
            }
            trouble.answered(at(2002));
            trouble.answered(at(2003));
            trouble.answered(at(2004));
        });
        assert_eq!(lines.len(), 10 + 10 + 1, "and that it is over at last: {lines:?}");
        assert!(lines[20].contains("failures=1000"), "{lines:?}");
    }
}
