//! What a message has to pass, case by case: how far ahead it may be, whose it is, whom it is for.

use std::sync::Arc;

use super::super::testing::{
    AWAKE, MS, START, handle, hear, hear_in, leader, life, name, names, receive, said, sent, told,
    voter,
};
use super::super::{Body, Config, Election, HardState, Input, Role};
use super::*;
use crate::id::{Boot, Incarnation};

fn is_ignored(effects: &[Effect], why: Ignored) -> bool {
    told(effects) == [&Event::Ignored(why)]
}

/// A number is possible up to its limit, wherever in a message it stands.
#[test]
fn what_is_impossible_is_so_by_one() {
    let mine = voter(3);
    let (term, generation) = (Term::MAX.0, Generation::MAX_NUMBER);
    let of = |term, number, incarnation, body| Message {
        term: Term(term),
        generation: Generation::stored(number),
        from: Identity { incarnation: Incarnation(incarnation), ..life(2, 1) },
        ..said(&mine, life(2, 1), body)
    };
    let lives = Incarnation::MAX.0;
    assert!(!is_impossible(&of(term, generation, lives, Body::PreVote)));
    assert!(is_impossible(&of(term + 1, 1, 1, Body::PreVote)));
    assert!(is_impossible(&of(1, generation + 1, 1, Body::PreVote)));
    assert!(is_impossible(&of(1, 1, lives + 1, Body::PreVote)));
    let bodies = |more: u64| {
        let (to, incarnation) = (Boot { node: name(1), nonce: 7 }, Incarnation(lives + more));
        let known = Arc::new([life(3, lives + more)].into_iter().collect());
        let heard = Generation::stored(generation + more);
        [
            Body::Rejoining { nonce: 1, heard, stuck: false },
            Body::Known { to, incarnation },
            Body::Superseded { to: life(1, 1), by: incarnation },
            Body::VoteReply { to: life(1, 1), granted: true, known: Arc::clone(&known) },
            Body::Registered { to, incarnation: Incarnation::FIRST, known },
        ]
    };
    for (last, beyond) in bodies(0).into_iter().zip(bodies(1)) {
        assert!(!is_impossible(&of(1, 1, 1, last)));
        let mut mine = mine.clone();
        let effects = receive(&mut mine, AWAKE, &of(1, 1, 1, beyond));
        assert!(is_ignored(&effects, Ignored::Impossible));
    }
}

/// E5, from the other side: of a voter in no generation nothing counts but that it asks.
#[test]
fn who_is_in_no_generation_is_nobody_yet() {
    let mut mine = leader(3);
    let before = mine.clone();
    let release = None;
    for body in [Body::Register { nonce: 9 }, Body::VoteRequest { release }, Body::Leaving] {
        let mut message = said(&mine, life(2, 2), body);
        message.generation = Generation::NONE;
        assert_eq!(receive(&mut mine, AWAKE, &message), []);
        assert!(mine == before, "{message:?}");
    }
    let mut asks = said(
        &mine,
        life(2, 0),
        Body::Rejoining { nonce: 9, heard: Generation::NONE, stuck: false },
    );
    asks.generation = Generation::NONE;
    let answer =
        Body::Known { to: Boot { node: name(2), nonce: 9 }, incarnation: Incarnation::FIRST };
    assert_eq!(sent(&receive(&mut mine, AWAKE, &asks)), [(name(2), &answer)]);
}

/// A write to disk for each repetition would make the network's echoes expensive.
#[test]
fn a_registration_said_twice_is_written_once() {
    let mut mine = voter(3);
    let mut register = || hear(&mut mine, AWAKE, life(2, 2), Body::Register { nonce: 9 });
    let first = register();
    assert!(matches!(first[0], Effect::Persist(_)));
    let again = register();
    assert_eq!(again, first[1..], "the same answer, and nothing else");
}

#[test]
fn only_the_life_that_is_meant_is_told_of_a_newer_term() {
    let mut mine = leader(3);
    let (me, term) = (mine.me(), mine.term().0);
    let other = Identity { incarnation: Incarnation(2), ..me };
    assert_eq!(hear_in(&mut mine, AWAKE, term + 1, life(2, 1), Body::NewerTerm { to: other }), []);
    assert_eq!(hear_in(&mut mine, AWAKE, term, life(2, 1), Body::NewerTerm { to: me }), []);
    assert_eq!(mine.role(), Role::Leader);
    hear_in(&mut mine, AWAKE, term + 1, life(2, 1), Body::NewerTerm { to: me });
    assert_eq!((mine.role(), mine.term().0), (Role::Follower, term + 1));
}

