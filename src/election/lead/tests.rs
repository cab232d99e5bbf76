//! What a leader counts, and until when: heartbeats too old to count, observers it never took, and the
//! times at which it is due.

use super::super::testing::{
    AWAKE, HEARTBEAT, LEASE, MS, TIMEOUT, acknowledge, elected, handle, hear, hear_in, leader,
    life, name, sent, told,
};
use super::super::{Input, Role};
use super::*;
use crate::id::Incarnation;

/// Leads on so many heartbeats, of which n02 acknowledges each.
fn beat_on(leader: &mut Election, beats: u64) -> Instant {
    let mut now = AWAKE;
    for _ in 0..beats {
        now = leader.next_wake();
        handle(leader, now, Input::Tick);
        let State::Leader(leading) = &leader.state else { panic!("it leads") };
        let round = leading.round;
        acknowledge(leader, now, life(2, 1), round);
    }
    now
}

#[test]
fn a_leader_is_due_at_its_next_heartbeat_and_at_the_end_of_its_lease() {
    let mut mine = leader(3);
    assert_eq!(mine.next_wake(), AWAKE.plus(HEARTBEAT));
    for beat in 1..=8 {
        let due = mine.next_wake();
        assert_eq!(due, AWAKE.plus(beat * HEARTBEAT));
        assert_eq!(sent(&handle(&mut mine, due, Input::Tick)).len(), 2, "one to each other voter");
    }
    assert_eq!(mine.next_wake(), AWAKE.plus(LEASE), "before a late heartbeat");
    handle(&mut mine, AWAKE.plus(LEASE), Input::Tick);
    assert_eq!(mine.role(), Role::Follower);
}

/// A leader that never gets a first lease gives up, no sooner than others would.
#[test]
fn a_first_lease_is_waited_for_as_long_as_an_election_takes() {
    let mut mine = elected(3);
    let end = AWAKE.plus(TIMEOUT);
    handle(&mut mine, Instant(end.0 - 1), Input::Tick);
    assert_eq!(mine.role(), Role::Leader);
    handle(&mut mine, end, Input::Tick);
    assert_eq!(mine.role(), Role::Follower);
}

/// The sending times of so many heartbeats are kept. An acknowledgement of an earlier one must not
/// find the time of a later one in its place: that would be a lease from nowhere (L1).
#[test]
fn an_acknowledgement_of_long_ago_earns_nothing() {
    for back in [MAX_ROUNDS_IN_FLIGHT as u64, MAX_ROUNDS_IN_FLIGHT as u64 + 1] {
        let mut mine = leader(3);
        let rounds = MAX_ROUNDS_IN_FLIGHT as u64 + 6;
        let now = beat_on(&mut mine, rounds);
        let until = mine.lease_until();
        assert_eq!(until, Some(now.plus(LEASE)));
        // A heartbeat that nobody acknowledges but one voter, with an old one.
        let now = mine.next_wake();
        handle(&mut mine, now, Input::Tick);
        let State::Leader(leading) = &mine.state else { panic!("it leads") };
        let round = leading.round;
        assert_eq!(leading.sent_at(round), Some(now));
        assert_eq!(leading.sent_at(round + 1), None, "not sent yet");
        assert_eq!(leading.sent_at(0), None, "they count from 1");
        let oldest = round + 1 - MAX_ROUNDS_IN_FLIGHT as u64;
        let age = (MAX_ROUNDS_IN_FLIGHT as u64 - 1) * HEARTBEAT;
        assert_eq!(leading.sent_at(oldest), Some(Instant(now.0 - age)));
        assert_eq!(leading.sent_at(round - back), None);
        acknowledge(&mut mine, now, life(3, 1), round - back);
        assert_eq!(mine.lease_until(), until, "{back} heartbeats back");
    }
}

#[test]
fn nobody_acknowledges_a_heartbeat_before_the_first() {
    let mut mine = elected(3);
    acknowledge(&mut mine, AWAKE, life(2, 1), 0);
    assert_eq!((mine.role(), mine.lease_until()), (Role::Leader, None));
}

