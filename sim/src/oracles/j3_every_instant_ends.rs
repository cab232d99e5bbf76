//! J3: every instant of a job ends in a stated outcome: done, failed, interrupted or skipped; none
//! is lost, none is stated twice, and what is stated is true.
//!
//! Guards the service. The instants are computed here, from the schedule alone: between the moment
//! of a job's registration and the end of the run, what the database says must cover each of them
//! once and in order (sidekiq #6804 and dkron #1210 lost them at a handover). At the end none may
//! wait for longer than its policies explain, and no run may be left open by a token that is not
//! the floor.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::{Token, WallTime};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::faults::plan::PlannedJob;
use crate::history::{ActionEnd, History, JobEvent, JobNo, JobRun, Kind};

/// No instant is forgotten.
pub const ORACLE: Oracle = Oracle {
    property: "J3",
    says: "every instant of a job ends in a stated outcome",
    layer: "service",
    check,
};

/// How long a job's turn may take beyond what its policies explain: a look, and a restart before
/// it.
const SLACK: Duration = Duration::from_secs(1);

/// A new holder needs this long to look at what it has taken over. A run can end in the middle of
/// it.
const TAKING_OVER: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Books {
    cursors: BTreeMap<JobNo, WallTime>,
    /// The runs that have begun and not ended, by the database.
    open: BTreeMap<JobRun, Token>,
    /// How actions ended, as they saw it themselves.
    ended: BTreeMap<(JobRun, Token), ActionEnd>,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut books = Books::default();
    let (mut floor, mut last_guard) = (None, None);
    for (index, event) in history.besides_messages() {
        let job = match &event.kind {
            Kind::Job(job) => job,
            Kind::Activated { token, .. } => {
                floor = floor.max(Some(*token));
                continue;
            }
            Kind::GuardIssued { .. } => {
                last_guard = Some(event.at);
                continue;
            }
            Kind::End => {
                let settled = last_guard
                    .is_some_and(|at| Duration::from_nanos(event.at.since(at)) >= TAKING_OVER);
                let forgotten = |(_, token): &(&JobRun, &Token)| settled && Some(**token) != floor;
                for (run, token) in books.open.iter().filter(forgotten) {
                    report.add(index, event, || {
                        format!("{run} of token {token} still counts as running at the end")
                    });
                }
                continue;
            }
            _ => continue,
        };
        if let Some(flaw) = books.apply(job, setting) {
            report.add(index, event, || flaw);
        }
    }
    report.done()
}

impl Books {
    /// What is wrong with the next event.
    fn apply(&mut self, job: &JobEvent, setting: &Setting) -> Option<String> {
        match job {
            JobEvent::Registered { job, cursor, .. } => {
                let planned = planned(setting, *job);
                let before = self.cursors.insert(*job, *cursor)?;
                let lost = planned.next_after(before);
                (lost <= *cursor)
                    .then(|| format!("{job} is registered again: {} is lost", ms(lost)))
            }
            JobEvent::Skipped { job, first, last, count, .. } => {
                let planned = planned(setting, *job);
                let flaw = self.passes(planned, *job, *first);
                self.cursors.insert(*job, *last);
                let counted = planned.count(*first, *last);
                flaw.or_else(|| {
                    let odd = !planned.is_due_at(*last) || last < first || counted != *count;
                    odd.then(|| {
                        format!("{job} skips to {}, {count} in all: {counted} are", ms(*last))
                    })
                })
            }
            JobEvent::Began { run, token } => {
                let flaw = self.passes(planned(setting, run.job), run.job, run.instant);
                self.cursors.insert(run.job, run.instant);
                self.open.insert(*run, *token);
                flaw
            }
            JobEvent::Ended { run, token, how, .. } => {
                self.ended.insert((*run, *token), *how);
                None
            }
            JobEvent::Finished { run, token, done } => {
                if self.open.remove(run) != Some(*token) {
                    return Some(format!("{run} is finished under token {token} and did not run"));
                }
                let stated = if *done { ActionEnd::Done } else { ActionEnd::Failed };
                let how = self.ended.get(&(*run, *token));
                (how != Some(&stated))
                    .then(|| format!("{run} is stated to have ended {stated:?}, and ended {how:?}"))
            }
            JobEvent::Interrupted { run, of, .. } => (self.open.remove(run) != Some(*of))
                .then(|| format!("{run} is interrupted and did not run under token {of}")),
            JobEvent::Final { job, cursor, now } => {
                let planned = planned(setting, *job);
                let late = planned.overdue(*cursor, *now).unwrap_or(Duration::ZERO);
                (late > planned.patience() + SLACK).then(|| {
                    let next = planned.next_after(*cursor);
                    format!("{job} has no outcome for {}, {late:?} ago at the end", ms(next))
                })
            }
            JobEvent::Started { .. } => None,
        }
    }

