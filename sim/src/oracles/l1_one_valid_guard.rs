//! L1: at any moment at most one guard is valid.
//!
//! Guards the lease layer. A guard is valid from its issue until its holder steps down, its process
//! is gone, or the holder's own clock reaches the end of its lease. Gray and Cheriton, "Leases",
//! SOSP 1989, §3; Lampson, "How to Build a Highly Available System Using Consensus", 1996. The
//! argument needs bounded clock *rates*, so the check ends with the first clock that leaves the
//! bound: from there on only F1 and D1 are promised (L5).
//!
//! Two validities overlap exactly if one begins while the other lasts, so it is enough to look
//! whenever a guard becomes valid.

use fencepost::{NodeId, Term};

use super::guards::Guards;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{Event, History, Kind};

/// One valid guard at a time.
pub const ORACLE: Oracle = Oracle {
    property: "L1",
    says: "at most one guard is valid at any moment while clock rates are within the bound",
    layer: "lease",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut guards = Guards::default();
    for (index, event) in history.besides_messages() {
        let node = match event.kind {
            Kind::ClockRate { within_bound: false, .. } => break,
            // A clock that is set back could make an old guard valid anew.
            Kind::ClockRate { node, .. } | Kind::LeaseExtended { node, .. } => node,
            Kind::GuardIssued { holder, .. } => holder.node,
            _ => {
                guards.apply(event);
                continue;
            }
        };
        let before = valid(&guards, node, event);
        guards.apply(event);
        if before == valid(&guards, node, event) {
            continue;
        }
        for term in guards.valid_of(node, event.at).filter(|term| !before.contains(&Some(*term))) {
            for (other, other_term) in guards.valid(event.at) {
                if (other, other_term) != (node, term) {
                    report.add(index, event, || {
                        format!(
                            "the guard of {node} with token {term} became valid while that of \
                             {other} with token {other_term} is valid"
                        )
                    });
                }
            }
        }
    }
    report.done()
}

/// More guards of one process than this are not told apart: two are a violation already.
const MAX_GUARDS: usize = 4;

/// The guards that `node` validly holds, without an allocation: asked at every extended lease.
fn valid(guards: &Guards, node: NodeId, event: &Event) -> [Option<Term>; MAX_GUARDS] {
    let mut all = guards.valid_of(node, event.at);
    std::array::from_fn(|_| all.next())
}