/// M3: a life ends by a newer one of its own, and by no other.
#[test]
fn only_the_life_that_is_meant_is_superseded() {
    let mut mine = voter(3);
    let me = mine.me();
    let other = Identity { incarnation: Incarnation(2), ..me };
    for (to, by) in [(other, 3), (me, 1), (me, 0)] {
        let body = Body::Superseded { to, by: Incarnation(by) };
        assert_eq!(hear(&mut mine, AWAKE, life(2, 1), body), [], "{to} by {by}");
    }
    hear(&mut mine, AWAKE, life(2, 1), Body::Superseded { to: me, by: Incarnation(2) });
    assert_eq!(mine.rejoins(), Some(Rejoins::Superseded));
}

/// Two voters of which each takes the other's life for over must both hear of it, or they never speak
/// again.
#[test]
fn word_of_ones_end_counts_from_whoever_is_over_too() {
    let mut mine = voter(3);
    let me = mine.me();
    hear(&mut mine, AWAKE, life(2, 4), Body::PreVote);
    hear(&mut mine, AWAKE, life(2, 1), Body::Superseded { to: me, by: Incarnation(3) });
    assert_eq!(mine.rejoins(), Some(Rejoins::Superseded));
}

/// Two nodes of which each takes the other for late must not answer each other for ever.
#[test]
fn who_speaks_of_an_older_generation_is_told_once() {
    let mut mine = voter(3);
    let mut older = said(&mine, life(2, 1), Body::PreVote);
    older.generation = Generation::NONE;
    mine.heard = Generation::stored(2);
    mine.hard.generation = Generation::stored(2);
    older.generation = Generation::stored(1);
    let effects = receive(&mut mine, AWAKE, &older);
    assert!(is_ignored(&effects, Ignored::OlderGeneration));
    assert_eq!(sent(&effects), [(name(2), &Body::NewerGeneration)]);
    older.body = Body::NewerGeneration;
    let effects = receive(&mut mine, AWAKE, &older);
    assert!(is_ignored(&effects, Ignored::OlderGeneration));
    assert_eq!(sent(&effects), []);
}

/// A voter of `mine` voters hears the list of `theirs`, then something that was said under that list.
fn meets(mine: usize, theirs: usize) -> (Election, Vec<Effect>, Vec<Effect>) {
    let mut mine = voter(mine);
    let voters = Arc::new(names(theirs));
    let mut list = said(&mine, life(2, 1), Body::Voters { voters, asks: false });
    list.config = ConfigId::of(&names(theirs));
    let about_list = receive(&mut mine, AWAKE, &list);
    let mut message = said(&mine, life(2, 1), Body::PreVote);
    message.config = list.config;
    let about_message = receive(&mut mine, AWAKE, &message);
    (mine, about_list, about_message)
}

#[test]
fn lists_count_up_to_the_most_voters_and_one_apart() {
    let limit = MAX_VOTERS;
    for (mine, theirs) in [(3, 3), (3, 4), (4, 3), (limit - 1, limit), (limit, limit)] {
        let (_, list, message) = meets(mine, theirs);
        assert_eq!(list, [], "{mine} and {theirs}");
        assert!(
            matches!(sent(&message)[..], [(_, Body::PreVoteReply { .. })]),
            "{mine} and {theirs}"
        );
    }
    let (_, list, message) = meets(3, 5);
    assert!(matches!(told(&list)[..], [Event::VotersClash { .. }]));
    assert!(is_ignored(&message, Ignored::OtherVoters));
    let (_, list, _) = meets(limit, limit + 1);
    assert!(is_ignored(&list, Ignored::OtherVoters), "no list is that long");
}

/// Whom a list names twice, it could count twice.
#[test]
fn a_list_with_twins_is_none() {
    let mut mine = voter(3);
    let twins = [names(3), vec![name(4), name(4)]].concat();
    let body = Body::Voters { voters: Arc::new(twins.clone()), asks: false };
    let list = Message { config: ConfigId::of(&twins), ..said(&mine, life(2, 1), body) };
    assert!(is_ignored(&receive(&mut mine, AWAKE, &list), Ignored::OtherVoters));
    assert_eq!(mine.neighbours, []);
}

/// What is said under an unknown list is not answered; the list is asked for.
#[test]
fn under_an_unknown_list_nothing_counts() {
    let mut mine = voter(3);
    let mut message = said(&mine, life(2, 1), Body::VoteRequest { release: None });
    message.config = ConfigId::of(&names(4));
    let effects = receive(&mut mine, AWAKE, &message);
    assert!(is_ignored(&effects, Ignored::OtherVoters));
    let voters = Arc::new(names(3));
    assert_eq!(sent(&effects), [(name(2), &Body::Voters { voters, asks: true })]);
    assert_eq!(mine, voter(3));
}

