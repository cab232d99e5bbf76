//! F1: nothing commits below the floor. Every claim, every change of a message's state, every
//! message left to a person and every word about a job's run carries exactly the highest token that was ever activated.
//!
//! Guards the fence layer, unconditionally: it must hold when elections, leases and clocks are
//! broken on purpose. Sequencers in Burrows, "The Chubby lock service", OSDI 2006, §2.4. The floor
//! is known from the activations alone, in commit order, never from what the store says it is. A
//! token *above* the floor is wrong as well: its holder never activated.

use fencepost::Token;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Only the holder of the floor writes.
pub const ORACLE: Oracle = Oracle {
    property: "F1",
    says: "nothing commits under a token that is not the floor",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut floor: Option<Token> = None;
    for (index, event) in history.besides_messages() {
        let (token, message, what) = match &event.kind {
            Kind::Job(job) => {
                if let Some(token) = job.committed_under().filter(|token| Some(*token) != floor) {
                    report.add(index, event, || {
                        let floor = floor.map_or_else(|| "never raised".into(), |f| f.to_string());
                        format!("{job}: the floor is {floor}, not {token}")
                    });
                }
                continue;
            }
            Kind::Activated { token, .. } => {
                floor = floor.max(Some(*token));
                continue;
            }
            // What a store lost, its fence has lost.
            Kind::SetBack { floor: stands, .. } => {
                floor = (*stands > Token(0)).then_some(*stands);
                continue;
            }
            Kind::Claimed { token, message, .. } => (*token, *message, "claimed"),
            Kind::Moved { token, message, .. } => (*token, *message, "moved"),
            Kind::Parked { token, message } => (*token, *message, "left to a person"),
            _ => continue,
        };
        if Some(token) != floor {
            report.add(index, event, || {
                let floor = floor.map_or_else(|| "never raised".into(), |f| f.to_string());
                format!("{message} was {what} under token {token}, the floor is {floor}")
            });
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;
    use crate::history::MessageState::{Delivered, InDoubt};

    #[test]
    fn the_holder_of_the_floor_may_write() {
        Script::new()
            .activated(1, 1, false)
            .claimed(1, 7)
            .activated(1, 1, true)
            .settled(1, 7, Delivered)
            .claimed(1, 8)
            .activated(4, 2, false)
            // The sweep by the new holder shows the new token.
            .settled(4, 8, InDoubt)
            .parked(4, 8)
            .claimed(4, 9)
            .check(&ORACLE);
    }

    #[test]
    fn a_stale_token_is_caught_in_claims_and_settlements() {
        let script = Script::new().activated(1, 1, false).claimed(1, 7).activated(2, 2, false);
        let script = script.bad().claimed(1, 8).bad().settled(1, 7, Delivered);
        script.settled(2, 8, InDoubt).bad().parked(1, 8).parked(2, 8).check(&ORACLE);
    }

    #[test]
    fn a_token_that_was_never_activated_is_caught() {
        Script::new().bad().claimed(1, 7).check(&ORACLE);
        let script = Script::new().activated(1, 1, false).bad().claimed(2, 7);
        script.activated(2, 2, false).claimed(2, 8).check(&ORACLE);
    }

    #[test]
    fn a_floor_that_was_lowered_is_not_believed() {
        let script = Script::new().activated(5, 1, false).activated(3, 2, false);
        script.bad().claimed(3, 7).claimed(5, 8).check(&ORACLE);
    }
}
