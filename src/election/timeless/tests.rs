//! What is left of a state without its time, and that nothing else is lost.

use super::super::testing::{
    AWAKE, HEARTBEAT, JITTER, LEASE, MS, TIMEOUT, acknowledge, forgetful, handle, hear, leader,
    life, name, receive, said,
};
use super::super::{Body, ColdStart, Config, Effect, HardState, Input};
use super::*;
use crate::id::{Generation, Identity, NodeId};

/// A voter of three that campaigns, or not, some time after it started at `start`.
fn voter(start: u64, campaigns: bool) -> Election {
    let voters: Vec<NodeId> = ["n1", "n2", "n3"].map(|name| name.parse().unwrap()).to_vec();
    let hard = HardState::at_first_start(&voters);
    let config = Config::of_voter(voters[0], voters);
    let mut voter = Election::without_chance(config, Some(hard), 7, Instant(start)).expect("valid");
    if campaigns {
        let mut effects: Vec<Effect> = Vec::new();
        let due = voter.next_wake();
        voter.handle(due, Input::Tick, &mut effects);
        assert!(!effects.is_empty());
    }
    voter
}

#[test]
fn only_the_order_of_now_and_the_ends_is_left() {
    let forgot = |start, campaigns, now| {
        let mut voter = voter(start, campaigns);
        voter.forget_time(Instant(now));
        voter
    };
    assert_eq!(forgot(5, false, 6), forgot(900, false, 950), "the promise is not over");
    assert_ne!(forgot(5, false, 6), forgot(5, false, u64::MAX), "the promise is over");
    assert_ne!(forgot(5, false, 6), forgot(5, true, 6));
    // A poll has its time left, and what waited for nothing but time is due.
    assert!(forgot(5, true, u64::MAX).next_wake() > Instant(0));
    assert_eq!(forgot(5, false, u64::MAX).next_wake(), Instant(0));
}

/// The promise ends at its last moment, which is over.
#[test]
fn a_promise_is_over_at_its_end() {
    for (now, left) in [(AWAKE.0 - 1, true), (AWAKE.0, false), (AWAKE.0 + 1, false)] {
        let mut voter = super::super::testing::voter(3);
        voter.forget_time(Instant(now));
        assert_eq!(voter.promised_until > Instant(0), left, "{now}");
    }
}

/// Who goes never campaigns, and that is no time that will come.
#[test]
fn never_stays_never() {
    let mut voter = super::super::testing::voter(3);
    handle(&mut voter, AWAKE, Input::Leave);
    voter.forget_time(AWAKE);
    assert_eq!(voter.next_wake(), Instant(u64::MAX));
}

/// The same happened at other times: for what needs no clock it is the same state, and what can fail by
/// time has all of its time left.
#[test]
fn when_a_leader_heard_what_is_forgotten() {
    let leads = |beats: u64, later: u64| {
        let mut leader = leader(3);
        let observer = Identity { node: name(9), incarnation: Incarnation::NONE };
        hear(&mut leader, AWAKE.plus(later), observer, Body::Observing);
        let mut now = AWAKE;
        for _ in 0..beats {
            now = leader.next_wake().plus(later);
            handle(&mut leader, now, Input::Tick);
        }
        acknowledge(&mut leader, now.plus(later), life(2, 1), beats + 1);
        leader.forget_time(now.plus(later));
        leader
    };
    assert_eq!(leads(1, 0), leads(1, 3 * MS));
    assert_ne!(leads(1, 0), leads(2, 0), "how many heartbeats there were is no time");
    let leader = leads(1, MS);
    assert_eq!(leader.next_wake(), Instant(HEARTBEAT));
    assert_eq!(leader.lease_until(), Some(Instant(LEASE)));
}

#[test]
fn in_which_order_and_when_a_rejoining_voter_was_answered_is_forgotten() {
    let rejoins = |first: usize, later: u64, cold_start| {
        let mut voter = forgetful(5, cold_start);
        let mut now = AWAKE.plus(later);
        handle(&mut voter, now, Input::Tick);
        let second = 5 - first;
        for node in [first, second] {
            now = now.plus(later);
            let body = Body::Known { to: voter.boot(), incarnation: Incarnation::FIRST };
            let mut message = said(&voter, life(node, 1), body);
            message.generation = Generation::stored(1);
            receive(&mut voter, now, &message);
        }
        for node in [first, second] {
            now = now.plus(later);
            let nobody = Body::Rejoining { nonce: 9, heard: Generation::NONE, stuck: false };
            let mut message = said(&voter, life(node, 0), nobody);
            message.generation = Generation::NONE;
            receive(&mut voter, now, &message);
        }
        voter.forget_time(now);
        voter
    };
    for cold_start in [ColdStart::ByStore, ColdStart::ByAllVoters] {
        assert_eq!(rejoins(2, 0, cold_start), rejoins(3, MS, cold_start));
        assert_eq!(rejoins(2, MS, cold_start).next_wake(), Instant(0), "asking ends by itself");
    }
}

#[test]
fn polls_and_elections_have_all_their_time_left() {
    let polls = |later: u64| {
        let mut voter = super::super::testing::voter(3);
        handle(&mut voter, AWAKE.plus(later), Input::Tick);
        voter.forget_time(AWAKE.plus(later));
        voter
    };
    assert_eq!(polls(0), polls(MS));
    assert_eq!(polls(MS).next_wake(), Instant(JITTER));
    let mut elected = super::super::testing::elected(3);
    elected.forget_time(AWAKE);
    handle(&mut elected, Instant(HEARTBEAT), Input::Tick);
    elected.forget_time(Instant(HEARTBEAT));
    handle(&mut elected, Instant(TIMEOUT - 1), Input::Tick);
    assert_eq!(elected.role(), super::super::Role::Leader, "it gives up after E");
}