/// Only so many lists are known at once, of which the oldest goes first.
#[test]
fn the_oldest_of_too_many_neighbours_is_forgotten() {
    let mut mine = voter(3);
    let mut listed = Vec::new();
    for extra in 4..=4 + MAX_NEIGHBOURS {
        let list = Arc::new([names(3), vec![name(extra)]].concat());
        let id = ConfigId::of(&list);
        // Said twice, it is known once.
        for _ in 0..2 {
            let body = Body::Voters { voters: Arc::clone(&list), asks: false };
            let message = Message { config: id, ..said(&mine, life(2, 1), body) };
            assert_eq!(receive(&mut mine, AWAKE, &message), []);
        }
        listed.push(id);
    }
    assert_eq!(mine.neighbours, listed[1..]);
}

/// Without a store, a voter begins anew when too many have forgotten: those, and nobody who has come
/// back since.
#[test]
fn who_comes_back_has_forgotten_nothing_any_more() {
    let forget = |mine: &mut Election, node: usize| {
        let body = Body::Rejoining { nonce: 9, heard: Generation::NONE, stuck: false };
        let mut message = said(mine, life(node, 0), body);
        message.generation = Generation::NONE;
        receive(mine, AWAKE, &message);
    };
    let config = Config {
        cold_start: super::super::ColdStart::ByAllVoters,
        ..Config::of_voter(name(1), names(5))
    };
    let mine = || {
        let hard = HardState::at_first_start(&names(5));
        Election::without_chance(config.clone(), Some(hard), 7, START).unwrap()
    };
    let mut all_at_once = mine();
    for node in [2, 3] {
        forget(&mut all_at_once, node);
        assert_eq!(all_at_once.rejoins(), None);
    }
    forget(&mut all_at_once, 4);
    assert_eq!(all_at_once.rejoins(), Some(Rejoins::TooFewRemember));

    let mut one_came_back = mine();
    forget(&mut one_came_back, 2);
    forget(&mut one_came_back, 3);
    // Who never forgot takes nobody off the list, and who came back only itself.
    hear(&mut one_came_back, AWAKE, life(5, 1), Body::PreVote);
    hear(&mut one_came_back, AWAKE, life(2, 2), Body::PreVote);
    forget(&mut one_came_back, 4);
    assert_eq!(one_came_back.rejoins(), None);
    forget(&mut one_came_back, 5);
    assert_eq!(one_came_back.rejoins(), Some(Rejoins::TooFewRemember));
}

/// Nothing that arrives before the first tick is due makes a node act by itself.
#[test]
fn a_tick_before_its_time_does_nothing() {
    let mut mine = voter(3);
    let early = Instant(AWAKE.0 - MS);
    assert_eq!(super::super::testing::handle(&mut mine, early, Input::Tick), []);
    assert_eq!(mine.role(), Role::Follower);
}

/// A lease rests on promises that outlast it by this node's own clock, whatever timing the voter's
/// file has.
#[test]
fn promises_that_are_too_short_do_not_count() {
    let needed = Config::of_voter(name(1), names(3)).timing.least_promise();
    let short = |to: &Election, from, body| {
        let promise = u64::try_from(needed.as_nanos()).unwrap() - 1;
        Message { promise, ..said(to, from, body) }
    };
    let told_short = |effects: &[Effect]| {
        let promised = needed - Duration::from_nanos(1);
        told(effects) == [&Event::PromiseTooShort { peer: name(2), promised, needed }]
    };
    let mut mine = leader(3);
    let until = mine.lease_until();
    let now = mine.next_wake();
    handle(&mut mine, now, Input::Tick);
    let (to, reading, nonce, priority) = (mine.me(), now, 7, 0);
    let ack = Body::HeartbeatAck { to, round: 2, reading, nonce, priority };
    let before = mine.clone();
    let message = short(&mine, life(2, 1), ack.clone());
    assert!(told_short(&receive(&mut mine, now, &message)));
    assert!(mine == before);
    let enough = Message { promise: message.promise + 1, ..message };
    receive(&mut mine, now, &enough);
    assert!(mine.lease_until() > until);

    let mut asks = voter(3);
    handle(&mut asks, AWAKE, Input::Tick);
    let welcome = Body::PreVoteReply { to: asks.me(), asked: asks.term(), granted: true };
    let message = short(&asks, life(2, 1), welcome.clone());
    assert!(told_short(&receive(&mut asks, AWAKE, &message)));
    assert_eq!(asks.role(), Role::PreCandidate);
    hear(&mut asks, AWAKE, life(2, 1), welcome);
    assert_eq!(asks.role(), Role::Candidate);
    let vote = |granted| Body::VoteReply { to: life(1, 1), granted, known: Arc::default() };
    let message = short(&asks, life(2, 1), vote(true));
    assert!(told_short(&receive(&mut asks, AWAKE, &message)));
    assert_eq!(asks.role(), Role::Candidate);
    // A refusal promises nothing.
    let message = short(&asks, life(2, 1), vote(false));
    assert_eq!(receive(&mut asks, AWAKE, &message), []);
    hear(&mut asks, AWAKE, life(2, 1), vote(true));
    assert_eq!(asks.role(), Role::Leader);
}
