//! M3: a superseded incarnation never returns: once a newer life of a node is durable, an older one
//! of the same generation makes nothing durable and is never elected.
//!
//! Guards the election layer: two lives of one voter would be two votes. What an older life sent
//! before may still arrive; that it does not count is E3's business.

use std::collections::BTreeMap;

use fencepost::{Generation, Identity, Incarnation, NodeId};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// What is over stays over.
pub const ORACLE: Oracle = Oracle {
    property: "M3",
    says: "no incarnation acts after a newer one of its node",
    layer: "election",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut newest: BTreeMap<(Generation, NodeId), Incarnation> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        let (generation, who, did) = match &event.kind {
            Kind::Started { node, hard } => (
                hard.generation,
                Identity { node: *node, incarnation: hard.incarnation },
                "started",
            ),
            Kind::Persisted { node, hard } => {
                let who = Identity { node: *node, incarnation: hard.incarnation };
                (hard.generation, who, "made its state durable")
            }
            Kind::Elected { leader, generation, .. } => (*generation, *leader, "was elected"),
            _ => continue,
        };
        if who.incarnation == Incarnation::NONE {
            continue;
        }
        let newest = newest.entry((generation, who.node)).or_insert(who.incarnation);
        if *newest > who.incarnation {
            report.add(index, event, || {
                format!("{who} {did} after {}/{newest} of generation {generation}", who.node)
            });
        }
        *newest = who.incarnation.max(*newest);
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::Term;
    use fencepost::election::HardState;

    use super::super::testing::{GENERATION, Script, node};
    use super::*;

    fn persisted(script: Script, generation: Generation, incarnation: u64) -> Script {
        let incarnation = Incarnation(incarnation);
        let hard = HardState { generation, incarnation, ..HardState::default() };
        script.push(Kind::Persisted { node: node(1), hard })
    }

    #[test]
    fn lives_follow_each_other() {
        let next = Generation::stored(GENERATION.number + 1);
        let script = persisted(persisted(Script::new(), GENERATION, 1), GENERATION, 2);
        // They begin anew with each generation.
        persisted(persisted(script, next, 1), next, 0).check(&ORACLE);
    }

    #[test]
    fn an_older_life_is_caught_whatever_it_does() {
        let second = || persisted(Script::new(), GENERATION, 2);
        persisted(second().bad(), GENERATION, 1).check(&ORACLE);
        second().bad().elected(1, 3, &[1, 2]).check(&ORACLE);
        second().bad().started(1, Term(3).0, None).check(&ORACLE);
    }
}
