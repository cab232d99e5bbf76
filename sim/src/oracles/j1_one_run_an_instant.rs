//! J1: one accepted run an instant: an instant of a job begins at most once, in the database and in
//! the world, and is neither begun nor skipped once it or a later one has been decided, unless the cursor
//! was set back since; and only what the database has accepted is run. A cursor is set back no further
//! than to where the database's clock is, at most, and never makes an instant run again.
//!
//! Guards the fence layer: the record decides, whatever any clock does (quartz #463, nomad #7894).
//! The actions are seen where they run, so a node that runs without asking is caught, too.

use std::collections::{BTreeMap, BTreeSet};

use fencepost::{Token, WallTime};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, JobEvent, JobNo, JobRun, Kind};

/// An instant is past when it is past.
pub const ORACLE: Oracle = Oracle {
    property: "J1",
    says: "an instant of a job runs at most once, whatever the clocks do",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut accepted: BTreeMap<JobRun, Token> = BTreeMap::new();
    let mut started: BTreeSet<JobRun> = BTreeSet::new();
    let mut decided: BTreeMap<JobNo, WallTime> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        // What becomes of runs whose record is lost, nobody promises.
        if matches!(event.kind, Kind::SetBack { .. }) {
            return report.done();
        }
        let Kind::Job(job) = &event.kind else { continue };
        match job {
            JobEvent::Registered { job, cursor, .. } => {
                decided.entry(*job).or_insert(*cursor);
            }
            JobEvent::Skipped { job, first, last, token, .. } => {
                if let Some(until) = decided.get(job).filter(|until| *first <= **until) {
                    report.add(index, event, || {
                        let (first, until) = (first.unix_ms, until.unix_ms);
                        format!("{job} skips {first} under token {token}, decided until {until}")
                    });
                }
                let until = decided.entry(*job).or_insert(*last);
                *until = (*until).max(*last);
            }
            JobEvent::SetBack { job, to, token, now } => {
                if to > now {
                    report.add(index, event, || {
                        format!("{job} is set back to what is still to come under token {token}")
                    });
                }
                decided.insert(*job, *to);
            }
            JobEvent::Began { run, token, .. } => {
                if let Some(before) = accepted.insert(*run, *token) {
                    report.add(index, event, || {
                        format!("{run} began under token {token} after it had under {before}")
                    });
                } else if let Some(until) = decided.get(&run.job).filter(|u| run.instant <= **u) {
                    report.add(index, event, || {
                        format!("{run} began, although all until {} was decided", until.unix_ms)
                    });
                }
                let until = decided.entry(run.job).or_insert(run.instant);
                *until = (*until).max(run.instant);
            }
            JobEvent::Started { node, run, token, .. } => {
                if !started.insert(*run) {
                    report.add(index, event, || format!("{node} runs {run} a second time"));
                } else if accepted.get(run) != Some(token) {
                    report.add(index, event, || {
                        format!("{node} runs {run} with token {token}, and was not accepted")
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    #[test]
    fn each_instant_once_in_their_order() {
        Script::new()
            .job_registered(1, 1_000)
            .job_began(1, 1, 2_000)
            .job_started(1, 1, 1, 2_000)
            .job_skipped(1, 1, 3_000, 5_000)
            // Another holder, another job.
            .job_began(2, 1, 6_000)
            .job_started(2, 2, 1, 6_000)
            .job_began(2, 2, 2_000)
            .check(&ORACLE);
    }

    #[test]
    fn an_instant_that_fires_again_is_caught() {
        let once = || Script::new().job_began(1, 1, 2_000).job_started(1, 1, 1, 2_000);
        once().bad().job_began(1, 1, 2_000).check(&ORACLE);
        once().bad().job_began(2, 1, 2_000).check(&ORACLE);
        once().bad().job_started(1, 1, 1, 2_000).check(&ORACLE);
        // Or an earlier one, after the clock was set back.
        once().bad().job_began(1, 1, 1_000).check(&ORACLE);
        let script = Script::new().job_skipped(1, 1, 2_000, 4_000);
        script.bad().job_began(1, 1, 3_000).check(&ORACLE);
        Script::new().job_registered(1, 5_000).bad().job_began(1, 1, 5_000).check(&ORACLE);
    }

    #[test]
    fn what_ran_does_not_run_again_after_a_job_was_set_back() {
        let ahead = || {
            let ran = Script::new().job_began(1, 1, 2_000).job_skipped(1, 1, 3_000, 88_000);
            ran.job_began(1, 1, 89_000).job_set_back(1, 1, 2_000, 4_500)
        };
        ahead().job_began(1, 1, 4_000).job_skipped(1, 1, 5_000, 6_000).check(&ORACLE);
        ahead().bad().job_began(1, 1, 2_000).check(&ORACLE);
        ahead().job_began(1, 1, 88_000).bad().job_began(1, 1, 89_000).check(&ORACLE);
        ahead().bad().job_set_back(1, 1, 4_501, 4_500).check(&ORACLE);
    }

    #[test]
    fn an_instant_that_is_skipped_after_it_was_decided_is_caught() {
        let ran = || Script::new().job_began(1, 1, 2_000);
        ran().job_skipped(2, 1, 3_000, 4_000).check(&ORACLE);
        ran().bad().job_skipped(2, 1, 2_000, 4_000).check(&ORACLE);
        let skipped = || Script::new().job_skipped(1, 1, 2_000, 4_000);
        skipped().job_skipped(2, 1, 5_000, 6_000).check(&ORACLE);
        skipped().bad().job_skipped(2, 1, 4_000, 6_000).check(&ORACLE);
        skipped().bad().job_skipped(2, 1, 2_000, 3_000).check(&ORACLE);
        let registered = Script::new().job_registered(1, 5_000);
        registered.bad().job_skipped(1, 1, 5_000, 6_000).check(&ORACLE);
    }

    #[test]
    fn what_was_not_accepted_may_not_run() {
        Script::new().bad().job_started(1, 1, 1, 2_000).check(&ORACLE);
        let script = Script::new().job_began(1, 1, 2_000).bad().job_started(2, 2, 1, 2_000);
        script.check(&ORACLE);
    }
}
