//! E1: in a term of a generation at most one (node, incarnation) is elected, and that one at most once.
//!
//! Guards the election layer: the term is the fencing token, so two elections in one term would
//! hand out one token twice. "Election Safety" of Raft: Ongaro, "Consensus: Bridging Theory and
//! Practice", 2014, §3.4 and figure 3.2. A leader that hides its election from this oracle is E4's
//! business.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// One leader a term.
pub const ORACLE: Oracle = Oracle {
    property: "E1",
    says: "in a term at most one incarnation is elected, and once",
    layer: "election",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut elected = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        let Kind::Elected { leader, generation, term, .. } = event.kind else { continue };
        match elected.entry((generation, term)) {
            Entry::Vacant(entry) => {
                entry.insert(leader);
            }
            Entry::Occupied(first) if *first.get() == leader => {
                report.add(index, event, || format!("{leader} was elected twice in term {term}"));
            }
            Entry::Occupied(first) => report.add(index, event, || {
                format!("{leader} was elected in term {term}, which {} leads", first.get())
            }),
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::{Identity, Incarnation, Term};

    use super::super::testing::{GENERATION, Script, node};
    use super::*;

    #[test]
    fn one_leader_in_each_term_is_fine() {
        Script::new()
            .elected(1, 1, &[1, 2])
            .elected(1, 2, &[1, 2])
            .elected(2, 3, &[2, 3])
            .check(&ORACLE);
    }

    #[test]
    fn two_nodes_in_one_term_are_caught_however_far_apart() {
        Script::new()
            .elected(1, 4, &[1, 2])
            .elected(2, 5, &[2, 3])
            .bad()
            .elected(3, 4, &[2, 3])
            .check(&ORACLE);
    }

    #[test]
    fn one_node_elected_twice_in_a_term_is_caught() {
        Script::new().elected(1, 1, &[1, 2]).bad().elected(1, 1, &[1, 3]).check(&ORACLE);
    }

    #[test]
    fn terms_of_two_generations_are_two_terms() {
        let second = Identity { node: node(2), incarnation: Incarnation(1) };
        let generation = fencepost::Generation::stored(GENERATION.number + 1);
        let certificate = vec![second];
        let again = Kind::Elected { leader: second, generation, term: Term(1), certificate };
        Script::new().elected(1, 1, &[1, 2]).push(again).check(&ORACLE);
    }

    #[test]
    fn another_incarnation_of_the_leader_is_another_leader() {
        let second = Identity { node: node(1), incarnation: Incarnation(2) };
        Script::new()
            .elected(1, 1, &[1, 2])
            .bad()
            .push(Kind::Elected {
                leader: second,
                generation: GENERATION,
                term: Term(1),
                certificate: vec![second],
            })
            .check(&ORACLE);
    }
}
