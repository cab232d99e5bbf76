//! L2: guards are handed out, and guarded acts start, before the deadline: whoever starts to claim, to
//! send or to run a job holds the guard of the token that it shows, and its own clock has not reached
//! the end of the lease. A worker of a shared delivery holds the permission for the very share that it
//! claims from; neither that for another unit will do, nor the guard if it leads as well.
//!
//! Guards the lease layer, on the actor's side: Gray and Cheriton 1989, §3. The acts are recorded
//! where they leave the node, so a node that never asks a guard (the founding design: "am I the
//! leader?", then act) is caught like one that asks too early. Needs no bound on clocks.

use std::fmt;

use super::claims::Claims;
use super::guards::Guards;
use super::report::Report;
use super::shares::Shares;
use super::{Oracle, Setting, Violation};
use crate::history::{History, JobEvent, JobRun, Kind, MessageNo, WorkEvent};

/// No act without a guard whose deadline lies ahead.
pub const ORACLE: Oracle = Oracle {
    property: "L2",
    says: "claims, sends and jobs start under a guard and before its deadline",
    layer: "lease",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut guards = Guards::default();
    let mut shares = Shares::default();
    let mut claims = Claims::default();
    for (index, event) in history.besides_messages() {
        guards.apply(event);
        shares.apply(event);
        claims.apply(event);
        let (node, token, reading, act) = match &event.kind {
            Kind::ClaimStarted { node, token, message, reading, .. } => {
                (*node, *token, *reading, Act::Claim(*message))
            }
            Kind::SendStarted { node, token, message, reading, .. } => {
                (*node, *token, *reading, Act::Send(*message))
            }
            Kind::Job(JobEvent::Started { node, run, token, reading }) => {
                (*node, *token, *reading, Act::Run(*run))
            }
            // To hand a guard out is an act, too: whoever gets it will not ask again at once.
            Kind::GuardIssued { holder, token } => {
                if !guards.holds_lease(holder.node, (*token).into(), event.at) {
                    report.add(index, event, || {
                        format!("{holder} was handed a guard of {token} without its lease")
                    });
                }
                continue;
            }
            _ => continue,
        };
        // What a message was claimed under is what it may be sent under.
        let shown = match &event.kind {
            Kind::ClaimStarted { share, .. } => Some(share.as_ref()),
            Kind::SendStarted { message, .. } => claims.shown(node, token, *message),
            _ => Some(None),
        };
        if let Some(Some(share)) = shown {
            if !shares.permits(share, token, reading) {
                report.add(index, event, || {
                    let (unit, given) = (share.unit, shares.of(share));
                    format!(
                        "{node} began to {act} of unit {unit} with token {token} without its \
                         permission: {given:?}"
                    )
                });
            }
            continue;
        }
        let tenure = guards.tenure(node, token.into());
        let flaw = match tenure.map(|tenure| (tenure.stepped_down, tenure.issued, tenure.until)) {
            Some((true, _, _)) => "after it had stepped down",
            Some((false, true, Some(until))) if reading < until => continue,
            Some((false, true, Some(_))) => "at or after its deadline",
            _ => "without a guard",
        };
        // Without a claim of its own, which is D5's business, a worker's unit is not known. Units of
        // another work permit no sends, and whoever claimed without a unit sends without one.
        let delivery = WorkEvent::DELIVERY;
        if shown.is_none() && shares.permits_any(delivery, node, token, reading) {
            continue;
        }
        report.add(index, event, || format!("{node} began to {act} with token {token} {flaw}"));
    }
    report.done()
}

/// What is begun.
enum Act {
    Claim(MessageNo),
    Send(MessageNo),
    Run(JobRun),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(message) => write!(f, "claim {message}"),
            Self::Send(message) => write!(f, "send {message}"),
            Self::Run(run) => write!(f, "run {run}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    fn may_act_until_900() -> Script {
        Script::new().booted(1, 1).lease(1, 1, 900).guard(1, 1)
    }

    #[test]
    fn acts_under_a_guard_are_fine_up_to_the_last_nanosecond() {
        may_act_until_900()
            .claim_started(1, 1, 7)
            .at_ns(899_999_999)
            .send_started(1, 1, 7)
            .lease(1, 1, 1000)
            .at(900)
            .send_started(1, 1, 8)
            .check(&ORACLE);
    }

