//! All oracles together, on whole histories; below, the longer tests of single ones.

mod d3;
mod d7;
mod e2;
mod e3;
mod e4;
mod l1;
mod v1;
mod v3;
mod v5;
mod v6;

use std::collections::BTreeSet;

use fencepost::election::Role;

use super::testing::{DEDUP, GENERATION, Script};
use super::*;
use crate::history::MessageKind::{Heartbeat, HeartbeatAck, VoteRequest};
use crate::history::MessageState::{Claimed, Delivered, InDoubt, Pending};
use crate::history::ProofKind::Deduplicated;
use crate::history::SendOutcome::{Accepted, Unknown};

const ROUND_MS: u64 = 100;

/// `leader` is elected by itself and n2 or n1, and gets its guard.
fn election(script: Script, ms: u64, leader: u32, term: u64) -> Script {
    let voter = if leader == 2 { 1 } else { 2 };
    script
        .at(ms)
        .persisted(leader, term, Some(leader))
        .sent(leader, voter, term, VoteRequest)
        .persisted(voter, term, Some(leader))
        .grants(voter, leader, term)
        .elected(leader, term, &[leader, voter])
        .lease(leader, term, ms + 900)
        .status(leader, Role::Leader, term, Some(leader))
        .activated(term, leader, false)
        .guard(leader, term)
}

/// A heartbeat round that extends the lease and delivers a message: 14 events.
fn round(script: Script, ms: u64, leader: u32, term: u64, message: u32) -> Script {
    let others: Vec<u32> = (1..=3).filter(|&n| n != leader).collect();
    let script = script.at(ms).enqueued(message);
    let script = others.iter().fold(script, |s, &n| s.sent(leader, n, term, Heartbeat));
    let script = script.persisted(others[0], term, Some(leader)).persisted(others[1], term, None);
    let script = others.iter().fold(script, |s, &n| s.sent(n, leader, term, HeartbeatAck));
    script
        .lease(leader, term, ms + 900)
        .claim_started(leader, term, message)
        .claimed(term, message)
        .send_started(leader, term, message)
        .effect(leader, term, message)
        .send_ended(leader, term, message, Accepted)
        .settled(term, message, Delivered)
}

/// n1 leads for `rounds`, leaves a message in doubt and goes silent; n2 takes over, settles it, and
/// leads for `rounds` more, healed from the start.
fn a_life(rounds: u32) -> Script {
    let mut script = Script::new().sink(DEDUP);
    for node in 1..=3 {
        script = script.booted(node, 1).started(node, 0, None);
    }
    script = election(script.roll_called(GENERATION.number, 0), 1000, 1, 1);
    let mut ms = 1000;
    for message in 1..=rounds {
        ms += ROUND_MS;
        script = round(script, ms, 1, 1, message);
    }
    script = script.enqueued(0).claim_started(1, 1, 0).claimed(1, 0).send_started(1, 1, 0);
    script = script.effect(1, 1, 0).send_ended(1, 1, 0, Unknown);
    ms += 900;
    script = script.at(ms).stepped_down(1, 1).healing();
    ms += 100;
    script = election(script, ms, 2, 2).settled(2, 0, InDoubt);
    script = script.resolved(2, 0, Pending, Deduplicated).claimed(2, 0).send_started(2, 2, 0);
    script = script.send_ended(2, 2, 0, Accepted).settled(2, 0, Delivered);
    for message in rounds + 1..=2 * rounds {
        ms += ROUND_MS;
        script = round(script, ms, 2, 2, message);
    }
    (0..=2 * rounds).fold(script, |s, message| s.ends_as(message, Delivered)).end().down(1)
}

#[test]
fn an_honest_life_breaks_nothing() {
    let script = a_life(40);
    assert_eq!(check_all(&script.history, &script.setting), []);
}

#[test]
fn what_is_found_is_sorted_by_event_and_then_by_property() {
    let script = a_life(2).send_under_key(3, 9, 1, 2).effect(3, 9, 1);
    let found = check_all(&script.history, &script.setting);
    let last = script.history.len() - 1;
    let found: Vec<_> = found.iter().map(|v| (v.event, v.property)).collect();
    assert_eq!(
        found,
        [(last - 1, "D3"), (last - 1, "D3"), (last - 1, "D5"), (last - 1, "L2"), (last, "D1")]
    );
}

#[test]
fn one_oracle_reports_no_more_than_its_limit() {
    let script = (0..50).fold(Script::new(), |s, n| s.claimed(1, n)).healing().end();
    let found = check_all(&script.history, &script.setting);
    assert_eq!(found.iter().filter(|v| v.property == "F1").count(), MAX_VIOLATIONS);
    assert_eq!(found[0].event, 3, "the first ones are kept");
}

#[test]
fn each_property_is_there_once() {
    let names: Vec<_> = ALL.iter().map(|oracle| oracle.property).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), ALL.len(), "{names:?}");
    let layers = ["election", "lease", "fence", "claim before send", "service"];
    assert!(ALL.iter().all(|oracle| layers.contains(&oracle.layer)));
}

#[test]
#[should_panic(expected = "exactly one End")]
fn half_a_history_is_a_bug_in_the_testbed() {
    let script = Script::new().healing();
    check_all(&script.history, &script.setting);
}

#[test]
#[should_panic(expected = "before its first ClockRate")]
fn a_guard_without_a_clock_is_a_bug_in_the_testbed() {
    let script = Script::with_voters(0).lease(1, 1, 900).guard(1, 1).end();
    check_all(&script.history, &script.setting);
}

#[test]
fn the_histories_of_this_file_are_not_trivial() {
    let script = a_life(1);
    let claimed = |kind: &Kind| matches!(kind, Kind::Moved { from: Claimed, .. });
    assert!(script.history.events().iter().any(|event| claimed(&event.kind)));
}
