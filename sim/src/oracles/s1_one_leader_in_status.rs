//! S1: (leader, term) of a status is one value: whoever names a leader in a term names the one that
//! was elected in it, all nodes name the same one, and within a boot the term never goes
//! back while the generation stays, nor does a node come back to a generation that it left for another.
//!
//! Guards the service, not a layer: status is information, never permission. But a torn pair (the
//! leader of one term beside another term, seen in jgroups-raft) is how applications get misled. A
//! node that shows itself as leader must also show the leader's role, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use fencepost::election::Role;
use fencepost::{Generation, NodeId, Term};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Leader and term belong together.
pub const ORACLE: Oracle = Oracle {
    property: "S1",
    says: "a status names the elected leader of its term, and its term never goes back",
    layer: "service",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut shown: BTreeMap<NodeId, (Generation, Term)> = BTreeMap::new();
    // The generations that each process was in, the one that it is in last.
    let mut been: BTreeMap<NodeId, Vec<Generation>> = BTreeMap::new();
    let mut named: BTreeMap<(Generation, Term), NodeId> = BTreeMap::new();
    let mut elected: BTreeSet<(Generation, Term, NodeId)> = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                shown.remove(&node);
                been.remove(&node);
            }
            Kind::Elected { leader, generation, term, .. } => {
                elected.insert((generation, term, leader.node));
            }
            Kind::Status { node, role, generation, term, leader } => {
                // Without a store two starts of one number are told apart by their rolls alone, and
                // neither is older than the other. And voters that all forgot begin to count anew; an
                // observer that outlived them follows.
                let observes = !setting.delivers && role == Role::Observer;
                let goes_back = |(since, last): &(Generation, Term)| {
                    let older = since.number > generation.number && !observes;
                    *last > term && (older || *since == generation)
                };
                if let Some((_, last)) = shown.insert(node, (generation, term)).filter(goes_back) {
                    report.add(index, event, || {
                        format!("the status of {node} went back from term {last} to {term}")
                    });
                }
                // Who rejoins is in none, and may come back to the one that it was in.
                let been = been.entry(node).or_default();
                if generation != Generation::NONE && been.last() != Some(&generation) {
                    if been.contains(&generation) {
                        let left = been.last().copied().unwrap_or_default();
                        report.add(index, event, || {
                            format!("{node} shows generation {generation} again, after {left}")
                        });
                    }
                    been.push(generation);
                }
                let leads = role == Role::Leader;
                // A leader does not name itself before its first lease.
                let torn =
                    if leads { leader.is_some_and(|l| l != node) } else { leader == Some(node) };
                if torn {
                    report.add(index, event, || {
                        format!("{node} is {role:?} in term {term} and names {leader:?} as leader")
                    });
                }
                let Some(leader) = leader.or(leads.then_some(node)) else { continue };
                let first = *named.entry((generation, term)).or_insert(leader);
                if first != leader {
                    report.add(index, event, || {
                        format!("{node} shows {leader} as leader of term {term}, others {first}")
                    });
                } else if !elected.contains(&(generation, term, leader)) {
                    report.add(index, event, || {
                        format!("{node} shows {leader} as leader of term {term} without election")
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
    use Role::{Candidate, Follower, Leader};

    fn n1_leads() -> Script {
        Script::new().elected(1, 1, &[1, 2])
    }

    #[test]
    fn nodes_that_agree_are_fine() {
        n1_leads()
            .status(1, Leader, 1, None)
            .status(1, Leader, 1, Some(1))
            .status(2, Follower, 1, Some(1))
            .status(3, Candidate, 2, None)
            .elected(3, 2, &[2, 3])
            .status(2, Follower, 2, Some(3))
            .status(1, Follower, 1, None)
            .check(&ORACLE);
    }

    #[test]
    fn the_term_goes_back_only_across_a_boot() {
        let shown = || Script::new().status(1, Follower, 3, None);
        shown().bad().status(1, Follower, 2, None).check(&ORACLE);
        shown().down(1).booted(1, 2).status(1, Follower, 2, None).check(&ORACLE);
        shown().booted(2, 2).bad().status(1, Follower, 2, None).check(&ORACLE);
    }

    #[test]
    fn starts_that_only_their_rolls_tell_apart_begin_their_terms_anew() {
        let of = |role, number, roll, term| Kind::Status {
            node: "n1".parse().unwrap(),
            role,
            generation: Generation { number, roll },
            term: Term(term),
            leader: None,
        };
        let status = |number, roll, term| of(Follower, number, roll, term);
        let shown = || Script::new().push(status(2, 9, 3));
        shown().push(status(2, 8, 1)).check(&ORACLE);
        shown().push(status(3, 7, 1)).check(&ORACLE);
        shown().bad().push(status(1, 9, 2)).check(&ORACLE);
        // Voters count their starts anew when all of them forgot and no store remembers.
        let mut observes = Script::new().push(of(Role::Observer, 2, 9, 3));
        observes.setting.delivers = false;
        observes.push(of(Role::Observer, 1, 7, 1)).check(&ORACLE);
        let stored = Script::new().push(of(Role::Observer, 2, 9, 3));
        stored.bad().push(of(Role::Observer, 1, 7, 1)).check(&ORACLE);
    }

    #[test]
    fn a_generation_that_was_left_for_another_is_left_for_good() {
        let of = |role, number, roll| Kind::Status {
            node: "n1".parse().unwrap(),
            role,
            generation: Generation { number, roll },
            term: Term(3),
            leader: None,
        };
        for role in [Follower, Role::Observer] {
            let status = |number, roll| of(role, number, roll);
            let mut left = Script::new().push(status(2, 9)).push(status(1, 7));
            left.setting.delivers = false;
            left.bad().push(status(2, 9)).bad().push(status(1, 7)).check(&ORACLE);
            let mut anew = Script::new().push(status(2, 9)).push(status(1, 7)).booted(1, 2);
            anew.setting.delivers = false;
            anew.push(status(2, 9)).check(&ORACLE);
        }
        let rejoins = of(Role::Rejoining, 0, 0);
        let script = Script::new().push(of(Follower, 2, 9)).push(rejoins.clone());
        script.push(of(Follower, 2, 9)).push(rejoins).push(of(Follower, 3, 1)).check(&ORACLE);
    }

    #[test]
    fn two_leaders_of_one_term_are_caught_across_nodes() {
        let script = n1_leads().elected(3, 1, &[2, 3]).status(2, Follower, 1, Some(1));
        script
            .bad()
            .status(2, Follower, 1, Some(3))
            .bad()
            .status(3, Leader, 1, None)
            .check(&ORACLE);
    }

    #[test]
    fn a_leader_needs_an_earlier_election_in_that_very_term() {
        Script::new().bad().status(1, Leader, 1, None).elected(1, 1, &[1, 2]).check(&ORACLE);
        // Torn: the old leader beside the new term, and the new leader beside the old term.
        n1_leads().bad().status(2, Follower, 2, Some(1)).check(&ORACLE);
        let script = n1_leads().elected(3, 2, &[2, 3]);
        script.bad().status(2, Follower, 1, Some(3)).check(&ORACLE);
    }

    #[test]
    fn role_and_leader_belong_together() {
        n1_leads().bad().status(1, Follower, 1, Some(1)).check(&ORACLE);
        let script = n1_leads().elected(2, 2, &[1, 2]);
        script.bad().status(1, Leader, 2, Some(2)).check(&ORACLE);
    }
}
