//! Nodes without a vote: when they say that they are there, whom they follow, and what of theirs counts.

use super::super::testing::{
    AWAKE, HEARTBEAT, START, TIMEOUT, handle, hear, hear_in, leader, life, name, names, receive,
    said, sent, start, told, voter,
};
use super::super::{Config, Input, View};
use super::*;
use crate::id::{Identity, Incarnation, NodeId};

/// n09, which has no vote.
fn observer(voters: Vec<NodeId>, cold_start: ColdStart) -> Election {
    start(Config { observer: true, cold_start, ..Config::of_voter(name(9), voters) }, None)
}

/// n09 in the first generation, which n02 leads in term 1.
fn following(cold_start: ColdStart) -> Election {
    let mut observer = observer(names(3), cold_start);
    let heartbeat = Body::Heartbeat { round: 1, view: Arc::default() };
    let mut message = said(&observer, life(2, 1), heartbeat);
    message.generation = Generation::stored(1);
    message.term = crate::id::Term(1);
    receive(&mut observer, START, &message);
    assert_eq!(observer.leader(), Some(name(2)));
    observer
}

fn me() -> Identity {
    Identity { node: name(9), incarnation: Incarnation::NONE }
}

#[test]
fn what_observers_say_to_all_is_no_offence_where_nobody_leads() {
    let mut mine = voter(3);
    let ack =
        Body::HeartbeatAck { to: life(2, 1), round: 1, reading: START, nonce: 7, priority: 0 };
    for body in [Body::Observing, ack, Body::Leaving] {
        assert_eq!(hear(&mut mine, START, me(), body), []);
    }
    for body in [Body::PreVote, Body::VoteRequest { release: None }] {
        let effects = hear(&mut mine, START, me(), body);
        assert_eq!(effects, [Effect::Event(crate::election::Event::Ignored(Ignored::NotAPeer))]);
    }
}

#[test]
fn an_observer_may_be_the_first_to_have_the_next_list() {
    let mut mine = voter(3);
    let mut observer = observer(names(4), ColdStart::ByStore);
    let to_me = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Send { to, message } if to == name(1) || to == name(9) => Some(*message),
            _ => None,
        })
    };
    let said = to_me(handle(&mut observer, START, Input::Tick)).expect("it tells that it is there");
    let asks = receive(&mut mine, START, &said);
    let event = &crate::election::Event::Ignored(Ignored::OtherVoters);
    assert_eq!(told(&asks), [event], "not known yet");
    let asks = to_me(asks).expect("it asks for the list");
    let answer = to_me(receive(&mut observer, START, &asks)).expect("it tells its list");
    assert_eq!(receive(&mut mine, START, &answer), []);
    assert_eq!(receive(&mut mine, START, &said), []);
}

/// Half of E without a heartbeat, and it shouts; a heartbeat puts that off.
#[test]
fn it_says_that_it_is_there_whenever_half_a_timeout_passed_in_silence() {
    let mut mine = observer(names(3), ColdStart::ByStore);
    for shout in 0..3 {
        let due = mine.next_wake();
        assert_eq!(due, START.plus(shout * TIMEOUT / 2));
        let effects = handle(&mut mine, due, Input::Tick);
        let observing = &Body::Observing;
        assert_eq!(sent(&effects), [1, 2, 3].map(|voter| (name(voter), observing)));
    }
    let mut mine = following(ColdStart::ByStore);
    assert_eq!(mine.next_wake(), START.plus(TIMEOUT / 2));
    let now = START.plus(HEARTBEAT);
    hear(&mut mine, now, life(2, 1), Body::Heartbeat { round: 2, view: Arc::default() });
    assert_eq!(mine.next_wake(), now.plus(TIMEOUT / 2));
}

/// Without a store, generations may begin anew, so what it once heard is void when nobody answers. A
/// store's only rise.
#[test]
fn what_it_heard_is_void_when_nobody_answers_and_no_store_counts() {
    for (cold_start, forgets) in [(ColdStart::ByStore, false), (ColdStart::ByAllVoters, true)] {
        let mut mine = following(cold_start);
        let first = mine.next_wake();
        handle(&mut mine, first, Input::Tick);
        assert_eq!(mine.heard, Generation::stored(1), "it has just asked");
        let second = mine.next_wake();
        handle(&mut mine, second, Input::Tick);
        assert_eq!(mine.heard == Generation::NONE, forgets, "{cold_start:?}");
    }
}

