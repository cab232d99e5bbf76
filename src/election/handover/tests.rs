//! Who leaves, who is asked to take over, and who does not let itself be asked.

use super::super::testing::{
    AWAKE, HEARTBEAT, acknowledge, forgetful, handle, hear, hear_in, leader, life, name, names,
    sent, start, voter,
};
use super::super::{ColdStart, Config, HardState, Input, Role};
use super::*;
use crate::id::Incarnation;

/// Whoever leaves and rejoins at once, or observes, has nothing more to say. Waking it for that again
/// and again, with the same time due, would keep its machine busy until it is gone.
#[test]
fn who_leaves_is_not_woken_twice_at_one_time() {
    let observer = Config { observer: true, ..Config::of_voter(name(9), names(3)) };
    for mut election in [forgetful(3, ColdStart::ByStore), start(observer, None)] {
        handle(&mut election, Instant(0), Input::Leave);
        for _ in 0..5 {
            let due = election.next_wake();
            let effects = handle(&mut election, due, Input::Tick);
            assert!(election.next_wake() > due, "still due at {due:?}");
            assert!(effects.is_empty(), "{effects:?}");
        }
    }
}

fn asked(effects: &[Effect]) -> Option<NodeId> {
    sent(effects).into_iter().find_map(|(to, body)| match body {
        Body::TakeOver { .. } => Some(to),
        _ => None,
    })
}

/// A successor was heard within three heartbeats; whoever was not may be dead, and to ask it would cost
/// an election timeout.
#[test]
fn only_who_was_heard_lately_is_asked_to_take_over() {
    for (later, successor) in [(3 * HEARTBEAT - 1, Some(name(3))), (3 * HEARTBEAT, None)] {
        let mut mine = leader(3);
        let heard = AWAKE.plus(HEARTBEAT);
        acknowledge(&mut mine, heard, life(3, 1), 1);
        let effects = handle(&mut mine, heard.plus(later), Input::Leave);
        assert_eq!(asked(&effects), successor, "{later} ns later");
    }
}

/// Priority first, then who was heard last, then the first by name.
#[test]
fn the_best_voter_is_asked() {
    let asked_of = |acks: [(usize, u64, u8); 2]| {
        let mut mine = leader(3);
        for (voter, later, priority) in acks {
            let (to, now) = (mine.me(), AWAKE.plus(later));
            let ack = Body::HeartbeatAck { to, round: 1, reading: now, nonce: 7, priority };
            hear(&mut mine, now, life(voter, 1), ack);
        }
        asked(&handle(&mut mine, AWAKE.plus(HEARTBEAT), Input::Leave))
    };
    assert_eq!(asked_of([(2, 1, 3), (3, 9, 2)]), Some(name(2)));
    assert_eq!(asked_of([(2, 1, 3), (3, 9, 3)]), Some(name(3)));
    assert_eq!(asked_of([(2, 9, 3), (3, 9, 3)]), Some(name(2)));
}

/// A voter that follows n02 in term 1, unless it is told otherwise.
fn follower() -> Election {
    let mut mine = voter(3);
    let heartbeat = Body::Heartbeat { round: 1, view: std::sync::Arc::default() };
    hear_in(&mut mine, AWAKE, 1, life(2, 1), heartbeat);
    mine
}

#[test]
fn who_is_asked_takes_over_from_its_leader_at_once() {
    let mut mine = follower();
    let to = mine.me();
    let effects = hear(&mut mine, AWAKE, life(2, 1), Body::TakeOver { to });
    let release = Some(Release { leader: life(2, 1), term: Term(1) });
    assert_eq!((mine.role(), mine.term()), (Role::Candidate, Term(2)));
    assert_eq!(sent(&effects)[0], (name(2), &Body::VoteRequest { release }));
    // It need not have heard of that leader yet.
    let mut mine = voter(3);
    hear_in(&mut mine, AWAKE, 5, life(3, 1), Body::TakeOver { to });
    assert_eq!((mine.role(), mine.term()), (Role::Candidate, Term(6)));
}

#[test]
fn nobody_takes_over_in_anothers_name_or_too_late() {
    let to = voter(3).me();
    let other = Identity { incarnation: Incarnation(2), ..to };
    for (term, from, to, what) in [
        (1, life(2, 1), other, "another life is meant"),
        (0, life(2, 1), to, "of an older term"),
        (1, life(3, 1), to, "not from its leader"),
        (1, life(2, 2), to, "from another life of its leader"),
        (Term::MAX.0, life(2, 1), to, "there is no later term"),
    ] {
        let mut mine = follower();
        hear_in(&mut mine, AWAKE, term, from, Body::TakeOver { to });
        assert_eq!((mine.role(), mine.term()), (Role::Follower, Term(1)), "{what}");
    }
    // There is a term after the one it is asked in, but none after its own.
    let hard = HardState { term: Term::MAX, ..HardState::at_first_start(&names(3)) };
    let mut last = start(Config::of_voter(name(1), names(3)), Some(hard));
    hear(&mut last, AWAKE, life(2, 1), Body::TakeOver { to });
    assert_eq!(last.role(), Role::Follower);

    let mut leaves = follower();
    handle(&mut leaves, AWAKE, Input::Leave);
    hear(&mut leaves, AWAKE, life(2, 1), Body::TakeOver { to });
    assert_eq!((leaves.role(), leaves.term()), (Role::Follower, Term(1)), "it goes itself");
}
