//! Small histories and the scenes that they make.

use fencepost::{Generation, Identity, Incarnation, Instant, Term, Token};

use super::{Arrow, Lanes, Layer, Shown, arrows, focus, spans, thread};
use crate::faults::generate;
use crate::faults::plan::node;
use crate::history::{Arrivals, Event, Kind, MessageKind, MessageNo, NoEffect, SimTime};
use crate::oracles::Violation;
use crate::scenario::Scenario;

fn lanes() -> Lanes {
    let text = "name = \"x\"\ncluster = { voters = 3, disk = \"kept\" }\nhorizon = \"9s\"\n\
                workload = { messages = 5, every = \"50ms\", sink = \"plain\" }";
    let scenario = Scenario::parse("x.toml", text).map_err(miette::Report::new).unwrap();
    Lanes::of(&generate(&scenario, 1))
}

/// One event a millisecond.
fn history(kinds: Vec<Kind>) -> Vec<Event> {
    let at = |index: usize| SimTime(1_000_000 * (index as u64 + 1));
    kinds.into_iter().enumerate().map(|(index, kind)| Event { at: at(index), kind }).collect()
}

fn who(number: u32) -> Identity {
    Identity { node: node(number), incarnation: Incarnation::FIRST }
}

fn claim(number: u32, token: u64, message: u32) -> Kind {
    let (token, message) = (Token(token), MessageNo(message));
    Kind::ClaimStarted { node: node(number), token, share: None, message, reading: Instant(0) }
}

fn heartbeat(arrives: [Option<SimTime>; 2]) -> Kind {
    Kind::Sent {
        from: who(1),
        to: node(3),
        generation: Generation::stored(1),
        term: Term(1),
        what: MessageKind::Heartbeat,
        release: None,
        vote: None,
        arrives: Arrivals::At(arrives),
    }
}

#[test]
fn every_place_has_a_lane() {
    let lanes = lanes();
    assert_eq!(lanes.names(), ["world", "n1", "n2", "n3", "db", "sink", "may act"]);
    assert_eq!((lanes.count(), lanes.act()), (7, 6));
    assert_eq!(lanes.place(&Kind::End), Lanes::WORLD);
    assert_eq!(lanes.place(&Kind::Paused { node: node(2) }), 2);
    assert_eq!(lanes.place(&Kind::Fenced { token: Token(1), floor: Token(2) }), lanes.database());
    let dropped =
        Kind::NoEffect { message: MessageNo(1), token: Token(1), why: NoEffect::Duplicate };
    assert_eq!(lanes.place(&dropped), lanes.sink());
}

#[test]
fn arrows_join_what_was_sent_to_what_came_of_it() {
    let lanes = lanes();
    let (late, later) = (SimTime(9_000_000), SimTime(9_500_000));
    let events = history(vec![
        heartbeat([None, None]),
        heartbeat([Some(late), Some(later)]),
        claim(1, 1, 7),
        claim(1, 1, 8),
        claim(2, 2, 7),
        Kind::Claimed { node: node(2), token: Token(2), message: MessageNo(7) },
        Kind::Fenced { token: Token(1), floor: Token(2) },
    ]);
    let arrow = |event, to, arrives| Arrow { event, to, arrives };
    let (at, db) = (|index: usize| Some(events[index].at), lanes.database());
    let expected = [
        arrow(0, 3, None),
        arrow(1, 3, Some(late)),
        arrow(1, 3, Some(later)),
        arrow(2, db, at(6)),
        arrow(3, db, at(6)),
        arrow(4, db, at(5)),
    ];
    assert_eq!(arrows(&events, &lanes), expected, "one refusal answers both claims of n1");
}

