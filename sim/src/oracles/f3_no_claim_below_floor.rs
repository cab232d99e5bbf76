//! F3: once the floor has reached e, no claim below e commits.
//!
//! Guards the fence layer, unconditionally. Where F1 asks every write for the one right token, F3
//! looks at claims alone and believes any sign, in commit order, of how far the floor had got: an
//! activation, a refusal that names the floor, a claim that committed. So it also catches a store
//! whose reading of the fence is not locked against its raising (seen on PostgreSQL 15 without
//! `FOR SHARE`), even if the activation itself were missing from the history.

use fencepost::Token;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Claims never fall behind the floor.
pub const ORACLE: Oracle = Oracle {
    property: "F3",
    says: "after the floor reached a token no claim below it commits",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut reached = Token(0);
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::Activated { token, .. } => reached = reached.max(token),
            Kind::SetBack { floor, .. } => reached = floor,
            Kind::Fenced { floor, .. } => reached = reached.max(floor),
            Kind::Claimed { token, message, .. } => {
                if token < reached {
                    report.add(index, event, || {
                        format!("{message} was claimed under {token} after the floor was {reached}")
                    });
                }
                reached = reached.max(token);
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    #[test]
    fn claims_at_the_floor_are_fine() {
        let script = Script::new().activated(1, 1, false).claimed(1, 7).claimed(1, 8);
        script.activated(3, 2, false).claimed(3, 9).check(&ORACLE);
    }

    #[test]
    fn a_claim_below_an_activation_is_caught() {
        let script = Script::new().activated(1, 1, false).claimed(1, 7).activated(2, 2, false);
        script.bad().claimed(1, 8).claimed(2, 9).check(&ORACLE);
    }

    #[test]
    fn refusals_and_claims_tell_the_floor_too() {
        let script = Script::new().activated(1, 1, false);
        script
            .push(Kind::Fenced { token: Token(1), floor: Token(2) })
            .bad()
            .claimed(1, 7)
            .check(&ORACLE);
        Script::new().claimed(2, 7).bad().claimed(1, 8).check(&ORACLE);
    }

    #[test]
    fn a_later_lower_sign_does_not_lower_what_was_reached() {
        let script = Script::new().activated(5, 1, false).activated(3, 2, false);
        script.bad().claimed(3, 7).check(&ORACLE);
    }
}
