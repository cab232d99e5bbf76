//! J2: runs of a job do not overlap unless its policy allows it: when an action begins, no more of
//! the same job run than may.
//!
//! Guards the lease layer. Within one process all runs count until they have ended. A run of
//! another node counts while that node's guard is valid by its own clock: a process that stands
//! still ends its run when it wakes up, and can do nothing before. Outside the bound on clock rates
//! two guards can be valid at once (L5), so other nodes' runs are not counted then.

use fencepost::{NodeId, Term, Token};

use super::guards::Guards;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, JobEvent, JobRun, Kind};

/// One after the other.
pub const ORACLE: Oracle = Oracle {
    property: "J2",
    says: "runs of one job overlap only as far as its policy allows",
    layer: "lease",
    check,
};

struct Running {
    node: NodeId,
    token: Token,
    run: JobRun,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut guards = Guards::default();
    let mut running: Vec<Running> = Vec::new();
    let mut out_of_bound = false;
    for (index, event) in history.besides_messages() {
        // What becomes of runs whose record is lost, nobody promises.
        if matches!(event.kind, Kind::SetBack { .. }) {
            return report.done();
        }
        guards.apply(event);
        match &event.kind {
            Kind::ClockRate { within_bound: false, .. } => out_of_bound = true,
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                running.retain(|other| other.node != *node);
            }
            Kind::Job(JobEvent::Ended { node, run, token, .. }) => {
                let this =
                    |other: &Running| (other.node, other.token, other.run) == (*node, *token, *run);
                running.retain(|other| !this(other));
            }
            Kind::Job(JobEvent::Started { node, run, token, .. }) => {
                let counts = |other: &&Running| {
                    let may_act = || guards.is_valid(other.node, Term::from(other.token), event.at);
                    other.run.job == run.job && (other.node == *node || !out_of_bound && may_act())
                };
                let others = running.iter().filter(counts);
                let job = setting.jobs.get(run.job.0 as usize - 1);
                let most = job.map_or(1, |job| job.overlap.concurrent());
                if others.clone().count() >= most {
                    report.add(index, event, || {
                        let others: Vec<_> =
                            others.map(|o| format!("{} on {}", o.run, o.node)).collect();
                        format!("{run} begins on {node} beside {}", others.join(", "))
                    });
                }
                running.push(Running { node: *node, token: *token, run: *run });
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::jobs::Overlap;

    use super::super::testing::Script;
    use super::*;
    use crate::history::ActionEnd::{Cancelled, Done};

    fn led() -> Script {
        Script::new()
            .job(Overlap::Skip)
            .job(Overlap::Allow { at_most: 2 })
            .lease(1, 1, 900)
            .guard(1, 1)
    }

    #[test]
    fn one_after_the_other_is_fine() {
        led()
            .job_started(1, 1, 1, 1_000)
            // Another job is another matter.
            .job_started(1, 1, 2, 1_000)
            .job_started(1, 1, 2, 2_000)
            .job_ended(1, 1, 1, 1_000, Done)
            .job_started(1, 1, 1, 2_000)
            .job_ended(1, 1, 1, 2_000, Cancelled)
            .job_started(1, 2, 1, 3_000)
            .check(&ORACLE);
    }

    #[test]
    fn two_at_a_time_are_caught_and_so_are_three_where_two_are_allowed() {
        let script = led().job_started(1, 1, 1, 1_000).bad().job_started(1, 1, 1, 2_000);
        script.check(&ORACLE);
        let script = led().job_started(1, 1, 2, 1_000).job_started(1, 1, 2, 2_000);
        script.bad().job_started(1, 1, 2, 3_000).check(&ORACLE);
        // An earlier leadership of the same process is no excuse.
        let script = led().job_started(1, 1, 1, 1_000).stepped_down(1, 1);
        script.bad().job_started(1, 5, 1, 2_000).check(&ORACLE);
    }

    #[test]
    fn another_node_counts_while_it_may_act() {
        let under_way = || led().job_started(1, 1, 1, 1_000);
        under_way().at(899).bad().job_started(2, 2, 1, 2_000).check(&ORACLE);
        // It stands still beyond its deadline, or is gone.
        under_way().at(900).job_started(2, 2, 1, 2_000).check(&ORACLE);
        under_way().down(1).job_started(2, 2, 1, 2_000).check(&ORACLE);
        under_way().clock_out_of_bound(1).job_started(2, 2, 1, 2_000).check(&ORACLE);
    }
}
