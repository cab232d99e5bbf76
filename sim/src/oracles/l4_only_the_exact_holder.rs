//! L4: renewal and release touch only the exact holder, (node, incarnation, term).
//!
//! Guards the lease layer against words about one leadership that meet another one: a release that
//! was never given, or that frees from a promise to somebody else; a command to step down that
//! comes after the leadership it was about (seen in River #1213, Curator CURATOR-620).
//!
//! A graceful stop needs nobody's word, but it must have been asked for: that the process ends by itself
//! later excuses nothing.

use std::collections::{BTreeMap, BTreeSet};

use fencepost::election::SteppedDown;
use fencepost::{Identity, NodeId, Term};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Nobody ends what is not its own.
pub const ORACLE: Oracle = Oracle {
    property: "L4",
    says: "release and stepping down on command touch only the exact holder",
    layer: "lease",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut asked: BTreeSet<(NodeId, Term)> = BTreeSet::new();
    let mut stopping: BTreeSet<NodeId> = BTreeSet::new();
    let mut released: BTreeSet<(NodeId, Term)> = BTreeSet::new();
    let mut leads: BTreeMap<(NodeId, Term), Identity> = BTreeMap::new();
    for (index, event) in history.events().iter().enumerate() {
        match event.kind {
            Kind::Elected { leader, term, .. } => {
                leads.insert((leader.node, term), leader);
            }
            Kind::AskedToStepDown { node, term } => {
                asked.insert((node, term));
            }
            Kind::StopAsked { node } => {
                stopping.insert(node);
            }
            Kind::Booted { node, .. } => {
                asked.retain(|(asked, _)| *asked != node);
                stopping.remove(&node);
            }
            Kind::SteppedDown {
                node,
                term,
                reason: reason @ (SteppedDown::Outranked | SteppedDown::Resigned),
            } if !asked.contains(&(node, term)) && !stopping.contains(&node) => {
                report.add(index, event, || {
                    format!("{node} gave term {term} up ({reason:?}), which nobody had asked for")
                });
            }
            Kind::Released { node, term, .. } => {
                released.insert((node, term));
            }
            Kind::Sent { from, term, release: Some(release), .. } => {
                let key = (release.leader.node, release.term);
                let given = released.contains(&key) && leads.get(&key) == Some(&release.leader);
                if !given {
                    let (leader, freed) = (release.leader, release.term);
                    report.add(index, event, || {
                        format!(
                            "{from} campaigns in term {term} with a release of {leader} in term \
                             {freed}, which was never given"
                        )
                    });
                }
            }
            Kind::PromiseReleased { node, promised_to, term, release } => {
                let exact = promised_to.is_none_or(|leader| leader == release.leader);
                if !(release.term > term || release.term == term && exact) {
                    let (leader, freed) = (release.leader, release.term);
                    report.add(index, event, || {
                        format!(
                            "{node} was freed of its promise to {promised_to:?} in term {term} by \
                             the release of {leader} in term {freed}"
                        )
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
    use fencepost::Incarnation;
    use fencepost::election::Release;

    use super::super::testing::{GENERATION, Script, id, node};
    use super::*;
    use crate::history::{Arrivals, MessageKind};

    fn outranked(script: Script, term: u64) -> Script {
        let reason = SteppedDown::Outranked;
        script.push(Kind::SteppedDown { node: node(1), term: Term(term), reason })
    }

    fn asked(script: Script, term: u64) -> Script {
        script.push(Kind::AskedToStepDown { node: node(1), term: Term(term) })
    }

    fn campaigns_with(script: Script, leader: Identity, term: u64) -> Script {
        let release = Some(Release { leader, term: Term(term) });
        let (from, to, generation, term) = (id(2), node(3), GENERATION, Term(term + 1));
        let (what, vote, arrives) = (MessageKind::VoteRequest, None, Arrivals::Untold);
        script.push(Kind::Sent { from, to, generation, term, what, vote, release, arrives })
    }

    #[test]
    fn a_command_is_about_one_term() {
        outranked(asked(Script::new(), 4), 4).check(&ORACLE);
        outranked(asked(Script::new(), 4).bad(), 5).check(&ORACLE);
        outranked(asked(Script::new(), 4).booted(1, 2).bad(), 4).check(&ORACLE);
        outranked(asked(Script::new(), 4), 4).stepped_down(1, 5).check(&ORACLE);
    }

    #[test]
    fn a_stop_needs_no_command_once_it_was_asked_for() {
        let stopping = || Script::new().push(Kind::StopAsked { node: node(1) });
        let ended = Kind::Down { node: node(1), graceful: true };
        outranked(stopping(), 4).push(ended.clone()).check(&ORACLE);
        // Killed when it took too long.
        outranked(stopping(), 4).down(1).check(&ORACLE);
        // The signal was another's.
        let other = Script::new().push(Kind::StopAsked { node: node(2) });
        outranked(other.bad(), 4).check(&ORACLE);
        // The process was not told yet, or it was the one before; that it ends well is no excuse.
        let early = outranked(Script::new().bad(), 4).push(Kind::StopAsked { node: node(1) });
        early.push(ended.clone()).check(&ORACLE);
        outranked(stopping().booted(1, 2).bad(), 4).push(ended).check(&ORACLE);
    }

    #[test]
    fn a_release_is_of_its_leader_and_term() {
        let given = || {
            let released = Kind::Released { node: node(1), term: Term(4), successor: None };
            Script::new().elected(1, 4, &[1, 2]).push(released)
        };
        campaigns_with(given(), id(1), 4).check(&ORACLE);
        campaigns_with(given().bad(), id(1), 3).check(&ORACLE);
        let second = Identity { node: node(1), incarnation: Incarnation(2) };
        campaigns_with(given().bad(), second, 4).check(&ORACLE);
        campaigns_with(Script::new().elected(1, 4, &[1, 2]).bad(), id(1), 4).check(&ORACLE);
    }

    #[test]
    fn a_release_frees_of_its_own_promise_and_of_older_ones() {
        let freed = |script: Script, promised_to, term, release_term| {
            let release = Release { leader: id(1), term: Term(release_term) };
            let (node, term) = (node(3), Term(term));
            script.push(Kind::PromiseReleased { node, promised_to, term, release }).check(&ORACLE);
        };
        freed(Script::new(), Some(id(1)), 4, 4);
        freed(Script::new(), None, 4, 4);
        freed(Script::new(), Some(id(2)), 3, 4);
        freed(Script::new().bad(), Some(id(2)), 4, 4);
        freed(Script::new().bad(), Some(id(1)), 5, 4);
    }
}
