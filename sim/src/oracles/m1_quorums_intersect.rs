//! M1: any two quorums that can act share a voter: whatever starts a generation or wins an election
//! is a majority of distinct configured voters; without a store, a generation needs all of them.
//!
//! Guards the election layer: ⌊N/2⌋+1 of the configured voters, never of the live ones. A node that
//! is cut off must never start a cluster of its own (seen in seaweedfs #10880, tarantool #6471).

use std::collections::BTreeSet;

use fencepost::{Generation, NodeId};

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
    let all = setting.voters.len();
    let majority = all / 2 + 1;
    let mut begun: BTreeSet<Generation> = BTreeSet::new();
    let count = |nodes: &mut dyn Iterator<Item = NodeId>| {
        nodes.filter(|node| setting.voters.contains(node)).collect::<BTreeSet<_>>().len()
    };
    for (index, event) in history.besides_messages() {
        let (what, have, need) = match &event.kind {
            Kind::RollCalled { generation, boots, .. } => {
                let have = count(&mut boots.iter().map(|boot| boot.node));
                (format!("generation {generation} was started"), have, majority)
            }
            // Without a store the roll shows in what the voters on it make durable.
            Kind::Persisted { hard, .. }
                if hard.generation.roll != 0
                    && hard.roll.generation == hard.generation
                    && begun.insert(hard.generation) =>
            {
                let have = count(&mut hard.roll.boots.iter().map(|boot| boot.node));
                (format!("generation {} was started", hard.generation), have, all)
            }
            Kind::Elected { leader, term, certificate, .. } => {
                let have = count(&mut certificate.iter().map(|voter| voter.node));
                (format!("{leader} was elected in term {term}"), have, majority)
            }
            _ => continue,
        };
        if have < need {
            report.add(index, event, || format!("{what} by {have} of {all} voters, not {need}"));
        }
    }
    report.done()
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
