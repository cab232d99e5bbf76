//! J3: every instant of a job ends in a stated outcome: done, failed, interrupted or skipped; none
//! is lost, none is stated twice, what is stated is true, and it is what the job's policies say (see
//! `policies`).
//!
//! Guards the service. The instants are computed here, from the schedule alone: between the moment
//! of a job's registration and the end of the run, what the database says must cover each of them
//! once and in order (sidekiq #6804 and dkron #1210 lost them at a handover). Every job is registered by
//! whoever leads. At the end none may
//! wait for longer than its policies explain; no run may be left open by a token that is not the
//! floor, nor by the floor's holder without an action; and what the database takes for running is
//! what began and did not end.
//!
//! After a cursor was set back, with the database's clock, instants that have an outcome need no other one;
//! what is skipped then may be judged again. The policies are not asked about instants that had been
//! passed before: what was late when the clock was ahead is not late any longer.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::{Token, WallTime};

use super::policies::{Case, Span};
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::faults::plan::PlannedJob;
use crate::history::{ActionEnd, History, JobEvent, JobNo, JobRun, Kind, Look, OpenRuns, SimTime};

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
    /// What had been passed when a cursor was set back: its highest position, and the outcomes until then.
    passed: BTreeMap<JobNo, Passed>,
    /// All outcomes of each job: first and last instant.
    outcomes: BTreeMap<JobNo, Vec<(WallTime, WallTime)>>,
    /// The runs that have begun and not ended, by the database.
    open: OpenRuns,
    /// The run of each job that began last, unless it was interrupted.
    newest: BTreeMap<JobNo, Newest>,
    /// When runs of a job ended in the database.
    ends: BTreeMap<JobNo, Vec<SimTime>>,
    /// How actions ended, as they saw it themselves.
    ended: BTreeMap<(JobRun, Token), ActionEnd>,
}

/// What lay behind a cursor before it was set back.
struct Passed {
    until: WallTime,
    outcomes: Vec<(WallTime, WallTime)>,
}

/// The run of a job that began last.
struct Newest {
    run: JobRun,
    /// By the database's clock.
    begun: WallTime,
    look: Look,
    ended: Option<(SimTime, WallTime)>,
}

impl Newest {
    /// When it ran, as a look saw it. What happened in the very instant of the look was seen, or not.
    fn spans(&self, look: Look) -> Vec<Span> {
        // What was decided by one look knows nothing later.
        let begun = if self.look == look { look.now } else { self.begun };
        let not_over = Span { begun, until: look.now };
        match self.ended {
            Some((at, time)) if at <= look.at => {
                let over = Span { begun, until: time.min(look.now) };
                if at < look.at { vec![over] } else { vec![over, not_over] }
            }
            _ => vec![not_over],
        }
    }
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut books = Books::default();
    let (mut floor, mut last_guard) = (None, None);
    for (index, event) in history.besides_messages() {
        // What becomes of runs whose record is lost, nobody promises.
        if matches!(event.kind, Kind::SetBack { .. }) {
            return report.done();
        }
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
                let jobs = (1..).map(JobNo).zip(&setting.jobs).map(|(job, _)| job);
                for job in jobs.filter(|job| settled && !books.cursors.contains_key(job)) {
                    report.add(index, event, || format!("{job} was never registered"));
                }
                for (run, open) in books.open.iter().filter(|_| settled) {
                    let (token, idle) = (open.token, open.idle_for(event.at));
                    if Some(token) != floor {
                        report.add(index, event, || {
                            format!("{run} of token {token} still counts as running at the end")
                        });
                    } else if idle > PlannedJob::TELLING {
                        report.add(index, event, || {
                            format!("{run} is open at the end, and nobody acted for {idle:?}")
                        });
                    }
                }
                continue;
            }
            _ => continue,
        };
        if let Some(flaw) = books.apply(event.at, job, setting) {
            report.add(index, event, || flaw);
        }
        books.open.apply(event.at, job);
    }
    report.done()
}

