//! Histories that keep and break L1.

use fencepost::election::SteppedDown;
use fencepost::{Instant, NodeId, Term, Token};
use proptest::prelude::*;

use crate::history::{Event, Kind, SimTime};
use crate::oracles::l1_one_valid_guard::ORACLE;
use crate::oracles::testing::{Script, id, node};

/// n1 has a guard until 900 ms on its clock.
fn n1_may_act() -> Script {
    Script::new().lease(1, 1, 900).guard(1, 1)
}

#[test]
fn a_guard_may_follow_at_the_very_deadline_and_no_nanosecond_earlier() {
    n1_may_act().at(900).lease(2, 2, 2000).guard(2, 2).check(&ORACLE);
    let script = n1_may_act().at_ns(899_999_999).lease(2, 2, 2000);
    script.bad().guard(2, 2).check(&ORACLE);
}

#[test]
fn the_deadline_is_on_the_holders_own_clock() {
    // 1 % slow from 100 ms on: 900 ms come after 100 + 800 / 0.99 = 908.08… ms.
    let slow = || n1_may_act().at(100).clock(1, 100, -10_000);
    slow().at_ns(908_080_808).lease(2, 2, 2000).bad().guard(2, 2).check(&ORACLE);
    slow().at_ns(908_080_809).lease(2, 2, 2000).guard(2, 2).check(&ORACLE);
    // A clock with an origin of its own; and fast, so that the lease is over early.
    let early = Script::new().clock(1, 5000, 10_000).lease(1, 1, 6010).guard(1, 1);
    early.at(1000).lease(2, 2, 2000).guard(2, 2).check(&ORACLE);
}

#[test]
fn whatever_makes_a_guard_valid_is_judged() {
    // The lease comes after the guard.
    n1_may_act().guard(2, 2).bad().lease(2, 2, 800).check(&ORACLE);
    // A lease that had run out is extended while another holds a guard.
    let script = n1_may_act().at(900).lease(2, 2, 2000).guard(2, 2);
    script.at(950).bad().lease(1, 1, 1500).check(&ORACLE);
    // The clock is set back.
    let script = n1_may_act().at(900).lease(2, 2, 2000).guard(2, 2);
    script.at(950).bad().clock(1, 0, 0).check(&ORACLE);
}

#[test]
fn renewals_do_not_report_one_overlap_again_and_again() {
    let script = n1_may_act().lease(2, 2, 900).bad().guard(2, 2);
    script.at(10).lease(1, 1, 950).lease(2, 2, 950).check(&ORACLE);
}

#[test]
fn stepping_down_and_dying_end_a_guard_but_a_pause_does_not() {
    n1_may_act().stepped_down(1, 1).lease(2, 2, 2000).guard(2, 2).check(&ORACLE);
    n1_may_act().down(1).lease(2, 2, 2000).guard(2, 2).check(&ORACLE);
    let paused = n1_may_act().push(Kind::Paused { node: node(1) }).at(500).lease(2, 2, 2000);
    paused.bad().guard(2, 2).check(&ORACLE);
    // Stepping down from another term is not stepping down from this one.
    let script = n1_may_act().stepped_down(1, 7).lease(2, 2, 2000);
    script.bad().guard(2, 2).check(&ORACLE);
}

#[test]
fn a_lease_without_a_guard_is_no_guard() {
    Script::new().lease(1, 1, 900).lease(2, 2, 900).guard(2, 2).check(&ORACLE);
    n1_may_act().stepped_down(1, 1).guard(2, 2).lease(2, 2, 900).lease(1, 1, 950).check(&ORACLE);
}

#[test]
fn one_node_with_two_guards_is_caught_too() {
    n1_may_act().lease(1, 2, 900).bad().guard(1, 2).check(&ORACLE);
}

#[test]
fn outside_the_bound_nothing_is_promised_but_before_it_everything() {
    let script = n1_may_act().lease(2, 2, 900).clock_out_of_bound(3);
    script.guard(2, 2).check(&ORACLE);
    let script = n1_may_act().lease(2, 2, 900).bad().guard(2, 2);
    script.clock_out_of_bound(3).check(&ORACLE);
}

/// The deliberately dumb twin: after each event, look at every nanosecond up to the next one, and
/// work out from the whole history so far which guards are valid. Gives the first event after which
/// two are.
fn dumb_first_overlap(events: &[Event]) -> Option<usize> {
    (0..events.len()).find(|&last| {
        let from = events[last].at.0;
        let to = events.get(last + 1).map_or(from + 1, |next| next.at.0.max(from + 1));
        (from..to).any(|now| {
            let all = (1..=2).flat_map(|n| (1..=2).map(move |term| (node(n), Term(term))));
            all.filter(|&(n, term)| dumb_valid(&events[..=last], n, term, now)).count() > 1
        })
    })
}

fn dumb_valid(past: &[Event], n: NodeId, term: Term, now: u64) -> bool {
    let clock = past.iter().rev().find_map(|event| match event.kind {
        Kind::ClockRate { node, reading, ppm, .. } if node == n => Some((event.at.0, reading, ppm)),
        _ => None,
    });
    let Some((set_at, reading, ppm)) = clock else { return false };
    // Rates are 1/2, 1 and 3/2, so that half nanoseconds are exact.
    let halves = 2 * reading.0 + (now - set_at) * u64::try_from(2 + ppm / 500_000).unwrap();
    let (mut issued, mut until) = (false, None);
    for event in past {
        match event.kind {
            Kind::Down { node, .. } if node == n => (issued, until) = (false, None),
            Kind::GuardIssued { holder, token } if holder == id_of(n) && token == term.into() => {
                issued = true;
            }
            Kind::SteppedDown { node, term: over, .. } if (node, over) == (n, term) => {
                issued = false
            }
            Kind::LeaseExtended { node, term: of, until: new } if (node, of) == (n, term) => {
                until = Some(new);
            }
            _ => {}
        }
    }
    issued && until.is_some_and(|until| halves < 2 * until.0)
}

fn id_of(n: NodeId) -> fencepost::Identity {
    fencepost::Identity { node: n, ..id(1) }
}

fn any_event() -> impl Strategy<Value = Kind> {
    let (n, term) = ((1..=2u32).prop_map(node), 1..=2u64);
    let at = (0..12u64).prop_map(Instant);
    let reason = SteppedDown::LeaseExpired;
    (n, term, at, 0..16u8, -1..=1i32).prop_map(move |(node, term, at, which, speed)| match which {
        0..6 => Kind::LeaseExtended { node, term: Term(term), until: at },
        6..12 => Kind::GuardIssued { holder: id_of(node), token: Token(term) },
        12 | 13 => Kind::SteppedDown { node, term: Term(term), reason },
        14 => Kind::Down { node, graceful: false },
        _ => Kind::ClockRate { node, reading: at, ppm: speed * 500_000, within_bound: true },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn agrees_with_the_dumb_twin(events in prop::collection::vec((0..4u64, any_event()), 0..16)) {
        let mut script = Script::with_voters(2);
        let mut now = SimTime(0);
        for (later, kind) in events {
            now.0 += later;
            script = script.at_ns(now.0).push(kind);
        }
        let found = (ORACLE.check)(&script.history, &script.setting);
        let first = found.first().map(|violation| violation.event);
        prop_assert_eq!(first, dumb_first_overlap(script.history.events()));
    }
}
