//! Histories that keep and break V3.

use std::time::Duration;

use crate::history::MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};
use crate::history::ProofKind::{Deduplicated, NeverSent};
use crate::history::SendOutcome::{Accepted, NotNow, Rejected};
use crate::oracles::SinkKind;
use crate::oracles::testing::{DEDUP, Script};
use crate::oracles::unfinished;
use crate::oracles::v3_every_message_ends::ORACLE;

#[test]
fn messages_that_ended_are_fine() {
    for sink in [SinkKind::Plain, SinkKind::Fenced, DEDUP] {
        let script = Script::new().sink(sink).enqueued(1).enqueued(2);
        script.ends_as(1, Delivered).ends_as(2, Failed).end().check(&ORACLE);
        // Whether their end is told before or after the run's end does not matter.
        let script = Script::new().sink(sink).enqueued(1).end();
        script.ends_as(1, Delivered).check(&ORACLE);
    }
}

#[test]
fn a_message_in_the_middle_or_lost_is_caught() {
    let script = Script::new().enqueued(1).enqueued(2).enqueued(3).bad().ends_as(1, Pending);
    script.bad().ends_as(2, Claimed).bad().end().check(&ORACLE);
    // Lost at the end, in doubt after it: both are reported, in order.
    let script = Script::new().enqueued(1).enqueued(2).bad().end();
    script.bad().ends_as(2, Pending).check(&ORACLE);
}

#[test]
fn doubt_remains_only_parked_and_never_with_a_fenced_sink() {
    Script::new().enqueued(1).ends_parked(1).end().check(&ORACLE);
    let fenced = || Script::new().sink(SinkKind::Fenced).enqueued(1).bad();
    fenced().ends_parked(1).end().check(&ORACLE);
    fenced().ends_as(1, InDoubt).end().check(&ORACLE);
}

#[test]
fn a_leader_has_a_moment_to_park_what_it_finds() {
    // In doubt at 1 s, a guard at 2 s: it must be parked at 4 s.
    let doubt = || {
        let script = Script::new().enqueued(1).at(1000).settled(1, 1, InDoubt);
        script.at(2000).guard(1, 2)
    };
    doubt().at_ns(3_999_999_999).ends_as(1, InDoubt).end().check(&ORACLE);
    doubt().at(4000).bad().ends_as(1, InDoubt).end().check(&ORACLE);
    // In doubt later than the guard.
    let script = Script::new().guard(1, 1).enqueued(1).at(1000).settled(1, 1, InDoubt);
    script.at(2999).ends_as(1, InDoubt).end().check(&ORACLE);
}

#[test]
fn a_deduplicating_sink_leaves_doubt_only_when_its_window_is_over() {
    // Fifteen seconds less the margin of ten, from the claim at 1 s.
    let sink = SinkKind::Dedup { window: Duration::from_secs(15) };
    let claimed = || Script::new().sink(sink).enqueued(1).at(1000).claimed(1, 1);
    let parked = |script: Script| script.parked(1, 1).at(30_000).ends_parked(1).end();
    parked(claimed().at(20_000)).check(&ORACLE);
    claimed().at(20_000).bad().ends_as(1, InDoubt).end().check(&ORACLE);
    parked(claimed().at(6000)).check(&ORACLE);
    parked(claimed().at_ns(5_999_999_999).bad()).check(&ORACLE);
    // By the database's clock.
    parked(claimed().database_wall(3000).at(3000)).check(&ORACLE);
    parked(claimed().database_wall(-3000).at(8999).bad()).check(&ORACLE);
    // A window within the margin is over at once.
    parked(Script::new().sink(DEDUP).enqueued(1).claimed(1, 1)).check(&ORACLE);
}

#[test]
fn a_persons_work_for_nothing_is_seen_though_it_was_done() {
    let sink = SinkKind::Dedup { window: Duration::from_secs(15) };
    for sink in [sink, SinkKind::Fenced] {
        let script = Script::new().sink(sink).enqueued(1).claimed(1, 1).settled(2, 1, InDoubt);
        let script = script.bad().parked(2, 1).judged(1, InDoubt, Delivered);
        script.at(20_000).ends_as(1, Delivered).end().check(&ORACLE);
    }
    let script = Script::new().enqueued(1).claimed(1, 1).settled(2, 1, InDoubt).parked(2, 1);
    script.judged(1, InDoubt, Delivered).ends_as(1, Delivered).end().check(&ORACLE);
}

#[test]
fn an_election_only_run_and_a_late_message_are_not_judged() {
    let mut script = Script::new().enqueued(1).ends_as(1, Pending).end();
    script.setting.delivers = false;
    script.check(&ORACLE);
    Script::new().end().enqueued(1).check(&ORACLE);
}

#[test]
fn what_stands_behind_a_parked_message_of_its_key_waits_for_the_same_person() {
    let written = || Script::new().of_key(1, 1).of_key(2, 1).of_key(3, 2);
    written().ends_parked(1).ends_as(2, Pending).ends_as(3, Delivered).end().check(&ORACLE);
    let script = written().ends_parked(1).bad().ends_as(2, Claimed).bad().ends_as(3, Pending);
    script.end().check(&ORACLE);
    let script = written().ends_as(1, Delivered).bad().ends_as(2, Pending);
    script.ends_parked(3).end().check(&ORACLE);
}