/// A leader that holds a lease gives its vote to nobody, and keeps its term; one that waits for its first
/// lease makes way.
#[test]
fn a_leader_with_a_lease_is_not_voted_out() {
    let request = || Body::VoteRequest { release: None };
    let mut holds = leader(3);
    let term = holds.term();
    let last = Instant(AWAKE.0 + LEASE - 1);
    hear_in(&mut holds, last, term.0 + 1, life(2, 1), request());
    assert_eq!((holds.role(), holds.term()), (Role::Leader, term));
    let mut waits = elected(3);
    hear_in(&mut waits, AWAKE, term.0 + 1, life(2, 1), request());
    assert_eq!((waits.role(), waits.term()), (Role::Follower, Term(term.0 + 1)));
    assert_eq!(waits.hard_state().vote, Some(life(2, 1)));
}

/// Who was never taken in, or was dropped, is not let in by an acknowledgement.
#[test]
fn an_observer_that_was_not_taken_acknowledges_nothing() {
    let mut mine = leader(3);
    let (observer, before) =
        (Identity { node: name(9), incarnation: Incarnation::NONE }, mine.clone());
    let (to, reading, priority) = (mine.me(), AWAKE, 0);
    let ack = || Body::HeartbeatAck { to, round: 1, reading, nonce: 7, priority };
    assert_eq!(hear(&mut mine, AWAKE, observer, ack()), []);
    assert!(mine == before);
    hear(&mut mine, AWAKE, observer, Body::Observing);
    assert!(mine.view().participants.contains(&name(9)));
}

/// It learns of the leader at once, and not at the next heartbeat.
#[test]
fn a_new_observer_gets_the_last_heartbeat_at_once() {
    let mut mine = leader(3);
    let observer = Identity { node: name(9), incarnation: Incarnation::NONE };
    let first = hear(&mut mine, AWAKE, observer, Body::Observing);
    let view = Arc::clone(mine.view());
    assert_eq!(sent(&first), [(name(9), &Body::Heartbeat { round: 1, view })]);
    assert_eq!(hear(&mut mine, AWAKE, observer, Body::Observing), [], "it is known by now");
}

/// Who takes part was heard within E; the last moment of E is not within it.
#[test]
fn a_participant_is_missed_after_an_election_timeout() {
    let mut mine = leader(3);
    let observer = Identity { node: name(9), incarnation: Incarnation::NONE };
    let (from, heard) = (life(3, 1), AWAKE.plus(HEARTBEAT));
    hear(&mut mine, heard, observer, Body::Observing);
    acknowledge(&mut mine, heard, from, 1);
    mine.refresh_view(Instant(heard.0 + TIMEOUT - 1));
    assert_eq!(mine.view().participants, [name(3), name(9)], "the others were heard before");
    mine.refresh_view(heard.plus(TIMEOUT));
    assert_eq!(mine.view().participants, []);
}

/// A lease that stays as it is is no news.
#[test]
fn an_acknowledgement_that_moves_nothing_tells_nothing() {
    let mut mine = leader(5);
    let now = mine.next_wake();
    handle(&mut mine, now, Input::Tick);
    assert_eq!(acknowledge(&mut mine, now, life(2, 1), 2), [], "two of five");
    let third = acknowledge(&mut mine, now, life(3, 1), 2);
    assert!(matches!(told(&third)[..], [Event::LeaseExtended { .. }]));
    assert_eq!(acknowledge(&mut mine, now, life(4, 1), 2), []);
}

/// The network's way to a voter and back, each.
const HOP: u64 = 2 * MS;

/// Beats for that long, and the voters' clocks are off by so many parts per million. Ends once one of
/// them, or all of `until`, are suspected.
fn watch(leader: &mut Election, ms: u64, off_ppm: &[(usize, u64)], until: usize) -> u64 {
    let begin = leader.next_wake();
    for beat in 0..ms / 100 {
        let now = begin.plus(beat * HEARTBEAT);
        handle(leader, now, Input::Tick);
        let State::Leader(leading) = &leader.state else { panic!("it leads") };
        let (round, to) = (leading.round, leader.me());
        for &(voter, ppm) in off_ppm {
            let there = now.plus(HOP);
            let reading = Instant(there.0 + (there.0 - begin.0) / 1_000_000 * ppm);
            let ack = Body::HeartbeatAck { to, round, reading, nonce: 7, priority: MAX_PRIORITY };
            hear(leader, there.plus(HOP), life(voter, 1), ack);
        }
        if leader.clock_suspects().len() >= until {
            return beat * 100;
        }
    }
    ms
}

