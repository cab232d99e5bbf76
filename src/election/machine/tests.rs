//! What a node is when it starts, what it tells of itself, how long it waits, and what a store's refusal
//! does to it.

use super::super::testing::{
    AWAKE, HEARTBEAT, JITTER, LEASE, START, TIMEOUT, elected, forgetful, handle, hear_in, leader,
    life, name, names, told, voter,
};
use super::super::{ColdStart, Event};
use super::*;

#[test]
fn who_starts_without_its_state_says_why_it_rejoins() {
    let empty = forgetful(3, ColdStart::ByStore);
    assert_eq!(empty.rejoins(), Some(Rejoins::RemembersNothing));
    let config = Config::of_voter(name(1), names(3));
    let hard = HardState::at_first_start(&names(4));
    let other = super::super::testing::start(config, Some(hard));
    assert_eq!(other.rejoins(), Some(Rejoins::OtherVoters));
    assert_eq!(voter(3).rejoins(), None);
}

/// An observer promises nothing, so what is left on its disk from a time as a voter is void.
#[test]
fn an_observer_starts_with_nothing_but_its_list() {
    let config = Config { observer: true, ..Config::of_voter(name(9), names(3)) };
    let id = config.id();
    let node = super::super::testing::start(config, Some(HardState::at_first_start(&names(3))));
    assert_eq!(*node.hard_state(), HardState { config: id, ..HardState::default() });
    assert_eq!((node.role(), node.rejoins()), (Role::Observer, None));
}

/// Elected is not yet leading: nobody is told of a leader that may not act.
#[test]
fn a_leader_knows_of_itself_with_its_first_lease() {
    assert_eq!((elected(3).role(), elected(3).leader()), (Role::Leader, None));
    assert_eq!(leader(3).leader(), Some(name(1)));
}

/// The first campaign after a start comes soon, and not all at once: within a quarter of J, and spread
/// over it.
#[test]
fn first_campaigns_are_spread_over_a_quarter_of_the_jitter() {
    let config = Config::of_voter(name(1), names(3));
    let hard = HardState::at_first_start(&names(3));
    let waits = |seed| {
        let node = Election::new(config.clone(), Some(hard.clone()), seed, START).unwrap();
        node.next_wake().since(AWAKE)
    };
    let called = |seed| {
        let config = Config::of_voter(name(1), names(1));
        let mut node = Election::new(config, None, seed, START).unwrap();
        let roll =
            Roll { generation: Generation::stored(1), boots: vec![node.boot()], ..Roll::default() };
        handle(&mut node, AWAKE, Input::Roll(Arc::new(roll)));
        assert_eq!(node.role(), Role::Follower);
        node.next_wake().since(AWAKE)
    };
    for drawn in [(0..64).map(waits).collect::<Vec<_>>(), (0..64).map(called).collect()] {
        assert!(drawn.iter().all(|wait| *wait < JITTER / 4), "{drawn:?}");
        assert!(drawn.iter().any(|wait| *wait < JITTER / 16), "{drawn:?}");
        assert!(drawn.iter().any(|wait| *wait > JITTER / 16 * 3), "{drawn:?}");
    }
}

/// J more for each step of priority that a node lacks, and nothing for one that lacks none.
#[test]
fn a_node_waits_longer_the_less_it_wants_to_lead() {
    for (priority, more) in [(3, 0), (2, JITTER), (0, 3 * JITTER)] {
        let config = Config { priority, ..Config::of_voter(name(1), names(3)) };
        let hard = HardState::at_first_start(&names(3));
        let mut node = super::super::testing::start(config, Some(hard));
        let view = Arc::default();
        hear_in(&mut node, AWAKE, 1, life(2, 1), Body::Heartbeat { round: 1, view });
        assert_eq!(node.next_wake(), AWAKE.plus(TIMEOUT + more), "priority {priority}");
    }
}

/// A poll lasts for J, whatever wakes the node meanwhile.
#[test]
fn a_poll_is_not_over_before_its_deadline() {
    let mut node = voter(3);
    handle(&mut node, AWAKE, Input::Tick);
    assert_eq!((node.role(), node.next_wake()), (Role::PreCandidate, AWAKE.plus(JITTER)));
    assert_eq!(handle(&mut node, Instant(AWAKE.0 + JITTER - 1), Input::Tick), []);
    assert_eq!(node.role(), Role::PreCandidate);
    handle(&mut node, AWAKE.plus(JITTER), Input::Tick);
    assert_eq!(node.role(), Role::Follower);
}

#[test]
fn who_resigns_waits_longer_than_the_others() {
    let mut node = leader(3);
    let (now, term) = (AWAKE.plus(HEARTBEAT), node.term());
    handle(&mut node, now, Input::Resign { term });
    // They wait for E after the last heartbeat, and up to J more.
    assert_eq!(node.next_wake(), now.plus(TIMEOUT + JITTER));
    assert!(node.next_wake() > AWAKE.plus(LEASE));
}

/// A store that is behind, or has no terms left, is no reason to campaign again and again: nobody of this
/// generation can act.
#[test]
fn a_store_that_nobody_can_satisfy_ends_leadership() {
    let outranked = |floor, generation| {
        let mut node = leader(3);
        let term = node.term();
        let generation = Generation::stored(generation);
        let effects = handle(&mut node, AWAKE, Input::Outranked { term, floor, generation });
        let reason = told(&effects).into_iter().find_map(|event| match event {
            Event::SteppedDown { reason, .. } => Some(*reason),
            _ => None,
        });
        (reason, node.term().0 - term.0, node.next_wake())
    };
    let resigned = (Some(SteppedDown::Resigned), 0, AWAKE.plus(TIMEOUT + JITTER));
    assert_eq!(outranked(Term(5), 0), resigned, "it went back in time");
    assert_eq!(outranked(Term::MAX, 1), resigned, "no term is left");
    let last = Term(Term::MAX.0 - 1);
    let above = (Some(SteppedDown::Outranked), last.0 - 1, AWAKE.plus(LEASE));
    assert_eq!(outranked(last, 1), above);
    assert_eq!(outranked(Term(1), 1).0, Some(SteppedDown::Outranked), "at the term itself");
    assert_eq!(outranked(Term::ZERO, 1), (None, 0, AWAKE.plus(HEARTBEAT)), "it has room by now");
}