#[test]
fn a_window_begins_with_the_first_claim_that_may_have_led_to_an_effect() {
    let sink = SinkKind::Dedup { window: Duration::from_secs(15) };
    let claimed_again = || {
        let script = Script::new().sink(sink).enqueued(1).at(1000).claimed(1, 1);
        let script = script.settled(1, 1, InDoubt).resolved(1, 1, Pending, NeverSent);
        script.at(4000).claimed(1, 1)
    };
    claimed_again().at(9000).parked(1, 1).end().ends_parked(1).check(&ORACLE);
    claimed_again().at(8999).bad().parked(1, 1).end().ends_parked(1).check(&ORACLE);
}

/// Nobody knows whether the first attempt had its effect, so that no rejection ends it.
#[test]
fn what_is_rejected_in_an_open_window_is_still_being_tried() {
    let sink = SinkKind::Dedup { window: Duration::from_secs(15) };
    let sent_again = |outcome| {
        let script = Script::new().sink(sink).of_key(1, 1).of_key(2, 1).at(1000).claimed(1, 1);
        let script = script.settled(1, 1, InDoubt).resolved(1, 1, Pending, Deduplicated);
        script.claimed(1, 1).send_started(1, 1, 1).send_ended(1, 1, 1, outcome)
    };
    let rejected = || sent_again(Rejected).at(5000);
    rejected().ends_as(1, Pending).ends_as(2, Pending).end().check(&ORACLE);
    // Once the window is over it ends, if the sink takes others; else nobody can tell whose fault it is.
    let late = || rejected().at(8000).enqueued(3).claimed(1, 3).send_started(1, 1, 3);
    let alone = late().ends_as(1, Pending).ends_as(2, Pending);
    alone.ends_parked(3).end().check(&ORACLE);
    let late = late().send_ended(1, 1, 3, Accepted).settled(1, 3, Delivered);
    let late = late.bad().ends_as(1, Pending).bad().ends_as(2, Pending);
    late.ends_as(3, Delivered).end().check(&ORACLE);
    let busy = sent_again(NotNow).at(5000).bad().ends_as(1, Pending).bad().ends_as(2, Pending);
    busy.end().check(&ORACLE);
}

/// A run of messages 1 to 60 without keys that heals at 10 s and ends at 30 s: of those that are not
/// `left`, each ends 400 ms after the one before it.
fn worked_off(left: &[u32], keys: u32) -> Script {
    let write = |script: Script, message| match keys {
        0 => script.enqueued(message),
        keys => script.of_key(message, 1 + message % keys),
    };
    let script = (1..=60).fold(Script::new(), write).at(10_000).healing();
    let ended = (1..=60).filter(|message| !left.contains(message)).zip(0..);
    ended.fold(script, |script, (message, number)| {
        let script = script.at(10_000 + 400 * number).claimed(1, message);
        script.settled(1, message, Delivered)
    })
}

fn ends(script: Script, bad: &[u32], left: &[u32]) -> Script {
    let of = |script: Script, message| {
        let script = if bad.contains(&message) { script.bad() } else { script };
        script.ends_as(message, if left.contains(&message) { Pending } else { Delivered })
    };
    (1..=60).fold(script.at(30_000), of).end()
}

#[test]
fn a_backlog_that_is_worked_off_is_no_standstill() {
    let left: Vec<u32> = (50..=60).collect();
    for keys in [0, 7] {
        let script = ends(worked_off(&left, keys), &[], &left);
        script.check(&ORACLE);
        let told = unfinished(&script.history, &script.setting).expect("some are left");
        assert_eq!(told.left, 11);
        assert!((2.0..3.0).contains(&told.per_second), "{told:?}");
        assert!((4..6).contains(&told.needs().as_secs()), "{told:?}");
    }
    let script = Script::new().enqueued(1).claimed(1, 1).settled(1, 1, Delivered);
    let script = script.ends_as(1, Delivered).end();
    assert_eq!(unfinished(&script.history, &script.setting), None);
}

#[test]
fn what_is_left_behind_while_others_flow_is_a_standstill() {
    // Nobody has touched 5 and 20 for ten seconds, and later ones were claimed.
    let left: Vec<u32> = [5, 20].into_iter().chain(52..=60).collect();
    ends(worked_off(&left, 0), &[5, 20], &left).check(&ORACLE);
    // One key of 60 stands still, and the others flow.
    ends(worked_off(&left, 60), &[5, 20], &left).check(&ORACLE);
}

#[test]
fn a_flow_that_dries_up_is_a_standstill() {
    let left: Vec<u32> = (40..=60).collect();
    let bad: Vec<u32> = (40..50).collect();
    ends(worked_off(&left, 0), &bad, &left).check(&ORACLE);
}
