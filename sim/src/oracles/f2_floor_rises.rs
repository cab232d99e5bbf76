//! F2: the floor rises strictly at each activation, and each value has one holder. A repeated
//! activation changes nothing: same token, same (node, incarnation).
//!
//! Guards the fence layer, unconditionally: a floor that two share, or that falls, fences nobody.
//! Burrows, "The Chubby lock service", OSDI 2006, §2.4.

use fencepost::{Identity, Token};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// One activation a value, each above the last.
pub const ORACLE: Oracle = Oracle {
    property: "F2",
    says: "the floor rises at each activation, one holder a value",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    // A store starts with floor 0, held by nobody.
    let mut floor: (Token, Option<Identity>) = (Token(0), None);
    for (index, event) in history.besides_messages() {
        if let Kind::SetBack { floor: stands, holder, .. } = event.kind {
            floor = (stands, holder);
        }
        let Kind::Activated { token, holder, again, .. } = event.kind else { continue };
        let (highest, held_by) = floor;
        let flaw = if again {
            (floor != (token, Some(holder))).then_some("was confirmed")
        } else {
            (token <= highest).then_some("was raised")
        };
        if let Some(flaw) = flaw {
            report.add(index, event, || {
                let held_by = held_by.map_or_else(|| "nobody".into(), |h| h.to_string());
                format!("the floor {flaw} to {token} for {holder}; it is {highest}, of {held_by}")
            });
        }
        if token > highest {
            floor = (token, Some(holder));
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::{Generation, Incarnation};

    use super::super::testing::{Script, node};
    use super::*;

    #[test]
    fn a_rising_floor_and_confirmations_to_its_holder_are_fine() {
        let script = Script::new().activated(1, 1, false).activated(1, 1, true);
        script.activated(5, 1, false).activated(6, 2, false).activated(6, 2, true).check(&ORACLE);
    }

    #[test]
    fn a_floor_that_stands_still_or_falls_is_caught() {
        let script = Script::new().activated(5, 1, false).bad().activated(5, 2, false);
        script.bad().activated(5, 1, false).bad().activated(4, 2, false).check(&ORACLE);
        // The fall does not lower what later ones are compared with.
        let script = Script::new().activated(5, 1, false).bad().activated(3, 2, false);
        script.bad().activated(4, 3, false).activated(6, 3, false).check(&ORACLE);
        Script::new().bad().activated(0, 1, false).check(&ORACLE);
    }

    #[test]
    fn what_a_store_lost_its_fence_has_lost_and_rises_from_there() {
        let script =
            Script::new().activated(3, 1, false).activated(5, 2, false).set_back(3, 1, &[]);
        script
            .activated(3, 1, true)
            .bad()
            .activated(3, 2, false)
            .activated(4, 2, false)
            .check(&ORACLE);
    }

    #[test]
    fn only_the_holder_is_confirmed() {
        let script = Script::new().activated(5, 1, false).bad().activated(5, 2, true);
        script.bad().activated(4, 1, true).bad().activated(6, 1, true).check(&ORACLE);
        Script::new().bad().activated(1, 1, true).check(&ORACLE);
        let holder = Identity { node: node(1), incarnation: Incarnation(2) };
        let script = Script::new().activated(5, 1, false).bad();
        let generation = Generation::NONE;
        let token = Token(5);
        script.push(Kind::Activated { generation, token, holder, again: true }).check(&ORACLE);
    }
}
