//! S2: "I lead" implies a valid lease: at the moment a node publishes itself as the leader it holds
//! the lease of that term, by its own clock.
//!
//! Guards the service. Status is information and may be old when it is read; it must not be wrong
//! when it is written. Permission is the guard's business (L2).

use super::guards::Guards;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Who says that it leads, does.
pub const ORACLE: Oracle = Oracle {
    property: "S2",
    says: "a node that shows itself as leader holds the lease of that term",
    layer: "service",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut guards = Guards::default();
    for (index, event) in history.besides_messages() {
        guards.apply(event);
        let Kind::Status { node, term, leader: Some(leader), .. } = event.kind else { continue };
        if leader == node && !guards.holds_lease(node, term, event.at) {
            report.add(index, event, || {
                format!("{node} shows itself as leader of term {term} without its lease")
            });
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::election::Role::Leader;

    use super::super::testing::Script;
    use super::*;

    #[test]
    fn a_lease_that_lasts_is_enough() {
        Script::new().booted(1, 1).lease(1, 4, 900).status(1, Leader, 4, Some(1)).check(&ORACLE);
        Script::new().status(1, Leader, 4, None).status(2, Leader, 4, Some(1)).check(&ORACLE);
    }

    #[test]
    fn none_an_older_or_an_ended_one_is_not() {
        Script::new().bad().status(1, Leader, 4, Some(1)).check(&ORACLE);
        let leads = |term| Script::new().booted(1, 1).lease(1, term, 900);
        leads(3).bad().status(1, Leader, 4, Some(1)).check(&ORACLE);
        leads(4).at(900).bad().status(1, Leader, 4, Some(1)).check(&ORACLE);
        leads(4).stepped_down(1, 4).bad().status(1, Leader, 4, Some(1)).check(&ORACLE);
    }
}