impl Books {
    /// What is wrong with the next event.
    fn apply(&mut self, at: SimTime, job: &JobEvent, setting: &Setting) -> Option<String> {
        match job {
            JobEvent::Registered { job, cursor, .. } => {
                let planned = planned(setting, *job);
                let before = self.cursors.insert(*job, *cursor)?;
                let lost = planned.next_after(before);
                (lost <= *cursor)
                    .then(|| format!("{job} is registered again: {} is lost", ms(lost)))
            }
            JobEvent::Skipped { job, first, last, count, why, look, .. } => {
                let planned = planned(setting, *job);
                let flaw = self.passes(planned, *job, *first);
                self.cursors.insert(*job, *last);
                self.outcomes.entry(*job).or_default().push((*first, *last));
                if self.was_passed(*job, *first) {
                    return flaw;
                }
                let counted = planned.count(*first, *last);
                flaw.or_else(|| {
                    let odd = !planned.is_due_at(*last) || last < first || counted != *count;
                    odd.then(|| {
                        format!("{job} skips to {}, {count} in all: {counted} are", ms(*last))
                    })
                })
                .or_else(|| {
                    let judge = |case: &Case<'_>| case.skip_flaw(*first, *last, *why);
                    let flaw = self.judged(planned, *job, *look, judge)?;
                    let (first, last) = (ms(*first), ms(*last));
                    Some(format!("{job} skips {first} to {last} by {why:?}, which {flaw}"))
                })
            }
            JobEvent::Began { run, look, now, .. } => {
                let planned = planned(setting, run.job);
                self.outcomes.entry(run.job).or_default().push((run.instant, run.instant));
                let was_passed = self.was_passed(run.job, run.instant);
                let flaw = self.passes(planned, run.job, run.instant).or_else(|| {
                    if was_passed {
                        return None;
                    }
                    let judge = |case: &Case<'_>| case.run_flaw(run.instant);
                    let flaw = self.judged(planned, run.job, *look, judge)?;
                    Some(format!("{run} begins and {flaw}"))
                });
                self.cursors.insert(run.job, run.instant);
                let newest = Newest { run: *run, begun: *now, look: *look, ended: None };
                self.newest.insert(run.job, newest);
                flaw
            }
            JobEvent::SetBack { job, to, .. } => {
                let cursor = self.cursors.insert(*job, *to)?;
                let before = self.passed.get(job).map_or(cursor, |passed| passed.until.max(cursor));
                let outcomes = self.outcomes.get(job).cloned().unwrap_or_default();
                self.passed.insert(*job, Passed { until: before, outcomes });
                None
            }
            JobEvent::Ended { run, token, how, .. } => {
                self.ended.insert((*run, *token), *how);
                None
            }
            JobEvent::Finished { run, token, done, now } => {
                self.ends.entry(run.job).or_default().push(at);
                if let Some(newest) = self.newest.get_mut(&run.job).filter(|n| n.run == *run) {
                    newest.ended = Some((at, *now));
                }
                if self.open.token_of(run) != Some(*token) {
                    return Some(format!("{run} is finished under token {token} and did not run"));
                }
                let stated = if *done { ActionEnd::Done } else { ActionEnd::Failed };
                let how = self.ended.get(&(*run, *token));
                (how != Some(&stated))
                    .then(|| format!("{run} is stated to have ended {stated:?}, and ended {how:?}"))
            }
            JobEvent::Interrupted { run, of, .. } => {
                // Nobody knows when it ended.
                if self.newest.get(&run.job).is_some_and(|newest| newest.run == *run) {
                    self.newest.remove(&run.job);
                }
                (self.open.token_of(run) != Some(*of))
                    .then(|| format!("{run} is interrupted and did not run under token {of}"))
            }
            JobEvent::Final { job, cursor, now, running } => {
                let open = self.open.iter().filter(|(run, _)| run.job == *job);
                let open: Vec<_> = open.map(|(run, open)| (run.instant, open.token)).collect();
                if *running != open {
                    return Some(format!(
                        "the database has {running:?} of {job} run, not {open:?}"
                    ));
                }
                let planned = planned(setting, *job);
                let next = self.next_open(planned, *job, *cursor);
                let late = Duration::from_millis(now.unix_ms.saturating_sub(next.unix_ms));
                (late > planned.patience() + SLACK).then(|| {
                    format!("{job} has no outcome for {}, {late:?} ago at the end", ms(next))
                })
            }
            JobEvent::Started { .. } => None,
        }
    }

    /// What the policies say against an outcome that was decided by that look.
    fn judged(
        &self,
        planned: &PlannedJob,
        job: JobNo,
        look: Look,
        judge: impl Fn(&Case<'_>) -> Option<&'static str>,
    ) -> Option<&'static str> {
        let open = self.open.iter().filter(|(run, _)| run.job == job).count();
        let ends = self.ends.get(&job).into_iter().flatten().rev();
        let running = open + ends.take_while(|at| **at >= look.at).count();
        let case = |newest| Case { job: planned, now: look.now, newest, running };
        let Some(newest) = self.newest.get(&job) else { return judge(&case(None)) };
        let mut flaws = newest.spans(look).into_iter().map(|span| judge(&case(Some(span))));
        let first = flaws.next().flatten();
        if flaws.any(|flaw| flaw.is_none()) { None } else { first }
    }