/// n1's clock runs at half the speed: its lease lasts twice as long as it says, and its belief longer.
#[test]
fn a_lease_ends_by_its_own_clock_and_the_belief_when_it_is_given_up() {
    let lanes = lanes();
    let mut events = history(vec![
        Kind::ClockRate { node: node(1), reading: Instant(500), ppm: -500_000, within_bound: true },
        Kind::LeaseExtended { node: node(1), term: Term(1), until: Instant(1_500_500) },
        Kind::GuardIssued { holder: who(1), token: Token(1) },
        Kind::Activated {
            generation: Generation::stored(1),
            token: Token(1),
            holder: who(1),
            again: false,
        },
        Kind::Activated {
            generation: Generation::stored(1),
            token: Token(2),
            holder: who(2),
            again: false,
        },
        Kind::SteppedDown {
            node: node(1),
            term: Term(1),
            reason: fencepost::election::SteppedDown::LeaseExpired,
        },
    ]);
    events.push(Event { at: SimTime(20_000_000), kind: Kind::End });
    let spans = spans(&events, &lanes, &[]);
    let of = |layer, lane| {
        let found = spans.iter().find(|span| span.layer == layer && span.lane == lane);
        found.map(|span| (span.from.0 / 1_000_000, span.to.0 / 1_000_000))
    };
    assert_eq!(of(Layer::Lease, 1), Some((2, 4)), "from 1 ms on, 1.5 ms of its own are 3 ms");
    assert_eq!(of(Layer::Believes, 1), Some((3, 6)));
    assert_eq!(of(Layer::Holds, 1), Some((4, 5)));
    assert_eq!(of(Layer::Holds, 2), Some((5, 20)));
}

/// What is between two guards is a gap, once the faults have begun.
#[test]
fn the_lane_of_who_may_act_shows_guards_and_gaps() {
    let lanes = lanes();
    let clock = |number| {
        let (node, reading) = (node(number), Instant(0));
        Kind::ClockRate { node, reading, ppm: 0, within_bound: true }
    };
    let lease = |number, until_ms: u64| {
        let (node, until) = (node(number), Instant(until_ms * 1_000_000));
        Kind::LeaseExtended { node, term: Term(1), until }
    };
    let guard = |number| Kind::GuardIssued { holder: who(number), token: Token(1) };
    let mut events = history(vec![
        clock(1),
        clock(2),
        lease(1, 5),
        guard(1),
        Kind::Phase(crate::history::Phase::Faults),
        lease(2, 90),
        lease(2, 95),
        guard(2),
    ]);
    events.push(Event { at: SimTime(20_000_000), kind: Kind::End });
    let spans = spans(&events, &lanes, &[]);
    let of = |layer| {
        let found = spans.iter().filter(|span| span.layer == layer && span.lane == lanes.act());
        found.map(|span| (span.from.0 / 1_000_000, span.to.0 / 1_000_000)).collect::<Vec<_>>()
    };
    assert_eq!(of(Layer::Act), [(4, 6), (8, 20)]);
    assert_eq!(of(Layer::Gap), [(6, 8)]);
    let late = Violation { property: "V5", at: SimTime(0), event: 8, what: "nobody".to_owned() };
    assert_eq!(thread(&events, &late), [3, 7, 8], "from the guards before to the moment");
}

#[test]
fn a_thread_joins_what_happened_to_the_message() {
    let (message, key) = (MessageNo(7), MessageNo(7));
    let effect =
        |number, token| Kind::Effect { message, key, token: Token(token), node: node(number) };
    let events = history(vec![
        claim(1, 1, 7),
        effect(1, 1),
        claim(1, 1, 8),
        Kind::Paused { node: node(2) },
        effect(2, 2),
        effect(3, 3),
    ]);
    let violation =
        |property, event| Violation { property, at: SimTime(0), event, what: String::new() };
    let found = [violation("L2", 0), violation("D1", 4)];
    assert_eq!(thread(&events, &found[1]), [0, 1, 4]);
    assert_eq!(focus(&found).unwrap().property, "D1", "what the recipient sees matters most");
    assert_eq!(focus(&found[..1]).unwrap().property, "L2");
    assert!(thread(&events, &violation("V1", 99)).is_empty());
}

#[test]
fn of_too_many_events_the_routine_goes_first() {
    let mut kinds = vec![heartbeat([None, None]); 100];
    for index in [10, 50, 90] {
        kinds[index] = Kind::Paused { node: node(1) };
    }
    let events = history(kinds);
    let all = Shown::of(&events, 50, 100);
    assert_eq!((all.places().len(), all.left_out()), (100, 0));
    let few = Shown::of(&events, 50, 9);
    assert_eq!(few.places(), [10, 47, 48, 49, 50, 51, 52, 53, 90]);
    assert_eq!((few.left_out(), few.index(90), few.index(46)), (91, Some(8), None));
    assert_eq!(Shown::of(&events, 50, 2).places(), [10, 50]);
}
