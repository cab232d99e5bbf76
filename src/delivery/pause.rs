//! How often a sink is tried that cannot be reached: ever more rarely, by all units of a node together.
//!
//! A recipient that comes back is not met by a crowd, and one that refuses a login does not see ten of
//! them a second.

use std::time::Duration;

use super::backoff::Backoff;
use crate::cluster::Watched;
use crate::time::{Clock, Instant};

/// The longest pause: what is due waits no longer than that for a sink that is back.
const SINK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Pauses that grow over failures in a row: twice as long after each, from `first` on.
pub(super) fn growing(first: Duration) -> Backoff {
    Backoff { first, max: SINK_PAUSE_MAX.max(first) }
}

/// What the units of a node know of their sink.
pub(super) struct SinkPause {
    pauses: Backoff,
    known: Watched<Known>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    /// Since a send last reached the sink.
    failures: u64,
    /// Set while it is not ready: before that nobody tries whether it is.
    away_until: Option<Instant>,
}

impl SinkPause {
    /// For a sink that nobody has tried. `first` is the first pause.
    pub(super) fn new(first: Duration) -> Self {
        Self { pauses: growing(first), known: Watched::default() }
    }

    /// Whether to try it now. While it is away one does, and the others wait for what comes of it.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        // Mostly nobody has to be told anything.
        if self.known.with(|known| known.away_until.is_none()) {
            return true;
        }
        self.known.update(|known| {
            let may = known.away_until.is_none_or(|until| now >= until);
            if may && known.away_until.is_some() {
                known.failed();
                known.away_until = Some(now + self.pause(known));
            }
            may
        })
    }

    /// It was not ready.
    pub(super) fn away(&self, now: Instant) {
        self.known.update(|known| {
            // Else it was counted when the try began. That may have taken long, and others may have
            // begun as well.
            if known.away_until.is_none() {
                known.failed();
            }
            known.away_until = known.away_until.max(Some(now + self.pause(known)));
        });
    }

    /// It is ready. Sends will tell what that is worth.
    pub(super) fn ready(&self) {
        if self.known.with(|known| known.away_until.is_some()) {
            self.known.update(|known| known.away_until = None);
        }
    }

    /// A send got as far as the sink, whatever came of it.
    pub(super) fn reached(&self) {
        if self.known.with(|known| known.failures > 0 || known.away_until.is_some()) {
            self.known.set(Known::default());
        }
    }

    /// A send did not leave this node although the sink was ready. How long its sender waits; for the
    /// others that is no reason to.
    pub(super) fn not_sent(&self) -> Duration {
        self.known.update(|known| {
            known.failed();
            self.pause(known)
        })
    }

    /// Completes when the sink may be tried again. Cancel-safe.
    pub(super) async fn over<C: Clock>(&self, clock: &C) {
        let Some(until) = self.known.with(|known| known.away_until) else { return };
        let back = self.known.wait_for(|known| known.away_until.is_none().then_some(()));
        tokio::select! {
            biased;
            () = back => {}
            () = clock.sleep_until(until) => {}
        }
    }

    /// After the last failure.
    fn pause(&self, known: &Known) -> Duration {
        self.pauses.after(known.failures.saturating_sub(1))
    }
}

impl Known {
    fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant(0) + Duration::from_millis(millis)
    }

    /// When it is tried in two minutes, looked at every 10 ms by three units, if `works` says what a try
    /// comes to.
    fn tries(pause: &SinkPause, works: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut tries = Vec::new();
        for millis in (0..120_000).step_by(10) {
            for _ in 0..3 {
                if pause.may_try(at(millis)) {
                    tries.push(millis);
                    if works(millis) {
                        pause.ready();
                    } else {
                        pause.away(at(millis));
                    }
                }
            }
        }
        tries
    }

    #[test]
    fn a_sink_that_is_away_is_tried_ever_more_rarely_however_many_wait_for_it() {
        let pause = SinkPause::new(Duration::from_millis(100));
        let away = tries(&pause, |_| false);
        assert_eq!(away[..8], [0, 100, 300, 700, 1500, 3100, 6300, 11300], "{away:?}");
        assert_eq!(away.len(), 6 + 23, "and then every five seconds");
    }

    /// Another might say "ready" for ever and take nothing.
    #[test]
    fn only_a_send_that_reaches_it_makes_the_pauses_short_again() {
        let pause = SinkPause::new(Duration::from_millis(100));
        let waits = |pause: &SinkPause| [(); 4].map(|()| pause.not_sent().as_millis());
        assert_eq!(waits(&pause), [100, 200, 400, 800]);
        assert!(pause.may_try(at(0)), "others may");
        pause.ready();
        assert_eq!(waits(&pause), [1600, 3200, 5000, 5000]);
        pause.reached();
        assert_eq!(waits(&pause), [100, 200, 400, 800]);
        pause.reached();
        pause.away(at(0));
        pause.reached();
        assert!(pause.may_try(at(0)));
    }

    /// A login that takes ten seconds to fail does not follow the last one at once.
    #[test]
    fn a_pause_is_counted_from_the_end_of_the_try() {
        let pause = SinkPause::new(Duration::from_millis(100));
        pause.away(at(0));
        assert!(pause.may_try(at(100)));
        assert!(!pause.may_try(at(150)), "one at a time");
        pause.away(at(10_000));
        assert!(!pause.may_try(at(10_100)));
        assert!(pause.may_try(at(10_200)));
    }
}