    /// Whether that instant had been passed before the cursor was set back.
    fn was_passed(&self, job: JobNo, instant: WallTime) -> bool {
        self.passed.get(&job).is_some_and(|passed| instant <= passed.until)
    }

    /// The first instant after `cursor` that needs an outcome.
    fn next_open(&self, planned: &PlannedJob, job: JobNo, cursor: WallTime) -> WallTime {
        let mut next = planned.next_after(cursor);
        let Some(Passed { until, outcomes }) = self.passed.get(&job) else { return next };
        let has_one = |instant: WallTime| {
            let holds =
                |(first, last): &&(WallTime, WallTime)| *first <= instant && instant <= *last;
            outcomes.iter().filter(holds).map(|(_, last)| *last).max()
        };
        while let Some(last) = has_one(next).filter(|_| next <= *until) {
            next = planned.next_after(last);
        }
        next
    }

    /// Whether `first` is the next instant after all that were decided.
    fn passes(&self, planned: &PlannedJob, job: JobNo, first: WallTime) -> Option<String> {
        let Some(cursor) = self.cursors.get(&job) else {
            return Some(format!("{job} has an instant and was never registered"));
        };
        let next = self.next_open(planned, job, *cursor);
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
    use fencepost::jobs;
    use fencepost::store::SkipReason::{Misfire, Overlap};

    use super::super::testing::Script;
    use super::*;
    use crate::history::ActionEnd::{Cancelled, Done, Failed};

    /// A job that is due every second, registered at 1.5 s, that runs at 2 s.
    fn a_run() -> Script {
        Script::new()
            .job(jobs::Overlap::Skip)
            .activated(1, 1, false)
            .guard(1, 1)
            .job_registered(1, 1_500)
            .job_began(1, 1, 2_000)
            .job_started(1, 1, 1, 2_000)
    }

    /// The same, and it is done.
    fn done() -> Script {
        a_run().job_ended(1, 1, 1, 2_000, Done).job_finished(1, 1, 2_000, true)
    }

    #[test]
    fn every_instant_once_and_in_order() {
        done()
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
    fn after_a_job_was_set_back_no_instant_without_an_outcome_is_lost() {
        let ahead = || {
            done()
                .job_skipped(1, 1, 3_000, 88_000)
                .job_began_by(1, 1, 89_000, 0, 89_000)
                .job_started(1, 1, 1, 89_000)
                .job_ended(1, 1, 1, 89_000, Done)
                .job_finished(1, 1, 89_000, true)
                .job_set_back(1, 1, 2_000, 5_500)
        };
        // Judged anew; what has run is passed over.
        ahead().job_skipped(1, 1, 3_000, 4_000).job_began(1, 1, 5_000).check(&ORACLE);
        ahead().job_skipped(1, 1, 3_000, 88_000).job_skipped(1, 1, 90_000, 91_000).check(&ORACLE);
        let late = ahead().job_skipped(1, 1, 3_000, 88_000);
        late.bad().job_skipped(1, 1, 91_000, 92_000).check(&ORACLE);
    }

    #[test]
    fn a_lost_instant_is_caught() {
        done().bad().job_began(1, 1, 4_000).check(&ORACLE);
        done().bad().job_skipped(1, 1, 4_000, 5_000).check(&ORACLE);
        done().bad().job_registered(1, 5_500).job_began(1, 1, 6_000).check(&ORACLE);
        done().job_registered(1, 2_900).check(&ORACLE);
        Script::new().job(jobs::Overlap::Skip).bad().job_began(1, 1, 2_000).check(&ORACLE);
        // Grace, period, two runs, and some time to look at it.
        done().job_final(1, 2_000, 3_000 + 2_000 + 1_000 + 2_000 + 4_000).check(&ORACLE);
        done().bad().job_final(1, 2_000, 3_000 + 2_000 + 1_000 + 2_000 + 4_001).check(&ORACLE);
    }

    #[test]
    fn a_range_that_is_wrong_is_caught() {
        let skip = |first, last, count| {
            let (job, token, why) = (JobNo(1), Token(1), fencepost::store::SkipReason::Misfire);
            let at = |unix_ms| WallTime { unix_ms };
            let (first, last) = (at(first), at(last));
            let look = Look { at: SimTime(0), now: at(9_000) };
            Kind::Job(JobEvent::Skipped { job, first, last, count, why, token, look })
        };
        done().push(skip(3_000, 5_000, 3)).check(&ORACLE);
        done().bad().push(skip(3_000, 5_000, 2)).check(&ORACLE);
        done().bad().push(skip(3_000, 5_500, 3)).check(&ORACLE);
    }

    #[test]
    fn an_outcome_that_is_not_the_policys_is_caught() {
        let done = || done().at(1);
        // Its grace is two seconds, and its policies are to skip.
        done().job_began_by(1, 1, 3_000, 1, 5_000).check(&ORACLE);
        done().bad().job_began_by(1, 1, 3_000, 1, 5_001).check(&ORACLE);
        done().bad().job_began_by(1, 1, 3_000, 1, 2_999).check(&ORACLE);
        done().job_skipped_by(1, 1, 3_000, Misfire, 1, 5_001).check(&ORACLE);
        done().bad().job_skipped_by(1, 1, 3_000, Misfire, 1, 5_000).check(&ORACLE);
        // Nothing ran.
        done().bad().job_skipped_by(1, 1, 3_000, Overlap, 1, 4_000).check(&ORACLE);
    }

    #[test]
    fn a_look_knows_of_a_run_what_the_database_knew() {
        let looked =
            |script: Script, ms| script.at(200).job_skipped_by(1, 1, 3_000, Overlap, ms, 3_000);
        // At 100 ms it ends, at 2 s by the database's clock.
        let ended_at_100 =
            || a_run().at(100).job_ended(1, 1, 1, 2_000, Done).job_finished(1, 1, 2_000, true);
        looked(ended_at_100(), 99).check(&ORACLE);
        // In the instant of its end, it was known or it was not.
        looked(ended_at_100(), 100).check(&ORACLE);
        ended_at_100().job_began_by(1, 1, 3_000, 100, 3_000).check(&ORACLE);
        looked(ended_at_100().bad(), 101).check(&ORACLE);
        ended_at_100().bad().job_began_by(1, 1, 3_000, 99, 3_000).check(&ORACLE);
        // Nobody knows when an interrupted one ended.
        let interrupted = || a_run().activated(2, 2, false).job_interrupted(2, 1, 1, 2_000);
        interrupted().job_began_by(2, 1, 3_000, 0, 3_000).check(&ORACLE);
        interrupted().bad().job_skipped_by(2, 1, 3_000, Overlap, 0, 3_000).check(&ORACLE);
    }

    #[test]
    fn what_the_database_takes_for_running_is_what_runs() {
        let ends = |running: &[(u64, u64)]| {
            let at = |unix_ms| WallTime { unix_ms };
            let running = running.iter().map(|(instant, of)| (at(*instant), Token(*of))).collect();
            let (job, cursor, now) = (JobNo(1), at(2_000), at(2_500));
            Kind::Job(JobEvent::Final { job, cursor, now, running })
        };
        a_run().push(ends(&[(2_000, 1)])).check(&ORACLE);
        a_run().bad().push(ends(&[])).check(&ORACLE);
        a_run().bad().push(ends(&[(2_000, 2)])).check(&ORACLE);
        done().push(ends(&[])).check(&ORACLE);
        done().bad().push(ends(&[(2_000, 1)])).check(&ORACLE);
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
    fn a_job_that_nobody_registers_is_caught() {
        let planned = || Script::new().job(jobs::Overlap::Skip).at(1_000).guard(1, 1);
        planned().job_registered(1, 1_500).at(9_000).end().check(&ORACLE);
        planned().at(3_000).bad().end().check(&ORACLE);
        // A leader has a moment for it, and without one nobody does it.
        planned().at(2_999).end().check(&ORACLE);
        Script::new().job(jobs::Overlap::Skip).at(9_000).end().check(&ORACLE);
        let two = planned().job(jobs::Overlap::Skip).job_registered(1, 1_500);
        two.at(9_000).bad().end().check(&ORACLE);
    }

    #[test]
    fn a_run_that_nobody_runs_any_more_is_caught() {
        a_run().at(9_000).end().check(&ORACLE);
        let replaced = || a_run().activated(2, 2, false).at(1_000).guard(2, 2);
        replaced().at(2_999).end().check(&ORACLE);
        replaced().at(3_000).bad().end().check(&ORACLE);
    }

    #[test]
    fn an_end_that_its_holder_does_not_tell_is_caught() {
        for how in [Done, Failed, Cancelled] {
            let ended = || a_run().at(4_000).job_ended(1, 1, 1, 2_000, how);
            ended().at(6_000).end().check(&ORACLE);
            ended().at(6_001).bad().end().check(&ORACLE);
        }
        // Nor may an accepted run not begin.
        let accepted = || done().at(4_000).job_began(1, 1, 3_000);
        accepted().at(6_000).end().check(&ORACLE);
        accepted().at(6_001).bad().end().check(&ORACLE);
        accepted().job_started(1, 1, 1, 3_000).at(9_000).end().check(&ORACLE);
    }
}
