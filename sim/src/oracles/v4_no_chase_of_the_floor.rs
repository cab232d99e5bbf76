//! V4: a floor ahead of the quorum does not livelock: a leader that the store refuses learns the
//! floor, so that the next one it elects can act. Nobody is refused in one term after the other.
//!
//! Liveness of the service. A cold start, or an outage that outlasts many elections, can leave the
//! floor any number of terms above what the voters remember.

use std::collections::BTreeMap;

use fencepost::NodeId;
use fencepost::election::SteppedDown;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// The floor is learned, not approached.
pub const ORACLE: Oracle = Oracle {
    property: "V4",
    says: "a leader refused by the store is not refused again in the next terms",
    layer: "service",
    check,
};

/// How many refusals may follow each other: one to learn the floor, and one more for a floor that
/// another leader raised meanwhile.
const REFUSALS_MAX: u32 = 2;

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut refused: BTreeMap<NodeId, u32> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::Activated { .. } => refused.clear(),
            Kind::SteppedDown { node, term, reason: SteppedDown::Outranked } => {
                let count = refused.entry(node).or_default();
                *count += 1;
                if *count > REFUSALS_MAX {
                    report.add(index, event, || {
                        format!("the store refused {node} for the {count}th time, in term {term}")
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
    use fencepost::Term;

    use super::super::testing::{Script, node};
    use super::*;

    fn refused(script: Script, term: u64) -> Script {
        let reason = SteppedDown::Outranked;
        script.push(Kind::SteppedDown { node: node(1), term: Term(term), reason })
    }

    #[test]
    fn learning_takes_a_refusal_or_two() {
        let script = refused(refused(Script::new(), 1), 8).elected(1, 9, &[1, 2]);
        refused(script.activated(9, 1, false), 12).check(&ORACLE);
    }

    #[test]
    fn creeping_up_to_the_floor_is_caught() {
        let script = refused(refused(Script::new(), 1), 2).bad();
        refused(refused(script, 3).stepped_down(1, 4).bad(), 5).check(&ORACLE);
    }
}
