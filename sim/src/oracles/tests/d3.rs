//! Histories that keep and break D3.

use crate::history::MessageState::{Delivered, Failed, InDoubt, Pending};
use crate::history::ProofKind::{Deduplicated, NeverSent, SinkHasIt, SinkLacksIt};
use crate::history::SendOutcome::{Accepted, Fenced, NotNow, NotSent, Rejected, Unknown};
use crate::oracles::SinkKind::{self, Plain};
use crate::oracles::d3_doubt_needs_proof::ORACLE;
use crate::oracles::testing::{DEDUP, Script};

/// n1 claims message 7 at 1 s and sends it, outcome unknown; it is in doubt at once.
fn in_doubt(sink: SinkKind) -> Script {
    let script = Script::new().sink(sink).at(1000).claimed(1, 7).send_started(1, 1, 7);
    script.send_ended(1, 1, 7, Unknown).settled(1, 7, InDoubt)
}

#[test]
fn known_outcomes_settle_a_message() {
    let one = |message, outcome, to| {
        let script = Script::new().claimed(1, message).send_started(1, 1, message);
        script.send_ended(1, 1, message, outcome).settled(1, message, to).check(&ORACLE);
    };
    one(1, Accepted, Delivered);
    one(2, Rejected, Failed);
    one(3, Unknown, InDoubt);
    one(4, Fenced, InDoubt);
}

#[test]
fn the_key_is_the_message() {
    Script::new().claimed(1, 7).bad().send_under_key(1, 1, 7, 8).check(&ORACLE);
}

#[test]
fn an_unknown_outcome_is_settled_by_nobodys_guess() {
    for to in [Delivered, Failed, Pending] {
        let script = Script::new().claimed(1, 7).send_started(1, 1, 7);
        script.bad().settled(1, 7, to).check(&ORACLE);
        let script = Script::new().claimed(1, 7).send_started(1, 1, 7);
        script.send_ended(1, 1, 7, Unknown).bad().settled(1, 7, to).check(&ORACLE);
    }
}

#[test]
fn a_claim_is_settled_by_its_holder_and_as_its_send_ended() {
    let sent = |outcome| {
        let script = Script::new().claimed(1, 7).send_started(1, 1, 7);
        script.send_ended(1, 1, 7, outcome)
    };
    sent(Accepted).bad().settled(2, 7, Delivered).check(&ORACLE);
    sent(Rejected).bad().settled(2, 7, Failed).check(&ORACLE);
    sent(Accepted).bad().settled(1, 7, Failed).check(&ORACLE);
    sent(Fenced).bad().settled(1, 7, Delivered).check(&ORACLE);
    sent(Accepted).settled(2, 7, InDoubt).check(&ORACLE);
    Script::new().claimed(1, 7).bad().settled(1, 7, Delivered).check(&ORACLE);
    // What an earlier claim's send was told says nothing about this claim's.
    let script = Script::new().sink(DEDUP).claimed(1, 7).send_started(1, 1, 7);
    let script = script.settled(2, 7, InDoubt).resolved(2, 7, Pending, Deduplicated);
    let script = script.claimed(2, 7).send_ended(1, 1, 7, Accepted);
    script.bad().settled(2, 7, Delivered).check(&ORACLE);
}

