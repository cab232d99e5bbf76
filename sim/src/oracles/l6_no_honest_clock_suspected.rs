//! L6: no clock that was within the bound all the time is taken for one outside it.
//!
//! Guards the availability of the lease layer. A leader drops the acknowledgements of voters whose
//! clocks it suspects, and gives up if these are too many: a false alarm costs a majority that is
//! there. What it watches is the rate of a voter's clock against its own, so either of them may be
//! the wrong one. A process may come back to a clock that began at another moment, on the same
//! machine or on another; that is no rate.

use std::collections::BTreeSet;

use fencepost::NodeId;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// No false alarm.
pub const ORACLE: Oracle = Oracle {
    property: "L6",
    says: "no clock within the bound is taken for one outside it",
    layer: "lease",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut outside: BTreeSet<NodeId> = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::ClockRate { node, within_bound: false, .. } => {
                outside.insert(node);
            }
            Kind::ClockWatch { node, peer, within: false }
                if !outside.contains(&node) && !outside.contains(&peer) =>
            {
                report.add(index, event, || {
                    format!("{node} suspects the clock of {peer}; both were within the bound")
                });
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::ORACLE;
    use crate::history::Kind;
    use crate::oracles::testing::{Script, node};

    fn watched(script: Script, by: u32, peer: u32, within: bool) -> Script {
        script.push(Kind::ClockWatch { node: node(by), peer: node(peer), within })
    }

    #[test]
    fn a_false_alarm_is_told_and_a_true_one_is_not() {
        watched(watched(Script::new(), 1, 2, true).bad(), 1, 2, false).check(&ORACLE);
        // Who is outside, the leader or the voter, cannot be told by who suspects whom.
        watched(watched(Script::new().clock_out_of_bound(2), 1, 2, false), 2, 3, false)
            .check(&ORACLE);
        watched(Script::new().clock_out_of_bound(2).bad(), 1, 3, false).check(&ORACLE);
    }
}
