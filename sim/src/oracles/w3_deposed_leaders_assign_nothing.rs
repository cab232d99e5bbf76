//! W3: a deposed leader's assignments are refused: what is assigned shows the floor, and so does every
//! claim under it.
//!
//! Guards the fence layer: unconditional, as F1 and F3 are.

use fencepost::Token;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, WorkEvent};

/// Assignments are the floor's.
pub const ORACLE: Oracle = Oracle {
    property: "W3",
    says: "only the holder of the floor assigns, and only its assignments count",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut floor = Token(0);
    for (index, event) in history.besides_messages() {
        let (token, what) = match &event.kind {
            Kind::Activated { token, .. } | Kind::SetBack { floor: token, .. } => {
                floor = *token;
                continue;
            }
            Kind::Work(WorkEvent::Assigned { assignment, .. }) => (assignment.token, "assigned"),
            Kind::Work(WorkEvent::Claimed { token, .. }) => (*token, "claimed for a worker"),
            _ => continue,
        };
        if token != floor {
            report.add(index, event, || {
                format!("something was {what} under token {token} while the floor was {floor}")
            });
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    #[test]
    fn only_the_floor_assigns_and_its_assignments_count() {
        let script = Script::new().bad().assigned(1, 7, 1, 1).activated(1, 1, false);
        let script = script.assigned(1, 7, 1, 2).share_claimed(1, 7, 1, 2, 3);
        let script = script.activated(4, 2, false).bad().assigned(1, 7, 1, 3);
        let script = script.bad().share_claimed(1, 7, 1, 2, 4).assigned(1, 7, 4, 4);
        script.share_claimed(1, 7, 4, 4, 5).check(&ORACLE);
    }
}