#[test]
fn a_deduplicating_sink_gets_it_again_within_its_window() {
    let resent = |at_ns| {
        let script = in_doubt(DEDUP).resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
        script.at_ns(at_ns)
    };
    resent(10_999_999_999).send_started(2, 2, 7).check(&ORACLE);
    // Ten seconds after the claim at 1 s the window is over.
    resent(11_000_000_000).bad().send_started(2, 2, 7).check(&ORACLE);
    // The window counts from the first claim, not from the latest.
    let script = resent(9_000_000_000).send_started(2, 2, 7).send_ended(2, 2, 7, Unknown);
    let script = script.settled(2, 7, InDoubt).resolved(2, 7, Pending, Deduplicated);
    script.at(12_000).claimed(2, 7).bad().send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn a_fenced_sink_gets_it_again_when_it_proved_to_lack_it() {
    let script = in_doubt(SinkKind::Fenced).resolved(2, 7, Pending, SinkLacksIt);
    script.at(99_000).claimed(2, 7).send_started(2, 2, 7).check(&ORACLE);
    in_doubt(SinkKind::Fenced).resolved(2, 7, Delivered, SinkHasIt).check(&ORACLE);
}

#[test]
fn a_plain_sink_never_gets_it_again() {
    let script = in_doubt(Plain).bad().resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
    script.bad().send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn a_proof_must_be_one_that_the_sink_can_give_and_fit_the_new_state() {
    let wrong = |sink, to, proof| in_doubt(sink).bad().resolved(2, 7, to, proof).check(&ORACLE);
    wrong(DEDUP, Pending, SinkLacksIt);
    wrong(DEDUP, Delivered, SinkHasIt);
    wrong(DEDUP, Delivered, Deduplicated);
    wrong(DEDUP, Failed, Deduplicated);
    wrong(DEDUP, Failed, SinkLacksIt);
    wrong(SinkKind::Fenced, Failed, SinkHasIt);
    wrong(SinkKind::Fenced, Pending, Deduplicated);
    wrong(SinkKind::Fenced, Pending, SinkHasIt);
    wrong(Plain, Delivered, SinkHasIt);
    in_doubt(DEDUP).bad().moved(2, 7, InDoubt, Pending, None).check(&ORACLE);
    in_doubt(DEDUP).bad().moved(2, 7, InDoubt, Failed, None).check(&ORACLE);
}

#[test]
fn a_send_that_never_ended_leaves_doubt_like_an_unknown_one() {
    let died = || Script::new().sink(DEDUP).claimed(1, 7).send_started(1, 1, 7).down(1);
    died().claimed(2, 7).bad().send_started(2, 2, 7).check(&ORACLE);
    let proved = died().settled(2, 7, InDoubt).resolved(2, 7, Pending, Deduplicated);
    proved.claimed(2, 7).send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn each_doubtful_send_needs_a_proof_of_its_own() {
    let script = in_doubt(DEDUP).resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
    let script = script.send_started(2, 2, 7).send_ended(2, 2, 7, Unknown);
    script.bad().send_started(2, 2, 7).check(&ORACLE);
    // Having been accepted once is no reason to send again either.
    let script = Script::new().claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, Accepted);
    script.bad().send_started(1, 1, 7).check(&ORACLE);
}

#[test]
fn what_never_left_may_be_sent_again() {
    let script = Script::new().claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, NotSent);
    let script = script.settled(1, 7, InDoubt).resolved(1, 7, Pending, NeverSent);
    let script = script.claimed(1, 7).send_started(1, 1, 7);
    // And NeverSent speaks of the latest claim alone.
    script.send_ended(1, 1, 7, Accepted).settled(1, 7, Delivered).check(&ORACLE);
    let script = in_doubt(DEDUP).resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
    let script = script.settled(2, 7, InDoubt).resolved(2, 7, Pending, NeverSent);
    script.claimed(2, 7).send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn what_was_refused_for_now_may_be_sent_again() {
    let refused = || Script::new().claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, NotNow);
    let script = refused().send_started(1, 1, 7).send_ended(1, 1, 7, NotNow);
    let script = script.settled(1, 7, InDoubt).resolved(1, 7, Pending, NeverSent);
    script.claimed(1, 7).send_started(1, 1, 7).check(&ORACLE);
    // It is not delivered by that.
    refused().bad().settled(1, 7, Delivered).check(&ORACLE);
    // And what came of the other send is unknown.
    let script = refused().send_started(1, 1, 7).send_ended(1, 1, 7, Unknown);
    let script = script.settled(1, 7, InDoubt);
    script.bad().resolved(1, 7, Pending, NeverSent).check(&ORACLE);
}

#[test]
fn never_sent_is_a_lie_after_a_send_or_about_anothers_claim() {
    in_doubt(Plain).bad().resolved(1, 7, Pending, NeverSent).check(&ORACLE);
    let script = Script::new().claimed(1, 7).settled(2, 7, InDoubt);
    script.bad().resolved(2, 7, Pending, NeverSent).check(&ORACLE);
    // It does not clear the doubt that an earlier claim left.
    let script = in_doubt(Plain).claimed(2, 7).settled(2, 7, InDoubt);
    let script = script.resolved(2, 7, Pending, NeverSent).claimed(2, 7);
    script.bad().send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn a_late_end_belongs_to_its_own_send() {
    // n1's answer comes while n2's send is under way; n2's is still without one.
    let script = Script::new().sink(DEDUP).claimed(1, 7).send_started(1, 1, 7);
    let script = script.settled(2, 7, InDoubt).resolved(2, 7, Pending, Deduplicated);
    let script = script.claimed(2, 7).send_started(2, 2, 7).send_ended(1, 1, 7, Accepted);
    script.bad().settled(2, 7, Delivered).check(&ORACLE);
}

#[test]
fn a_late_send_beyond_the_bound_is_not_a_second_one() {
    let swept = |script: Script| {
        let script = script.sink(DEDUP).claimed(1, 7).settled(2, 7, InDoubt);
        script.resolved(2, 7, Pending, Deduplicated).claimed(2, 7).send_started(2, 2, 7)
    };
    swept(Script::new().clock_out_of_bound(1)).send_started(1, 1, 7).check(&ORACLE);
    swept(Script::new()).bad().send_started(1, 1, 7).check(&ORACLE);
}

#[test]
fn giving_up_takes_the_certainty_that_no_attempt_had_an_effect() {
    let refused = |script: Script, token| {
        let script = script.claimed(token, 7).send_started(1, token, 7);
        script.send_ended(1, token, 7, NotNow)
    };
    refused(once_refused(), 1).settled(1, 7, Failed).check(&ORACLE);
    Script::new().claimed(1, 7).bad().settled(1, 7, Failed).check(&ORACLE);
    let twice = |script| {
        let script = refused(script, 2).settled(2, 7, InDoubt);
        refused(script.resolved(2, 7, Pending, NeverSent), 2)
    };
    let released = in_doubt(DEDUP).resolved(2, 7, Pending, Deduplicated);
    twice(released).bad().settled(2, 7, Failed).check(&ORACLE);
    let proved = in_doubt(SinkKind::Fenced).resolved(2, 7, Pending, SinkLacksIt);
    refused(proved, 2).settled(2, 7, Failed).check(&ORACLE);
    let unknown = |script: Script| {
        let script = script.claimed(2, 7).send_started(2, 2, 7).send_ended(2, 2, 7, Unknown);
        script.settled(2, 7, InDoubt)
    };
    let proved = in_doubt(SinkKind::Fenced).resolved(2, 7, Pending, SinkLacksIt);
    unknown(proved).resolved(2, 7, Failed, SinkLacksIt).check(&ORACLE);
    // Too soon; and what another one claimed may never have been sent.
    let fresh = Script::new().sink(SinkKind::Fenced);
    unknown(fresh).bad().resolved(2, 7, Failed, SinkLacksIt).check(&ORACLE);
    let again = in_doubt(SinkKind::Fenced).resolved(2, 7, Pending, SinkLacksIt).claimed(2, 7);
    let taken = again.send_started(2, 2, 7).settled(3, 7, InDoubt);
    taken.bad().resolved(3, 7, Failed, SinkLacksIt).check(&ORACLE);
}

/// n1 claims message 7 and sends it; the sink refuses it for now, and it waits.
fn once_refused() -> Script {
    let script = Script::new().claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, NotNow);
    script.settled(1, 7, InDoubt).resolved(1, 7, Pending, NeverSent)
}

#[test]
fn giving_up_takes_as_many_known_failures_as_the_holder_is_told() {
    let refused =
        |script: Script| script.claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, NotNow);
    refused(Script::new()).bad().settled(1, 7, Failed).check(&ORACLE);
    // What was given back unsent was no failure, and a stamp that was too old is none.
    let back = Script::new().claimed(1, 7).settled(1, 7, InDoubt);
    let back = back.resolved(1, 7, Pending, NeverSent);
    refused(back).bad().settled(1, 7, Failed).check(&ORACLE);
    let fenced = once_refused().claimed(1, 7).send_started(1, 1, 7).send_ended(1, 1, 7, Fenced);
    fenced.bad().settled(1, 7, Failed).check(&ORACLE);
    // A person lets it begin anew.
    let failed = refused(once_refused()).settled(1, 7, Failed).judged(7, Failed, Pending);
    refused(failed).bad().settled(1, 7, Failed).check(&ORACLE);
}

