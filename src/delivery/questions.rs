//! What a leader remembers of the questions that it has asked a fenced sink about doubts.
//!
//! A sink that does not answer must neither hold up delivery nor be asked for ever at the same pace, and
//! each raise of the round costs every worker a refusal: so what was asked in vain comes last, after a
//! pause, and is covered by the raise that it had.

use std::time::Duration;

use super::pause::growing;
use crate::store::{Attempt, Doubt};
use crate::time::Instant;

/// How long the questions of one go may take before delivery goes on.
const WITHIN: Duration = Duration::from_secs(1);

/// How long they may take at most, after goes in which that was too short for any answer: a sink that
/// always takes longer to say what it has cannot be asked.
const WITHIN_MAX: Duration = Duration::from_secs(8);

/// The questions under one token.
#[derive(Debug)]
pub(super) struct Questions {
    /// What was in doubt when the sink was last fenced: about that, its word proves something.
    covered: Vec<Attempt>,
    /// What was asked about in vain, the earliest first. All of it was in doubt a moment ago.
    in_vain: Vec<Attempt>,
    /// How many goes in a row had no answer at all.
    failures: u64,
    /// Before when what was asked about in vain is not asked about again.
    not_before: Instant,
    within: Duration,
}

impl Default for Questions {
    fn default() -> Self {
        let (covered, in_vain) = Default::default();
        Self { covered, in_vain, failures: 0, not_before: Instant(0), within: WITHIN }
    }
}

/// How a go of questions went.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Went {
    /// There was an answer.
    pub(super) answered: bool,
    /// A question was given up because it took too long.
    pub(super) cut: bool,
}

impl Questions {
    /// When those that begin now are given up.
    pub(super) fn end(&self, now: Instant) -> Instant {
        now + self.within
    }

    /// Puts first what was never asked about, and then what was so longest ago. `false` if there is
    /// nothing to ask about yet.
    pub(super) fn sort(&mut self, now: Instant, doubts: &mut [Doubt]) -> bool {
        self.in_vain.retain(|asked| doubts.iter().any(|doubt| doubt.attempt == *asked));
        doubts.sort_by_cached_key(|doubt| {
            let place = self.in_vain.iter().position(|asked| *asked == doubt.attempt);
            place.map_or(0, |place| place + 1)
        });
        self.in_vain.len() < doubts.len() || now >= self.not_before
    }

    /// Whether the last raise of the fence came after all of these doubts. An attempt that is in doubt
    /// is sent no more, so that what is on its way has an earlier stamp, now and later.
    pub(super) fn cover(&self, doubts: &[Doubt]) -> bool {
        doubts.iter().all(|doubt| self.covered.contains(&doubt.attempt))
    }

    /// The sink is about to be fenced.
    pub(super) fn fencing(&mut self) {
        self.covered.clear();
    }

    /// It was, and these were in doubt before.
    pub(super) fn fenced(&mut self, doubts: &[Doubt]) {
        self.covered = doubts.iter().map(|doubt| doubt.attempt.clone()).collect();
    }

    /// There was no answer about this one.
    pub(super) fn in_vain(&mut self, attempt: &Attempt) {
        self.in_vain.retain(|asked| asked != attempt);
        self.in_vain.push(attempt.clone());
    }

    /// A go that lasted from `began` to `now` is over. `retry` is the shortest pause after one in vain.
    pub(super) fn went(&mut self, went: Went, began: Instant, now: Instant, retry: Duration) {
        if went.answered {
            self.failures = 0;
            self.not_before = now;
        } else {
            let pause = growing(retry).after(self.failures);
            self.failures = self.failures.saturating_add(1);
            // Delivery gets as much time as the questions.
            self.not_before = now + pause.max(began.until(now).unwrap_or_default());
        }
        self.within = match went {
            Went { cut: false, .. } => WITHIN,
            Went { answered: true, .. } => self.within,
            Went { .. } => (self.within * 2).min(WITHIN_MAX),
        };
    }
}
