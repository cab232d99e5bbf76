//! L3: release comes after the last act: when a leader releases its lease, nothing that it began
//! under that term is still on its way, and it begins nothing afterwards.
//!
//! Guards the lease layer: a released lease ends before its time, so whatever is still being sent
//! under it overlaps with the next leader (seen in kubernetes #139991 and client-go #728).

use std::collections::BTreeMap;

use fencepost::{NodeId, Term, Token};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, JobEvent, JobRun, Kind, MessageNo};

/// First the work ends, then the lease.
pub const ORACLE: Oracle = Oracle {
    property: "L3",
    says: "a leader releases its lease after its last act has ended",
    layer: "lease",
    check,
};

#[derive(Default)]
struct Process {
    released: Vec<Term>,
    /// Sends that have begun and not ended.
    under_way: Vec<(Token, MessageNo)>,
    /// Actions of jobs that have begun and not ended.
    running: Vec<(Token, JobRun)>,
}

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut processes: BTreeMap<NodeId, Process> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                processes.remove(&node);
            }
            Kind::Released { node, term, .. } => {
                let process = processes.entry(node).or_default();
                process.released.push(term);
                let late = process.under_way.iter().find(|(token, _)| Term::from(*token) == term);
                if let Some((_, message)) = late {
                    report.add(index, event, || {
                        format!("{node} released term {term} while it was sending {message}")
                    });
                }
                let late = process.running.iter().find(|(token, _)| Term::from(*token) == term);
                if let Some((_, run)) = late {
                    report.add(index, event, || {
                        format!("{node} released term {term} while {run} was running")
                    });
                }
            }
            Kind::SendStarted { node, token, message, .. } => {
                let process = processes.entry(node).or_default();
                process.under_way.push((token, message));
                if process.released.contains(&token.into()) {
                    report.add(index, event, || {
                        format!("{node} began to send {message} after it had released {token}")
                    });
                }
            }
            Kind::ClaimStarted { node, token, message, .. } => {
                let released = processes.get(&node).map(|process| &process.released);
                if released.is_some_and(|released| released.contains(&token.into())) {
                    report.add(index, event, || {
                        format!("{node} began to claim {message} after it had released {token}")
                    });
                }
            }
            Kind::Job(JobEvent::Started { node, run, token, .. }) => {
                let process = processes.entry(node).or_default();
                process.running.push((token, run));
                if process.released.contains(&token.into()) {
                    report.add(index, event, || {
                        format!("{node} began to run {run} after it had released {token}")
                    });
                }
            }
            Kind::Job(JobEvent::Ended { node, run, token, .. }) => {
                if let Some(process) = processes.get_mut(&node) {
                    process.running.retain(|act| *act != (token, run));
                }
            }
            Kind::SendEnded { node, token, message, .. } => {
                if let Some(process) = processes.get_mut(&node) {
                    process.under_way.retain(|act| *act != (token, message));
                }
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, node};
    use super::*;
    use crate::history::{ActionEnd, SendOutcome};

    fn released(script: Script, term: u64) -> Script {
        script.push(Kind::Released { node: node(1), term: Term(term), successor: None })
    }

    fn ended(script: Script) -> Script {
        let (node, token, message) = (node(1), Token(1), MessageNo(7));
        script.push(Kind::SendEnded { node, token, message, outcome: SendOutcome::Accepted })
    }

    #[test]
    fn first_the_end_then_the_release() {
        released(ended(Script::new().send_started(1, 1, 7)), 1).check(&ORACLE);
        // Another term's work is not this one's.
        released(Script::new().send_started(1, 1, 7), 2).check(&ORACLE);
    }

    #[test]
    fn work_under_way_or_begun_later_is_caught() {
        released(Script::new().send_started(1, 1, 7).bad(), 1).check(&ORACLE);
        let script = released(Script::new(), 1).bad().claim_started(1, 1, 7);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
        released(Script::new().job_started(1, 1, 1, 2_000).bad(), 1).check(&ORACLE);
        let script = Script::new().job_started(1, 1, 1, 2_000);
        let script = released(script.job_ended(1, 1, 1, 2_000, ActionEnd::Cancelled), 1);
        script.bad().job_started(1, 1, 1, 3_000).check(&ORACLE);
    }
}