#[test]
fn a_holder_doubts_only_what_is_in_doubt() {
    let sent = |outcome| {
        let script = Script::new().claimed(1, 7).send_started(1, 1, 7);
        script.send_ended(1, 1, 7, outcome)
    };
    for outcome in [NotNow, NotSent, Accepted, Rejected] {
        sent(outcome).bad().settled(1, 7, InDoubt).check(&ORACLE);
        sent(outcome).settled(2, 7, InDoubt).check(&ORACLE);
    }
    for outcome in [Unknown, Fenced] {
        sent(outcome).settled(1, 7, InDoubt).check(&ORACLE);
    }
    Script::new().claimed(1, 7).bad().settled(1, 7, InDoubt).check(&ORACLE);
    Script::new().claimed(1, 7).send_started(1, 1, 7).settled(1, 7, InDoubt).check(&ORACLE);
    // What is given back is, in the same transaction.
    let script = sent(NotNow).at(1).bad().settled(1, 7, InDoubt).at(2);
    script.resolved(1, 7, Pending, NeverSent).check(&ORACLE);
}

#[test]
fn a_window_that_may_be_over_is_a_doubt() {
    let window = SinkKind::WINDOW_MARGIN + std::time::Duration::from_secs(8);
    let sink = SinkKind::Dedup { window };
    let released = || in_doubt(sink).resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
    // Four of eight seconds after the first claim, at 1 s.
    released().at(5_000).settled(2, 7, InDoubt).check(&ORACLE);
    released().at(4_999).bad().settled(2, 7, InDoubt).check(&ORACLE);
    let fast = released().clock_out_of_bound(2);
    fast.at(4_999).settled(2, 7, InDoubt).check(&ORACLE);
    // No window runs for what was never released.
    let fresh = Script::new().sink(sink).claimed(1, 7).at(9_000);
    fresh.bad().settled(1, 7, InDoubt).check(&ORACLE);
}