    #[test]
    fn the_deadline_itself_is_too_late() {
        let script = may_act_until_900().at(900).bad().claim_started(1, 1, 7);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
        // What counts is the latest lease, even if it ends earlier.
        may_act_until_900().lease(1, 1, 800).at(800).bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn no_guard_no_action() {
        // Leading, with a lease, but never asked for a guard; and a guard before any lease.
        Script::new().lease(1, 1, 900).bad().send_started(1, 1, 7).check(&ORACLE);
        Script::new().bad().guard(1, 1).bad().claim_started(1, 1, 7).check(&ORACLE);
        Script::new().bad().job_started(1, 1, 1, 2_000).check(&ORACLE);
        may_act_until_900().job_started(1, 1, 1, 2_000).check(&ORACLE);
        // Another's guard, or one of another term.
        may_act_until_900().bad().send_started(2, 1, 7).bad().send_started(1, 2, 7).check(&ORACLE);
        // A guard of an earlier boot.
        let script = may_act_until_900().down(1).bad().send_started(1, 1, 7);
        script.booted(1, 2).bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_guard_is_not_handed_out_after_its_deadline() {
        Script::new().booted(1, 1).lease(1, 1, 900).at(900).bad().guard(1, 1).check(&ORACLE);
    }

    fn works_on_unit_3_until_900() -> Script {
        Script::new().booted(1, 1).held(1, 3, 1, 5, 900)
    }

    #[test]
    fn a_worker_acts_under_the_permission_for_the_share_that_it_shows() {
        let script = works_on_unit_3_until_900().worker_claim_started(1, 3, 1, 5, 7);
        let script = script.worker_claimed(1, 3, 1, 5, 7).at_ns(899_999_999).send_started(1, 1, 7);
        script
            .worker_claim_started(1, 3, 1, 5, 8)
            .at(900)
            .bad()
            .send_started(1, 1, 7)
            .check(&ORACLE);
        let script = works_on_unit_3_until_900().worker_claimed(1, 3, 1, 5, 7).share_ended(1, 3, 5);
        script.bad().send_started(1, 1, 7).bad().worker_claim_started(1, 3, 1, 5, 8).check(&ORACLE);
    }

    #[test]
    fn a_permission_for_another_unit_epoch_or_token_is_none() {
        let script = works_on_unit_3_until_900().bad().worker_claim_started(1, 4, 1, 5, 7);
        let script = script.bad().worker_claim_started(1, 3, 1, 4, 7);
        script.bad().worker_claim_started(1, 3, 2, 5, 7).check(&ORACLE);
        // What was claimed for unit 4 is not sent under the permission for unit 3.
        let script = works_on_unit_3_until_900().worker_claimed(1, 4, 1, 6, 7);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
        // A worker is not the token's holder, and its leadership makes no unit its own.
        works_on_unit_3_until_900().bad().claim_started(1, 1, 7).check(&ORACLE);
        may_act_until_900().bad().worker_claim_started(1, 3, 1, 5, 7).check(&ORACLE);
    }

    #[test]
    fn a_send_without_a_claim_is_judged_by_any_permission() {
        works_on_unit_3_until_900().send_started(1, 1, 7).check(&ORACLE);
        works_on_unit_3_until_900().bad().send_started(2, 1, 7).check(&ORACLE);
        works_on_unit_3_until_900().bad().job_started(1, 1, 1, 2_000).check(&ORACLE);
    }

    #[test]
    fn units_excuse_nobody_who_leads() {
        // Its own claim was made by its guard alone: its unit is no permission to send.
        let script = may_act_until_900().held(1, 3, 1, 5, 2_000).claimed(1, 7).at(900);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
        // Nor is a unit of a work that delivers nothing, whatever was claimed.
        let script = may_act_until_900().held_elsewhere(1, 3, 1, 5, 2_000).at(900);
        script.bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn what_was_claimed_of_a_unit_is_judged_by_it_whoever_claimed_since() {
        let claimed = || works_on_unit_3_until_900().worker_claimed(1, 3, 1, 5, 7);
        let taken = claimed().worker_claimed(2, 3, 1, 6, 7).held(1, 4, 1, 5, 2_000);
        taken.send_started(1, 1, 7).at(900).bad().send_started(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn stepping_down_ends_it_for_good() {
        let script = may_act_until_900().stepped_down(1, 1).bad().claim_started(1, 1, 7);
        script.lease(1, 1, 950).bad().guard(1, 1).bad().send_started(1, 1, 7).check(&ORACLE);
        may_act_until_900().stepped_down(1, 0).send_started(1, 1, 7).check(&ORACLE);
    }
}
