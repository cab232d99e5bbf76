//! What is to be done about a job now: a pure function of its schedule, its policies and what the
//! store says.
//!
//! It decides from the oldest instant without an outcome on, and never about one that is still to
//! come. Each step passes some instants for good, so that every instant gets exactly one outcome,
//! in the order of the instants. An instant is judged by what was the case when it came: one that
//! came while the newest run ran meets the overlap policy, any other one the misfire policy if it
//! is late.
//!
//! **A clock that was set back.** Instants that have begun do not begin again, wherever the cursor is: they
//! are passed over as if the schedule did not have them. What was skipped and is still to come, because
//! the clock was ahead when it was skipped, is judged when its time comes: for that the cursor is set
//! back, to where all that lies before the clock's time has its outcome.

use std::time::Duration;

use super::policy::{Misfire, Overlap, Policy};
use super::schedule::Schedule;
use crate::probe::mutant;
use crate::store::{JobState, Ran, RunSpan, Skip, SkipReason, Step};
use crate::time::WallTime;

/// What is to be done about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, before the store's clock shows `until`, or, if that is none, before a run has
    /// ended.
    Wait {
        /// The next instant.
        until: Option<WallTime>,
    },
    /// This, by [`JobRuns::begin_run`](crate::store::JobRuns::begin_run); then look again.
    Take(Step),
    /// The store's clock was set back: so is the cursor, by
    /// [`JobRuns::set_back`](crate::store::JobRuns::set_back); then look again.
    SetBack {
        /// The new cursor.
        to: WallTime,
    },
}

/// Decides about a job that stands at `state` when the store's clock shows `now`.
pub fn decide(schedule: &Schedule, policy: &Policy, state: &JobState, now: WallTime) -> Decision {
    let schedule = Open { schedule, ran: &state.ran };
    if let Some(to) = schedule.set_back(state, now) {
        return Decision::SetBack { to };
    }
    let next = schedule.next_after(state.cursor);
    let Some(first) = next.filter(|first| *first <= now) else {
        return Decision::Wait { until: next };
    };
    let due = Due { schedule, policy, first, now };
    let has_room = state.running.len() < policy.overlap.concurrent();
    match state.newest.map(|newest| Meanwhile::new(newest, now)) {
        Some(ran) if ran.contains(first) => {
            if let Some(decision) = due.overlapping(ran.until, has_room) {
                return decision;
            }
            due.by_lateness(now)
        }
        _ if !has_room => Decision::Wait { until: None },
        // What came before the newest run began ends there; the rest is judged by the arms above.
        Some(ran) if first <= ran.begun => due.by_lateness(ran.begun),
        _ => due.by_lateness(now),
    }
}

/// The next instant of a job that stands at `state` when the store's clock shows `now`: the first after the
/// cursor that has not begun. It may have come already.
pub fn next(schedule: &Schedule, state: &JobState, now: WallTime) -> Option<WallTime> {
    let schedule = Open { schedule, ran: &state.ran };
    schedule.next_after(schedule.set_back(state, now).unwrap_or(state.cursor))
}

/// A schedule without the instants that have begun.
#[derive(Clone, Copy)]
struct Open<'a> {
    schedule: &'a Schedule,
    ran: &'a Ran,
}

impl Open<'_> {
    fn next_after(self, time: WallTime) -> Option<WallTime> {
        let mut next = self.schedule.next_after(time)?;
        while let Some(last) = self.ran.until(next) {
            next = self.schedule.next_after(last)?;
        }
        Some(next)
    }

    fn last_until(self, time: WallTime) -> Option<WallTime> {
        let mut last = self.schedule.last_until(time)?;
        while let Some(first) = self.ran.from(last) {
            last = self.schedule.last_until(before(first)?)?;
        }
        Some(last)
    }

    fn count_between(self, after: WallTime, until: WallTime) -> u64 {
        let begun = self.ran.between(after, until);
        let begun = begun.map(|(after, until)| self.schedule.count_between(after, until));
        self.schedule.count_between(after, until).saturating_sub(begun.sum())
    }

    /// Where the cursor is to be set back to, if it is ahead of the clock and passed over what is still to
    /// come.
    fn set_back(self, state: &JobState, now: WallTime) -> Option<WallTime> {
        if state.cursor <= now || mutant!(CursorTrusted) {
            return None;
        }
        self.next_after(now).filter(|next| *next <= state.cursor)?;
        // A schedule that came in force while the clock was ahead has no instants before. Zero: unknown.
        let since = Some(state.since).filter(|since| since.unix_ms > 0);
        if since.is_some_and(|since| now < since) {
            return Some(now);
        }
        Some(since.max(state.ran.last_until(now)).unwrap_or(now))
    }
}

