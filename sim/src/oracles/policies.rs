//! What the policies of a job say about the outcome of an instant: the rule of DESIGN section 4, stated
//! apart from the product. For J3.
//!
//! An outcome is judged by what the database held when its holder looked. An instant that came while
//! the newest run ran meets the overlap policy, any other one the misfire policy if it is late.
//! Late instants are judged in two batches: those from before the newest run began, and those after.

use std::time::Duration;

use fencepost::WallTime;
use fencepost::jobs::{Misfire, Overlap};
use fencepost::store::SkipReason;

use crate::faults::plan::PlannedJob;

/// The time in which the newest run ran, as far as it was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub begun: WallTime,
    pub until: WallTime,
}

impl Span {
    fn contains(self, instant: WallTime) -> bool {
        self.begun < instant && instant <= self.until
    }
}

/// What an outcome is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub job: &'a PlannedJob,
    /// What the database's clock showed.
    pub now: WallTime,
    /// None: there was no run, or nobody knows when it ended.
    pub newest: Option<Span>,
    /// How many runs were open.
    pub running: usize,
}

impl Case<'_> {
    /// Why that instant may not begin.
    pub fn run_flaw(&self, instant: WallTime) -> Option<&'static str> {
        if instant > self.now {
            return Some("is still to come");
        }
        let next = self.job.next_after(instant);
        if let Some(span) = self.newest.filter(|span| span.contains(instant)) {
            match self.job.overlap {
                Overlap::Skip => return Some("came while the job ran, and is to be skipped"),
                Overlap::QueueOne => {
                    return (next <= span.until).then_some("has lost its place to a later one");
                }
                Overlap::Allow { .. } => {}
            }
        }
        if !self.is_late(instant) {
            return None;
        }
        match self.job.misfire {
            Misfire::Skip => Some("is late, and is to be skipped"),
            Misfire::RunLatest => {
                (next <= self.now).then_some("is late, and a later one stands for it")
            }
            Misfire::CatchUp { at_most } => (self.late_from(instant) > at_most.into())
                .then_some("is older than what is to be caught up"),
        }
    }

    /// Why these instants may not be skipped for that reason.
    pub fn skip_flaw(
        &self,
        first: WallTime,
        last: WallTime,
        why: SkipReason,
    ) -> Option<&'static str> {
        if last > self.now {
            return Some("is still to come");
        }
        match why {
            SkipReason::Overlap => self.overlap_flaw(first, last),
            SkipReason::Misfire => self.misfire_flaw(first, last),
        }
    }

    fn overlap_flaw(&self, first: WallTime, last: WallTime) -> Option<&'static str> {
        let span = self.newest.filter(|span| span.contains(first) && span.contains(last));
        let Some(span) = span else { return Some("did not come while the job ran") };
        match self.job.overlap {
            Overlap::Skip => None,
            Overlap::QueueOne => (self.job.next_after(last) > span.until)
                .then_some("is the last one, and is to wait"),
            Overlap::Allow { at_most } => {
                (self.running < at_most as usize).then_some("may run beside the others")
            }
        }
    }

    fn misfire_flaw(&self, first: WallTime, last: WallTime) -> Option<&'static str> {
        if !self.is_late(last) {
            return Some("is not late");
        }
        let beside = matches!(self.job.overlap, Overlap::Allow { .. });
        if let Some(span) = self.newest.filter(|_| !beside) {
            let before = first <= span.begun && last <= span.begun;
            if !before && first <= span.until && last > span.begun {
                return Some("came while the job ran: the overlap policy decides");
            }
        }
        let next = self.job.next_after(last);
        match self.job.misfire {
            Misfire::Skip => None,
            Misfire::RunLatest => (next > self.now).then_some("is the latest, and is to run"),
            Misfire::CatchUp { at_most } => {
                let kept = if next > self.last_late_with(first) { 0 } else { self.late_from(next) };
                (kept < at_most.into()).then_some("is to be caught up")
            }
        }
    }

    fn is_late(&self, instant: WallTime) -> bool {
        self.now.unix_ms.saturating_sub(instant.unix_ms) > millis(self.job.grace)
    }

    /// The last late instant of that one's batch.
    fn last_late_with(&self, instant: WallTime) -> WallTime {
        let late = self.now.unix_ms.saturating_sub(millis(self.job.grace) + 1);
        let bound = self.newest.map(|span| span.begun).filter(|begun| instant <= *begun);
        let bound = bound.map_or(late, |begun| begun.unix_ms.min(late));
        self.job.last_until(WallTime { unix_ms: bound })
    }

    /// How many late instants there are in its batch from that one on.
    fn late_from(&self, instant: WallTime) -> u64 {
        self.job.count(instant, self.last_late_with(instant))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a grace is short")
}

#[cfg(test)]
mod tests {
    use fencepost::store::SkipReason::{Misfire as Late, Overlap as Beside};

    use super::*;
    use crate::scenario::units::Between;

    const ALLOW: Overlap = Overlap::Allow { at_most: 2 };

    fn at(unix_ms: u64) -> WallTime {
        WallTime { unix_ms }
    }

    /// Due every second, a grace of two.
    fn job(misfire: Misfire, overlap: Overlap) -> PlannedJob {
        let second = Duration::from_secs(1);
        let runs = Between { low: second, high: second };
        PlannedJob { every: second, runs, misfire, overlap, grace: 2 * second }
    }