#[test]
fn a_claim_of_an_assignment_that_has_ended_is_in_doubt() {
    let claimed = || Script::new().assigned(1, 3, 1, 1).claimed(1, 7).share_claimed(1, 3, 1, 1, 7);
    claimed().assigned(2, 3, 1, 2).settled(1, 7, InDoubt).check(&ORACLE);
    claimed().bad().settled(1, 7, InDoubt).check(&ORACLE);
    claimed().assigned(2, 4, 1, 2).bad().settled(1, 7, InDoubt).check(&ORACLE);
    // The same assignment, and a run of it that was cut short: by word, or by its own clock.
    claimed().share_ended(1, 3, 1).settled(1, 7, InDoubt).check(&ORACLE);
    let held = || claimed().held(1, 3, 1, 1, 500);
    held().at(501).held(1, 3, 1, 1, 900).settled(1, 7, InDoubt).check(&ORACLE);
    held().at(499).held(1, 3, 1, 1, 900).bad().settled(1, 7, InDoubt).check(&ORACLE);
}

/// A question may commit late, and is its own run's all the same.
#[test]
fn a_run_that_was_cut_short_excuses_the_doubts_about_what_it_asked_for_and_no_others() {
    let begun = || Script::new().assigned(1, 3, 1, 1).held(1, 3, 1, 1, 500);
    let asks = |script: Script| script.worker_claim_started(1, 3, 1, 1, 7);
    let ended = |script: Script| script.share_ended(1, 3, 1).held(1, 3, 1, 1, 500);
    let lapsed = |script: Script| script.at(500).held(1, 3, 1, 1, 900);
    for cut_short in [ended as fn(Script) -> Script, lapsed] {
        let late = cut_short(asks(begun())).worker_claimed(1, 3, 1, 1, 7);
        late.settled(1, 7, InDoubt).check(&ORACLE);
        let next = asks(cut_short(begun())).worker_claimed(1, 3, 1, 1, 7);
        next.bad().settled(1, 7, InDoubt).check(&ORACLE);
        let again = asks(cut_short(asks(begun()))).worker_claimed(1, 3, 1, 1, 7);
        again.bad().settled(1, 7, InDoubt).check(&ORACLE);
    }
}

/// Somebody on the way to the recipient may have said no; an earlier attempt may have come through.
#[test]
fn a_rejection_says_nothing_about_an_earlier_attempt() {
    let rejected = |script: Script, token| {
        let script = script.claimed(token, 7).send_started(1, token, 7);
        script.send_ended(1, token, 7, Rejected)
    };
    rejected(Script::new(), 1).settled(1, 7, Failed).check(&ORACLE);
    let released = || in_doubt(DEDUP).resolved(2, 7, Pending, Deduplicated);
    rejected(released(), 2).bad().settled(2, 7, Failed).check(&ORACLE);
    let again = rejected(released(), 2).settled(2, 7, InDoubt).resolved(2, 7, Pending, NeverSent);
    again.claimed(2, 7).send_started(2, 2, 7).check(&ORACLE);
}

#[test]
fn a_window_begins_with_the_first_attempt_that_may_have_had_an_effect() {
    let refused = Script::new().sink(DEDUP).at(1000).claimed(1, 7).send_started(1, 1, 7);
    let refused = refused.send_ended(1, 1, 7, NotNow).settled(1, 7, InDoubt);
    let again = refused.resolved(1, 7, Pending, NeverSent).at(9000).claimed(1, 7);
    let doubtful = again.send_started(1, 1, 7).settled(2, 7, InDoubt);
    let released = doubtful.resolved(2, 7, Pending, Deduplicated).claimed(2, 7);
    // Ten seconds from the second claim, not from the first.
    let sent = released.at_ns(18_999_999_999).send_started(2, 2, 7).send_ended(2, 2, 7, NotNow);
    let back = sent.settled(2, 7, InDoubt).resolved(2, 7, Pending, NeverSent).claimed(2, 7);
    back.at(19_000).bad().send_started(2, 2, 7).check(&ORACLE);
}
