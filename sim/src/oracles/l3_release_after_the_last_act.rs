//! L3: release comes after the last act: when a leader releases its lease, nothing that it began
//! under that term is still on its way, and it begins nothing afterwards.
//!
//! Guards the lease layer: a released lease ends before its time, so whatever is still being sent
//! under it overlaps with the next leader (seen in kubernetes #139991 and client-go #728).
//!
//! A claim is under way from the question to its answer, or until the asker has given the answer up and
//! knows that it does not know: the claim may commit after that, and after the release, but then it
//! meets the fence or the sweep, and nothing is sent under it. One that is dropped in the middle has no
//! such end: nobody waited for it, and a leader that releases has waited for all. A worker's is excepted,
//! because the run of a unit that has not ended in time after its permission is ended where it stands;
//! the lease of its node, if that leads, has nothing to do with it.

use std::collections::BTreeMap;

use fencepost::{NodeId, Term, Token};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{ClaimEnd, History, JobEvent, JobRun, Kind, MessageNo};

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
    /// Claims that have begun and not ended.
    claiming: Vec<Claiming>,
    /// Actions of jobs that have begun and not ended.
    running: Vec<(Token, JobRun)>,
}

/// A question for a claim.
struct Claiming {
    token: Token,
    message: MessageNo,
    by_worker: bool,
}

impl Process {
    /// One question ended: the first about that message, if it was asked more than once.
    fn claim_ended(&mut self, token: Token, message: MessageNo, how: ClaimEnd) {
        let ended = |asked: &Claiming| {
            (asked.token, asked.message) == (token, message)
                && (asked.by_worker || how != ClaimEnd::Cancelled)
        };
        if let Some(first) = self.claiming.iter().position(ended) {
            self.claiming.remove(first);
        }
    }
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
                let of_term = |asked: &&Claiming| Term::from(asked.token) == term;
                if let Some(Claiming { message, .. }) = process.claiming.iter().find(of_term) {
                    report.add(index, event, || {
                        format!("{node} released term {term} while it was claiming {message}")
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
            Kind::ClaimStarted { node, token, ref share, message, .. } => {
                let process = processes.entry(node).or_default();
                process.claiming.push(Claiming { token, message, by_worker: share.is_some() });
                if process.released.contains(&token.into()) {
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
            Kind::ClaimEnded { node, token, message, how } => {
                if let Some(process) = processes.get_mut(&node) {
                    process.claim_ended(token, message, how);
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

    fn claim_ended(script: Script, how: ClaimEnd) -> Script {
        let (node, token, message) = (node(1), Token(1), MessageNo(7));
        script.push(Kind::ClaimEnded { node, token, message, how })
    }

    #[test]
    fn a_claim_is_under_way_until_it_is_answered_or_given_up() {
        let asked = || Script::new().claim_started(1, 1, 7);
        released(asked().bad(), 1).check(&ORACLE);
        released(asked(), 2).check(&ORACLE);
        for how in [ClaimEnd::Answered, ClaimEnd::Unknown] {
            released(claim_ended(asked(), how), 1).check(&ORACLE);
            // Asked again.
            released(claim_ended(asked(), how).claim_started(1, 1, 7).bad(), 1).check(&ORACLE);
            // Another message of the batch.
            let batch = Script::new().claim_started(1, 1, 7).claim_started(1, 1, 8);
            released(claim_ended(batch, how).bad(), 1).check(&ORACLE);
        }
        // It died with its process.
        released(asked().down(1).booted(1, 2), 1).check(&ORACLE);
    }

    #[test]
    fn only_a_workers_claim_may_be_dropped() {
        let asked = || Script::new().claim_started(1, 1, 7);
        released(claim_ended(asked(), ClaimEnd::Cancelled).bad(), 1).check(&ORACLE);
        let worker = || Script::new().worker_claim_started(1, 3, 1, 5, 7);
        released(worker().bad(), 1).check(&ORACLE);
        released(claim_ended(worker(), ClaimEnd::Cancelled), 1).check(&ORACLE);
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
