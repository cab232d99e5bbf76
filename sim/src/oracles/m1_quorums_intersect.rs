//! M1: any two quorums that can act share a voter: whatever starts a generation or wins an election
//! is a majority of distinct configured voters; without a store, a generation needs all of them.
//!
//! Guards the election layer: ⌊N/2⌋+1 of the configured voters, never of the live ones. A node that
//! is cut off must never start a cluster of its own (seen in seaweedfs #10880, tarantool #6471).

use std::collections::BTreeSet;

use fencepost::{Generation, NodeId};

use super::lists::Lists;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Majorities, and nothing less.
pub const ORACLE: Oracle = Oracle {
    property: "M1",
    says: "generations are started and leaders elected by majorities of the configured voters",
    layer: "election",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut lists = Lists::new(setting);
    let mut begun: BTreeSet<Generation> = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        lists.note(&event.kind);
        // Who did it by whose list, with whom, and whether it needs all of them.
        let (what, list, nodes, needs_all): (_, _, Vec<NodeId>, _) = match &event.kind {
            Kind::RollCalled { generation, boots, .. } => {
                // The store does not know who called: a majority by the list of one on the roll.
                let nodes: Vec<NodeId> = boots.iter().map(|boot| boot.node).collect();
                let caller = nodes.iter().find(|node| {
                    let list = lists.of(**node);
                    count(list, &nodes) > list.len() / 2
                });
                let caller = caller.or(nodes.first()).copied();
                let list = caller.map_or(&setting.voters[..], |caller| lists.of(caller));
                (format!("generation {generation} was started"), list, nodes, false)
            }
            // Without a store the roll shows in what the voters on it make durable.
            Kind::Persisted { node, hard }
                if hard.generation.roll != 0
                    && hard.roll.generation == hard.generation
                    && begun.insert(hard.generation) =>
            {
                let nodes = hard.roll.boots.iter().map(|boot| boot.node).collect();
                let what = format!("generation {} was started", hard.generation);
                (what, lists.of(*node), nodes, true)
            }
            Kind::Elected { leader, term, certificate, .. } => {
                let nodes = certificate.iter().map(|voter| voter.node).collect();
                let what = format!("{leader} was elected in term {term}");
                (what, lists.of(leader.node), nodes, false)
            }
            _ => continue,
        };
        let (have, all) = (count(list, &nodes), list.len());
        let need = if needs_all { all } else { all / 2 + 1 };
        if have < need {
            report.add(index, event, || format!("{what} by {have} of {all} voters, not {need}"));
        }
    }
    report.done()
}

/// How many distinct voters of the list are among the nodes.
fn count(list: &[NodeId], nodes: &[NodeId]) -> usize {
    list.iter().filter(|voter| nodes.contains(voter)).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fencepost::election::{HardState, Roll};
    use fencepost::{Boot, Term, Token};

    use super::super::testing::{Script, node};
    use super::*;

    fn boots(of: &[u32]) -> Vec<Boot> {
        of.iter().map(|&number| Boot { node: node(number), nonce: 1 }).collect()
    }

    fn stored(script: Script, of: &[u32]) -> Script {
        let generation = Generation::stored(1);
        script.push(Kind::RollCalled { generation, boots: boots(of), floor: Token(0) })
    }

    fn unstored(script: Script, of: &[u32]) -> Script {
        let generation = Generation { number: 1, roll: 5 };
        let roll = Arc::new(Roll { generation, floor: Term::ZERO, boots: boots(of) });
        let hard = HardState { generation, roll, ..HardState::default() };
        script.push(Kind::Persisted { node: node(1), hard })
    }

    #[test]
    fn a_majority_starts_with_a_store_and_all_without() {
        stored(Script::new(), &[1, 3]).check(&ORACLE);
        unstored(Script::new(), &[1, 2, 3]).check(&ORACLE);
        Script::with_voters(5).elected(1, 1, &[1, 2, 3]).check(&ORACLE);
    }

    #[test]
    fn less_is_caught() {
        stored(Script::new().bad(), &[1]).check(&ORACLE);
        stored(Script::new().bad(), &[1, 1]).check(&ORACLE);
        stored(Script::new().bad(), &[1, 9]).check(&ORACLE);
        unstored(Script::new().bad(), &[1, 2]).check(&ORACLE);
        Script::with_voters(5).bad().elected(1, 1, &[1, 2]).check(&ORACLE);
    }
}