#[test]
fn it_follows_no_older_term_and_nobody_in_no_generation() {
    let heartbeat = || Body::Heartbeat { round: 2, view: Arc::default() };
    let mut mine = following(ColdStart::ByStore);
    hear_in(&mut mine, START, 3, life(3, 1), heartbeat());
    assert_eq!(mine.leader(), Some(name(3)), "of a newer term");
    assert_eq!(hear_in(&mut mine, START, 2, life(2, 1), heartbeat()), []);
    let mut nowhere = said(&mine, life(3, 1), heartbeat());
    nowhere.generation = Generation::NONE;
    assert_eq!(receive(&mut mine, START, &nowhere), []);
    assert!(!hear(&mut mine, START, life(3, 1), heartbeat()).is_empty());
    // Who goes acknowledges nothing any more.
    handle(&mut mine, START, Input::Leave);
    assert_eq!(hear(&mut mine, START, life(3, 1), heartbeat()), []);
}

/// The leader that it knows may lead no longer, so it says goodbye to all voters.
#[test]
fn it_says_goodbye_to_everybody() {
    let mut mine = following(ColdStart::ByStore);
    let effects = handle(&mut mine, START, Input::Leave);
    let leaving = &Body::Leaving;
    assert_eq!(sent(&effects), [1, 2, 3].map(|voter| (name(voter), leaving)));
}

/// A newer view is shown, an older one that comes late is not.
#[test]
fn it_shows_the_newest_view() {
    let mut mine = following(ColdStart::ByStore);
    let view = |version| {
        Arc::new(View { version, participants: vec![name(usize::try_from(version).unwrap())] })
    };
    for (round, said, shown) in [(2, 5, 5), (3, 4, 5), (4, 6, 6)] {
        let body = Body::Heartbeat { round, view: view(said) };
        hear(&mut mine, START, life(2, 1), body);
        assert_eq!(*mine.view(), view(shown));
    }
}

/// An acknowledgement that is meant for another life of the leader does not keep it among those that
/// take part.
#[test]
fn an_observers_acknowledgement_counts_for_the_leader_it_names() {
    for (incarnation, takes_part) in [(1, true), (2, false)] {
        let mut mine = leader(3);
        hear(&mut mine, AWAKE, me(), Body::Observing);
        let to = life(1, incarnation);
        let ack = Body::HeartbeatAck { to, round: 1, reading: AWAKE, nonce: 7, priority: 0 };
        hear(&mut mine, AWAKE.plus(HEARTBEAT), me(), ack);
        mine.refresh_view(AWAKE.plus(TIMEOUT));
        assert_eq!(mine.view().participants.contains(&name(9)), takes_part);
    }
}

/// Voters that forgot everything count anew, so the next generation can be a lower one. What a dead leader
/// of the first said comes too late then, however long it was on its way.
#[test]
fn a_late_word_does_not_bring_a_generation_back() {
    let heartbeat = || Body::Heartbeat { round: 1, view: Arc::default() };
    let mut mine = following(ColdStart::ByAllVoters);
    let mut late = said(&mine, life(2, 1), heartbeat());
    late.generation = Generation { number: 1, roll: 9 };
    let mut anew = said(&mine, life(3, 1), heartbeat());
    anew.generation = Generation { number: 1, roll: 3 };
    for message in [&late, &anew] {
        receive(&mut mine, START, message);
        assert_eq!(mine.hard.generation, late.generation, "the lower one is not believed yet");
    }
    for _ in 0..2 {
        let due = mine.next_wake();
        handle(&mut mine, due, Input::Tick);
    }
    receive(&mut mine, START, &anew);
    assert_eq!((mine.hard.generation, mine.leader()), (anew.generation, Some(name(3))));
    let effects = receive(&mut mine, START, &late);
    let event = &crate::election::Event::Ignored(Ignored::OlderGeneration);
    assert_eq!(told(&effects), [event]);
    assert_eq!((mine.hard.generation, mine.leader()), (anew.generation, Some(name(3))));
}

#[test]
fn it_remembers_only_so_many_generations_that_are_over() {
    let mut mine = following(ColdStart::ByAllVoters);
    for roll in (0..2 * LEFT_MAX as u64).rev() {
        mine.observe_generation(Generation { number: 2, roll: roll + 1 });
        mine.observe_generation(Generation { number: 1, roll: roll + 1 });
    }
    let State::Observer(observing) = &mine.state else { panic!("it has no vote") };
    assert_eq!(observing.left.len(), LEFT_MAX);
    assert!(observing.has_left(Generation { number: 2, roll: 1 }), "the last");
    assert!(!observing.has_left(Generation { number: 2, roll: 2 * LEFT_MAX as u64 }), "the first");
}