fn before(time: WallTime) -> Option<WallTime> {
    time.unix_ms.checked_sub(1).map(|unix_ms| WallTime { unix_ms })
}

/// The time in which the newest run ran, as far as it is over.
struct Meanwhile {
    begun: WallTime,
    until: WallTime,
}

impl Meanwhile {
    fn new(RunSpan { begun, ended }: RunSpan, now: WallTime) -> Self {
        Self { begun, until: ended.map_or(now, |ended| ended.min(now)) }
    }

    fn contains(&self, instant: WallTime) -> bool {
        self.begun < instant && instant <= self.until
    }
}

/// Instants that are due, the oldest of which is `first`.
struct Due<'a> {
    schedule: Open<'a>,
    policy: &'a Policy,
    first: WallTime,
    now: WallTime,
}

impl Due<'_> {
    /// The first came while the newest run ran, which was until `until`. None: it may run beside.
    fn overlapping(&self, until: WallTime, has_room: bool) -> Option<Decision> {
        let last = self.last_until(until);
        match self.policy.overlap {
            Overlap::Allow { .. } if has_room => None,
            Overlap::Skip | Overlap::Allow { .. } => Some(self.skip(last, SkipReason::Overlap)),
            // The last of them waits in the place of the others.
            Overlap::QueueOne if self.first < last => {
                Some(self.skip(self.before(last), SkipReason::Overlap))
            }
            Overlap::QueueOne if has_room => Some(self.run(None, self.first)),
            Overlap::QueueOne => {
                Some(Decision::Wait { until: self.schedule.next_after(self.first) })
            }
        }
    }

    /// The first is on time, or late; the late ones that are judged with it are not after `bound`.
    fn by_lateness(&self, bound: WallTime) -> Decision {
        let grace = millis(self.policy.grace);
        let late = |instant: WallTime| instant.unix_ms.saturating_add(grace) < self.now.unix_ms;
        if !late(self.first) {
            return self.run(None, self.first);
        }
        let newest_late = self.now.unix_ms.saturating_sub(grace.saturating_add(1));
        let last = self.last_until(WallTime { unix_ms: newest_late.min(bound.unix_ms) });
        match self.policy.misfire {
            Misfire::Skip => self.skip(last, SkipReason::Misfire),
            Misfire::RunLatest if self.last_until(self.now) > last => {
                self.skip(last, SkipReason::Misfire)
            }
            Misfire::RunLatest => self.run_from(last),
            Misfire::CatchUp { at_most } => {
                let older = (1..at_most).try_fold(last, |instant, _| {
                    let older = self.before(instant);
                    (older < instant).then_some(older)
                });
                self.run_from(older.unwrap_or(self.first))
            }
        }
    }

    /// Skips what is before `instant`, which runs.
    fn run_from(&self, instant: WallTime) -> Decision {
        let skip =
            (self.first < instant).then(|| self.range(self.before(instant), SkipReason::Misfire));
        self.run(skip, instant)
    }

    fn run(&self, skip: Option<Skip>, instant: WallTime) -> Decision {
        Decision::Take(Step { skip, run: Some(instant) })
    }

    fn skip(&self, last: WallTime, why: SkipReason) -> Decision {
        Decision::Take(Step { skip: Some(self.range(last, why)), run: None })
    }

    /// From the first to `last`.
    fn range(&self, last: WallTime, why: SkipReason) -> Skip {
        let first = self.first;
        let count = 1 + self.schedule.count_between(first, last);
        Skip { first, last, count, why }
    }

    /// The last instant until `time`; the first, if it is later.
    fn last_until(&self, time: WallTime) -> WallTime {
        self.schedule.last_until(time).map_or(self.first, |last| last.max(self.first))
    }

    fn before(&self, instant: WallTime) -> WallTime {
        self.last_until(WallTime { unix_ms: instant.unix_ms.saturating_sub(1) })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