/// Two clocks may differ by 20,203 ppm. One that is a little beyond that is found out as soon as the
/// window is long enough to tell, whatever there was before.
#[test]
fn a_clock_that_is_a_little_off_is_found_out() {
    let mut mine = leader(3);
    assert_eq!(watch(&mut mine, 20_000, &[(2, 0), (3, 0)], 1), 20_000);
    let took = watch(&mut mine, 20_000, &[(2, 0), (3, 22_000)], 1);
    assert_eq!(**mine.clock_suspects(), [name(3)]);
    assert!(took < 8_000, "{took} ms");
    let mut mine = leader(3);
    assert_eq!(watch(&mut mine, 20_000, &[(2, 0), (3, 20_000)], 1), 20_000);
}

/// Each suspect is one by itself: another one, or one that comes back, leaves it as it is.
#[test]
fn suspects_are_told_apart() {
    let mut mine = leader(5);
    watch(&mut mine, 5_000, &[(2, 0), (3, 0), (4, 100_000), (5, 150_000)], 2);
    let mut suspects = mine.clock_suspects().to_vec();
    suspects.sort_unstable();
    assert_eq!(suspects, [name(4), name(5)]);
    mine.watch_anew(name(4));
    assert_eq!(**mine.clock_suspects(), [name(5)]);
    mine.watch_anew(name(3));
    assert_eq!(**mine.clock_suspects(), [name(5)]);
}

/// With the voter goes what it acknowledged before: a lease must not rest on a clock that is known to
/// be wrong, whenever it went wrong.
#[test]
fn what_a_suspect_acknowledged_before_counts_no_more() {
    let mut mine = leader(5);
    watch(&mut mine, 1_000, &[(2, 0), (3, 0), (4, 0), (5, 0)], 1);
    let until = mine.lease_until();
    // Two heartbeats: the first is acknowledged by n04, whose clock has jumped by the second.
    let (first, ack) = (mine.next_wake(), |mine: &Election, round, at: Instant| {
        Body::HeartbeatAck { to: mine.me(), round, reading: at, nonce: 7, priority: MAX_PRIORITY }
    });
    let round = |mine: &Election| match &mine.state {
        State::Leader(leading) => leading.round,
        _ => panic!("it leads"),
    };
    handle(&mut mine, first, Input::Tick);
    let one = round(&mine);
    let body = ack(&mine, one, first);
    hear(&mut mine, first, life(4, 1), body);
    let second = mine.next_wake();
    handle(&mut mine, second, Input::Tick);
    let body = ack(&mine, one + 1, second.plus(3_600_000 * MS));
    hear(&mut mine, second, life(4, 1), body);
    assert_eq!(**mine.clock_suspects(), [name(4)]);
    let body = ack(&mine, one, first);
    hear(&mut mine, second, life(2, 1), body);
    assert_eq!(mine.lease_until(), until, "of five, two are left that acknowledged it");
    let body = ack(&mine, one, first);
    hear(&mut mine, second, life(3, 1), body);
    assert_eq!(mine.lease_until(), Some(first.plus(LEASE)));
}

/// A voter with its disk comes back as the same life, and maybe on a machine whose clock shows
/// something else.
#[test]
fn clocks_of_two_processes_are_not_compared() {
    let mut mine = leader(3);
    watch(&mut mine, 5_000, &[(2, 0), (3, 0)], 1);
    for (nonce, shows) in [(8, 9_000_000 * MS), (9, 5 * MS)] {
        let now = mine.next_wake();
        handle(&mut mine, now, Input::Tick);
        let State::Leader(leading) = &mine.state else { panic!("it leads") };
        let (to, round, reading) = (mine.me(), leading.round, Instant(shows));
        let ack = Body::HeartbeatAck { to, round, reading, nonce, priority: MAX_PRIORITY };
        hear(&mut mine, now, life(2, 1), ack);
        assert_eq!(**mine.clock_suspects(), []);
        assert_eq!(mine.lease_until(), Some(now.plus(LEASE)), "its acknowledgement counts at once");
    }
}
