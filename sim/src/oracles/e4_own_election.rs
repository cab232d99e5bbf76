//! E4: an incarnation leads only by its own election: whoever sends heartbeats, extends a lease,
//! hands out a guard or raises the floor was elected in that very term, of that very generation:
//! after a roll call, incarnations begin anew and name others.
//!
//! Guards the election layer against leaders that no other oracle would see: a restarted leader
//! that resumes (the election must be of the same boot), one that goes on after it stepped down,
//! one that was never elected at all. Raising the floor may still commit after the leader has
//! stepped down or died, so for that an election at any earlier time will do.

use std::collections::BTreeSet;

use fencepost::{Generation, Identity, Incarnation, NodeId, Term};

use super::few::Few;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageKind};

/// Nobody leads without an election of its own.
pub const ORACLE: Oracle = Oracle {
    property: "E4",
    says: "an incarnation leads only by its own election, in the same boot",
    layer: "election",
    check,
};

/// What one process is entitled to.
#[derive(Default)]
struct Process {
    /// Which life of the node it is, once it has started.
    incarnation: Option<Incarnation>,
    /// Its latest election, unless it has stepped down.
    leads: Option<(Identity, Generation, Term)>,
}

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut processes: Few<NodeId, Process> = Few::default();
    let mut elections: BTreeSet<(Generation, Term, Identity)> = BTreeSet::new();
    for (index, event) in history.events().iter().enumerate() {
        // (node, its life and its generation if the event tells, term, what it did)
        let (node, life, of, term, did) = match &event.kind {
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                processes.remove(node);
                continue;
            }
            Kind::Started { node, hard } | Kind::Persisted { node, hard } => {
                processes.of(*node).incarnation = Some(hard.incarnation);
                continue;
            }
            Kind::Elected { leader, generation, term, .. } => {
                let process = processes.of(leader.node);
                process.leads = Some((*leader, *generation, *term));
                elections.insert((*generation, *term, *leader));
                let running = process.incarnation.unwrap_or(leader.incarnation);
                if running != leader.incarnation {
                    report.add(index, event, || {
                        format!("{leader} was elected, but the process is incarnation {running}")
                    });
                }
                continue;
            }
            Kind::SteppedDown { node, term, .. } => {
                let process = processes.of(*node);
                process.leads = process.leads.filter(|(_, _, leads)| leads != term);
                continue;
            }
            Kind::Activated { generation, token, holder, .. } => {
                if !elections.contains(&(*generation, Term::from(*token), *holder)) {
                    report.add(index, event, || {
                        format!(
                            "{holder} raised the floor to {token} in generation {generation} \
                             without such an election"
                        )
                    });
                }
                continue;
            }
            Kind::Sent { from, generation, term, what: MessageKind::Heartbeat, .. } => {
                (from.node, Some(*from), Some(*generation), *term, "sent a heartbeat")
            }
            Kind::LeaseExtended { node, term, .. } => {
                (*node, None, None, *term, "extended its lease")
            }
            Kind::GuardIssued { holder, token } => {
                (holder.node, Some(*holder), None, Term::from(*token), "handed out a guard")
            }
            _ => continue,
        };
        let leads = processes.get(&node).and_then(|process| process.leads);
        let entitled = leads.is_some_and(|(leader, generation, elected)| {
            elected == term
                && life.is_none_or(|life| life == leader)
                && of.is_none_or(|of| of == generation)
        });
        if !entitled {
            report.add(index, event, || {
                format!(
                    "{node} {did} in term {term} without leading it by an election of this boot"
                )
            });
        }
    }
    report.done()
}
