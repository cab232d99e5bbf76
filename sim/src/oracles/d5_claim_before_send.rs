//! D5: the claim is durable before the first byte: whoever starts to send a message has a claim of
//! it, its own, that committed under the very token that it shows, and that still stands.
//!
//! Guards the fourth layer: without the claim a new holder could not know that there is anything to
//! doubt. "Sent, then marked" is how every at-least-once outbox works. See `claims` for the one
//! case, beyond the bound on clocks, in which a claim may be taken away before the send.

use super::claims::{Claims, Standing};
use super::lost::Lost;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind};

/// Claim, then send.
pub const ORACLE: Oracle = Oracle {
    property: "D5",
    says: "the claim is durable before the first byte is sent",
    layer: "claim before send",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut claims = Claims::default();
    let mut lost = Lost::default();
    for (index, event) in history.besides_messages() {
        claims.apply(event);
        lost.apply(event);
        let Kind::SendStarted { node, token, message, .. } = event.kind else { continue };
        // A claim that was durable once is no more, and its holder cannot know.
        let excused = lost.met(message) && claims.shown(node, token, message).is_some();
        if claims.standing(node, token, message) == Standing::No && !excused {
            report.add(index, event, || {
                format!(
                    "{node} began to send {message} with token {token} without a standing claim of its own"
                )
            });
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;
    use crate::history::MessageState::{Delivered, InDoubt, Pending};
    use crate::history::ProofKind::NeverSent;

    #[test]
    fn claim_then_send_is_fine() {
        let script = Script::new().claimed(1, 7).claimed(1, 8).send_started(1, 1, 7);
        // A claim that is settled can be made again, and stands for more than one send.
        let script = script.settled(1, 7, InDoubt).resolved(1, 7, Pending, NeverSent);
        script.claimed(1, 7).send_started(1, 1, 7).send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn sending_first_is_caught() {
        Script::new().bad().send_started(1, 1, 7).claimed(1, 7).check(&ORACLE);
        // Asking for a claim is not having it.
        Script::new().claim_started(1, 1, 7).bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn another_token_or_another_message_is_another_claim() {
        let script = Script::new().claimed(1, 7).bad().send_started(1, 2, 7);
        script.bad().send_started(1, 1, 8).check(&ORACLE);
        Script::new().claimed(1, 7).claimed(2, 7).bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn another_workers_claim_is_not_ones_own_although_it_shows_the_same_token() {
        let script = Script::new().worker_claimed(1, 3, 1, 1, 7).bad().send_started(2, 1, 7);
        script.send_started(1, 1, 7).check(&ORACLE);
        // Claimed from under the first one's hands: whether that may be is D4's business.
        let script = Script::new().worker_claimed(1, 3, 1, 1, 7).worker_claimed(2, 3, 1, 2, 7);
        script.bad().send_started(1, 1, 7).send_started(2, 1, 7).check(&ORACLE);
        // Nor is that of the token's holder a worker's.
        Script::new().claimed(1, 7).bad().send_started(2, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_workers_claim_that_its_own_token_revoked_stands_only_beyond_the_bound() {
        let revoked = |script: Script| {
            let script = script.worker_claimed(2, 3, 1, 1, 7).assigned(1, 3, 1, 2);
            script.settled(1, 7, InDoubt)
        };
        revoked(Script::new()).bad().send_started(2, 1, 7).check(&ORACLE);
        let script = revoked(Script::new().clock_out_of_bound(1)).send_started(2, 1, 7);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_workers_own_doubt_takes_nothing_from_it() {
        let begun = || Script::new().clock_out_of_bound(1).assigned(1, 3, 1, 1);
        let claims = |script: Script| script.worker_claimed(1, 3, 1, 1, 7);
        claims(begun()).settled(1, 7, InDoubt).bad().send_started(1, 1, 7).check(&ORACLE);
        // The next run of its share is another one.
        let next = claims(begun()).share_ended(1, 3, 1).settled(1, 7, InDoubt);
        next.send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_settled_claim_does_not_stand() {
        let script = Script::new().claimed(1, 7).settled(1, 7, Delivered);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_swept_claim_stands_only_for_those_beyond_the_bound() {
        let script = Script::new().claimed(1, 7).settled(2, 7, InDoubt);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
        let script = Script::new().claimed(1, 7).clock_out_of_bound(1).settled(2, 7, InDoubt);
        script.send_started(1, 1, 7).check(&ORACLE);
        // But not one that its own holder settled, nor one that never was.
        let script = Script::new().clock_out_of_bound(1).claimed(1, 7).settled(1, 7, InDoubt);
        script.bad().send_started(1, 1, 7).bad().send_started(1, 1, 8).check(&ORACLE);
    }
}