    /// Whether `first` is the next instant after all that were decided.
    fn passes(&self, planned: &PlannedJob, job: JobNo, first: WallTime) -> Option<String> {
        let Some(cursor) = self.cursors.get(&job) else {
            return Some(format!("{job} has an instant and was never registered"));
        };
        let next = planned.next_after(*cursor);
        // That one is decided twice is J1's business.
        (first > next).then(|| format!("{job} goes on with {}: {} is lost", ms(first), ms(next)))
    }
}

fn planned(setting: &Setting, job: JobNo) -> &PlannedJob {
    &setting.jobs[job.0 as usize - 1]
}

fn ms(time: WallTime) -> u64 {
    time.unix_ms
}

#[cfg(test)]
mod tests {
    use fencepost::jobs::Overlap;

    use super::super::testing::Script;
    use super::*;
    use crate::history::ActionEnd::{Cancelled, Done, Failed};

    /// A job that is due every second, registered at 1.5 s, that ran at 2 s.
    fn a_run() -> Script {
        Script::new()
            .job(Overlap::Skip)
            .activated(1, 1, false)
            .guard(1, 1)
            .job_registered(1, 1_500)
            .job_began(1, 1, 2_000)
            .job_started(1, 1, 1, 2_000)
    }

    #[test]
    fn every_instant_once_and_in_order() {
        a_run()
            .job_ended(1, 1, 1, 2_000, Done)
            .job_finished(1, 1, 2_000, true)
            .job_skipped(1, 1, 3_000, 5_000)
            .job_began(1, 1, 6_000)
            .job_started(1, 1, 1, 6_000)
            .job_ended(1, 1, 1, 6_000, Failed)
            .job_finished(1, 1, 6_000, false)
            .job_began(1, 1, 7_000)
            .activated(2, 2, false)
            .job_interrupted(2, 1, 1, 7_000)
            // Not even the next instant has come, or it came a moment ago.
            .job_final(1, 7_000, 7_900)
            .job_final(1, 7_000, 9_000)
            .at(9_000)
            .end()
            .check(&ORACLE);
    }

    #[test]
    fn a_lost_instant_is_caught() {
        a_run().bad().job_began(1, 1, 4_000).check(&ORACLE);
        a_run().bad().job_skipped(1, 1, 4_000, 5_000).check(&ORACLE);
        a_run().bad().job_registered(1, 5_500).job_began(1, 1, 6_000).check(&ORACLE);
        a_run().job_registered(1, 2_900).check(&ORACLE);
        Script::new().job(Overlap::Skip).bad().job_began(1, 1, 2_000).check(&ORACLE);
        // Grace, period, two runs, and some time to look at it.
        a_run().job_final(1, 2_000, 3_000 + 2_000 + 1_000 + 2_000 + 4_000).check(&ORACLE);
        a_run().bad().job_final(1, 2_000, 3_000 + 2_000 + 1_000 + 2_000 + 4_001).check(&ORACLE);
    }

    #[test]
    fn a_range_that_is_wrong_is_caught() {
        let skip = |first, last, count| {
            let (job, token, why) = (JobNo(1), Token(1), fencepost::store::SkipReason::Misfire);
            let at = |unix_ms| WallTime { unix_ms };
            let (first, last) = (at(first), at(last));
            Kind::Job(JobEvent::Skipped { job, first, last, count, why, token })
        };
        a_run().push(skip(3_000, 5_000, 3)).check(&ORACLE);
        a_run().bad().push(skip(3_000, 5_000, 2)).check(&ORACLE);
        a_run().bad().push(skip(3_000, 5_500, 3)).check(&ORACLE);
    }

    #[test]
    fn an_outcome_that_is_not_true_is_caught() {
        a_run().bad().job_finished(1, 1, 2_000, true).check(&ORACLE);
        let cancelled = || a_run().job_ended(1, 1, 1, 2_000, Cancelled);
        cancelled().bad().job_finished(1, 1, 2_000, true).check(&ORACLE);
        let failed = || a_run().job_ended(1, 1, 1, 2_000, Failed);
        failed().bad().job_finished(1, 1, 2_000, true).check(&ORACLE);
        let twice = failed().job_finished(1, 1, 2_000, false);
        twice.bad().job_finished(1, 1, 2_000, false).check(&ORACLE);
        a_run().bad().job_interrupted(2, 7, 1, 2_000).check(&ORACLE);
    }

    #[test]
    fn a_run_that_nobody_runs_any_more_is_caught() {
        a_run().at(9_000).end().check(&ORACLE);
        let replaced = || a_run().activated(2, 2, false).at(1_000).guard(2, 2);
        replaced().at(2_999).end().check(&ORACLE);
        replaced().at(3_000).bad().end().check(&ORACLE);
    }
}