    fn case(job: &PlannedJob, now: u64, newest: Option<(u64, u64)>) -> Case<'_> {
        let newest = newest.map(|(begun, until)| Span { begun: at(begun), until: at(until) });
        Case { job, now: at(now), newest, running: 1 }
    }

    #[track_caller]
    fn may_run(case: Case<'_>, instant: u64, may: bool) {
        let flaw = case.run_flaw(at(instant));
        assert_eq!(flaw.is_none(), may, "{instant} {flaw:?}");
    }

    #[track_caller]
    fn may_skip(case: Case<'_>, first: u64, last: u64, why: SkipReason, may: bool) {
        let flaw = case.skip_flaw(at(first), at(last), why);
        assert_eq!(flaw.is_none(), may, "{first} to {last} {flaw:?}");
    }

    #[test]
    fn what_is_on_time_runs_whatever_the_misfire_policy() {
        for misfire in [Misfire::Skip, Misfire::RunLatest, Misfire::CatchUp { at_most: 2 }] {
            let job = job(misfire, Overlap::Skip);
            let case = case(&job, 7_000, None);
            may_run(case, 7_000, true);
            may_run(case, 5_000, true);
            may_skip(case, 5_000, 5_000, Late, false);
            may_skip(case, 5_000, 5_000, Beside, false);
            // Nobody decides about what has not come.
            may_run(case, 8_000, false);
            may_skip(case, 8_000, 8_000, Late, false);
        }
    }

    #[test]
    fn late_ones_are_skipped_where_that_is_the_policy() {
        let job = job(Misfire::Skip, Overlap::Skip);
        let case = case(&job, 7_001, None);
        may_skip(case, 1_000, 5_000, Late, true);
        may_skip(case, 1_000, 6_000, Late, false);
        may_run(case, 5_000, false);
        may_run(case, 6_000, true);
    }

    #[test]
    fn the_latest_runs_where_that_is_the_policy() {
        let mut job = job(Misfire::RunLatest, Overlap::Skip);
        let many = case(&job, 7_500, None);
        may_skip(many, 1_000, 5_000, Late, true);
        may_run(many, 5_000, false);
        job.every = Duration::from_secs(4);
        let one = case(&job, 7_500, None);
        may_run(one, 4_000, true);
        may_skip(one, 4_000, 4_000, Late, false);
    }

    #[test]
    fn as_many_are_caught_up_as_the_policy_says() {
        let job = job(Misfire::CatchUp { at_most: 2 }, Overlap::Skip);
        // 1 s to 5 s are late.
        let fresh = case(&job, 7_500, None);
        may_skip(fresh, 1_000, 3_000, Late, true);
        may_skip(fresh, 1_000, 4_000, Late, false);
        may_skip(fresh, 1_000, 5_000, Late, false);
        may_run(fresh, 3_000, false);
        may_run(fresh, 4_000, true);
        may_run(fresh, 5_000, true);
        // Those from before the newest run began are a batch of their own.
        let batch = case(&job, 9_500, Some((4_500, 4_600)));
        may_run(batch, 2_000, false);
        may_run(batch, 3_000, true);
        may_skip(batch, 1_000, 2_000, Late, true);
        may_skip(batch, 1_000, 3_000, Late, false);
        may_run(batch, 5_000, false);
        may_run(batch, 6_000, true);
    }

    #[test]
    fn what_came_while_the_job_ran_is_skipped() {
        let job = job(Misfire::Skip, Overlap::Skip);
        let case = case(&job, 5_500, Some((2_500, 4_500)));
        may_skip(case, 3_000, 4_000, Beside, true);
        may_skip(case, 2_000, 4_000, Beside, false);
        may_skip(case, 3_000, 5_000, Beside, false);
        may_run(case, 4_000, false);
        may_run(case, 5_000, true);
        // Not for being late.
        let late = Case { now: at(9_000), ..case };
        may_skip(late, 3_000, 4_000, Late, false);
        may_skip(late, 1_000, 3_000, Late, false);
        may_skip(late, 1_000, 2_000, Late, true);
        may_skip(late, 5_000, 6_000, Late, true);
    }

    #[test]
    fn the_last_one_that_came_waits_where_one_may() {
        let job = job(Misfire::Skip, Overlap::QueueOne);
        let case = case(&job, 5_500, Some((2_500, 4_500)));
        may_skip(case, 3_000, 3_000, Beside, true);
        may_skip(case, 3_000, 4_000, Beside, false);
        may_run(case, 3_000, false);
        // However late.
        may_run(Case { now: at(99_000), ..case }, 4_000, true);
    }

    #[test]
    fn only_without_room_is_skipped_what_may_run_beside() {
        let job = job(Misfire::Skip, ALLOW);
        let one = case(&job, 5_500, Some((2_500, 5_500)));
        let two = Case { running: 2, ..one };
        may_skip(one, 3_000, 5_000, Beside, false);
        may_skip(two, 3_000, 5_000, Beside, true);
        may_run(one, 4_000, true);
        // The misfire policy decides about what is late and has room.
        may_skip(one, 3_000, 3_000, Late, true);
        may_run(one, 3_000, false);
    }
}
