//! Which claims are believed on whose word, and how long it takes to come back from wrong ones.

use std::sync::Arc;

use super::super::testing::{
    AWAKE, START, TIMEOUT, forgetful, handle, hear_in, life, name, names, receive, said, sent,
    voter,
};
use super::super::{Config, HardState, Input, Role, Roll};
use super::*;
use crate::id::{Boot, Identity};

/// Somebody speaks from that generation.
fn claims(mine: &mut Election, now: Instant, node: usize, number: u64) -> Vec<Effect> {
    let message = said(mine, life(node, 1), Body::PreVote);
    receive(mine, now, &Message { generation: Generation::stored(number), ..message })
}

fn store_says(mine: &mut Election, now: Instant, number: u64) -> Vec<Effect> {
    let roll = Roll { generation: Generation::stored(number), ..Roll::default() };
    handle(mine, now, Input::Roll(Arc::new(roll)))
}

fn reads(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| **effect == Effect::ReadRoll).count()
}

/// One packet with a generation far ahead, or a thousand: the store is asked, and not often; what it
/// says is believed.
#[test]
fn a_newer_generation_is_believed_when_the_store_says_so() {
    let mut mine = voter(3);
    let heard = mine.heard;
    let mut asked = 0;
    for ahead in 0..1_000 {
        let now = AWAKE.plus(ahead * TIMEOUT / 1_000);
        for number in [2, 2 + (1 << 32)] {
            let effects = claims(&mut mine, now, 2, number);
            asked += reads(&effects);
            assert_eq!((mine.rejoins(), mine.heard), (None, heard));
        }
        let asks = Body::Rejoining { nonce: 1, heard: Generation::stored(1 << 32), stuck: false };
        let mut asks = said(&mine, life(3, 0), asks);
        asks.generation = Generation::NONE;
        asked += reads(&receive(&mut mine, now, &asks));
        assert_eq!((mine.rejoins(), mine.heard), (None, heard));
    }
    assert_eq!(asked, 2, "twice in an election timeout");
    store_says(&mut mine, AWAKE, 2);
    assert_eq!(mine.rejoins(), Some(Rejoins::OlderGeneration));
    assert_eq!(mine.heard, Generation::stored(2));
}

/// Without a store: by a roll that lists this very boot and has the generation's name.
#[test]
fn without_a_store_a_roll_has_to_list_this_boot() {
    let hard = HardState::at_first_start(&names(3));
    let config =
        Config { cold_start: ColdStart::ByAllVoters, ..Config::of_voter(name(1), names(3)) };
    let mine = Election::without_chance(config, Some(hard), 7, START).unwrap();
    let boots = |nonce| {
        let others = [2, 3].map(|node| Boot { node: name(node), nonce: 5 });
        [Boot { node: name(1), nonce }, others[0], others[1]].to_vec()
    };
    let last = mine.heard;
    let good = Roll::of_all(last, Term(3), boots(7));
    let far = Generation { number: last.number + MAX_GENERATION_JUMP, ..last };
    let [stranger, too_far] =
        [Roll::of_all(last, Term(3), boots(8)), Roll::of_all(far, Term(3), boots(7))];
    let renamed = Roll { generation: Generation { roll: 1, ..good.generation }, ..good.clone() };
    for (roll, believed) in [(good, true), (stranger, false), (too_far, false), (renamed, false)] {
        let mut mine = mine.clone();
        let generation = roll.generation;
        let mut newer = said(&mine, life(2, 1), Body::NewerGeneration);
        newer.generation = generation;
        receive(&mut mine, AWAKE, &newer);
        assert_eq!(mine.rejoins(), None, "on one word");
        newer.body = Body::RollCall { roll: Arc::new(roll) };
        let effects = receive(&mut mine, AWAKE, &newer);
        assert_eq!(mine.rejoins().is_some(), believed, "{effects:?}");
        assert_eq!(reads(&effects), 0, "there is none");
    }
}

/// A rejoining voter follows hearsay, until the store has said where it is.
#[test]
fn what_the_store_confirmed_is_not_left_for_hearsay() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    handle(&mut mine, AWAKE, Input::Tick);
    claims(&mut mine, AWAKE, 2, 3);
    assert_eq!(mine.heard, Generation::stored(3));
    claims(&mut mine, AWAKE, 2, 4 + MAX_GENERATION_JUMP);
    assert_eq!(mine.heard, Generation::stored(3), "too far ahead");
    store_says(&mut mine, AWAKE, 3);
    claims(&mut mine, AWAKE, 2, 4);
    assert_eq!(mine.heard, Generation::stored(3));
    store_says(&mut mine, AWAKE, 4);
    assert_eq!(mine.heard, Generation::stored(4));
}

/// What it was made to believe before, the store has to deny for a while, and it begins anew as
/// another boot: a roll may list the one that it was.
#[test]
fn what_the_store_denies_is_given_up_in_time() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    handle(&mut mine, AWAKE, Input::Tick);
    claims(&mut mine, AWAKE, 2, 1 << 19);
    let (boot, window) = (mine.boot(), CONTRADICTED_FOR * TIMEOUT);
    for past in [0, TIMEOUT, window - 1] {
        store_says(&mut mine, AWAKE.plus(past), 2);
        assert_eq!((mine.heard, mine.boot()), (Generation::stored(1 << 19), boot));
    }
    store_says(&mut mine, AWAKE.plus(window), 2);
    assert_eq!(mine.heard, Generation::stored(2));
    assert_eq!(mine.rejoins(), Some(Rejoins::Contradicted));
    assert_ne!(mine.boot(), boot);
}

/// Hears the two others in turn until it begins anew, from `place`.
fn hears_others(mine: &mut Election, place: impl Fn(&Message) -> Message) -> Option<u64> {
    (0..40).map(|quarter| quarter * TIMEOUT / 4).find(|&past| {
        for node in [2, 3] {
            let message = place(&said(mine, life(node, 1), Body::Leaving));
            receive(mine, AWAKE.plus(past), &message);
        }
        mine.rejoins().is_some()
    })
}

/// Two packets led it away: the others are elsewhere, all the time, and so it comes back. One of them
/// alone is not enough.
#[test]
fn a_voter_that_is_alone_with_its_term_begins_anew() {
    let mut mine = voter(3);
    for far in [1, 2] {
        let term = mine.term().0 + MAX_TERM_JUMP;
        let reply = Body::VoteReply { to: mine.me(), granted: false, known: Arc::default() };
        hear_in(&mut mine, AWAKE, term, life(3, 1), reply);
        assert_eq!(mine.term().0, far * MAX_TERM_JUMP, "as far as one packet leads");
    }
    let there = |message: &Message| Message { term: Term(5), ..message.clone() };
    let mut alone = mine.clone();
    let one = |message: &Message| Message { from: life(2, 1), ..there(message) };
    assert_eq!(hears_others(&mut alone, one), None);
    assert_eq!(hears_others(&mut mine, there), Some(CONTRADICTED_FOR * TIMEOUT));
    assert_eq!((mine.rejoins(), mine.term()), (Some(Rejoins::Contradicted), Term::ZERO));
}

/// Without a store two of five may be here and two there, of a lie. Those of the older generation give
/// it up, and those of the newer one stay.
#[test]
fn scattered_voters_gather_in_the_newest_generation() {
    let config =
        || Config { cold_start: ColdStart::ByAllVoters, ..Config::of_voter(name(1), names(5)) };
    let begins_anew = |here: &[usize], number: u64| {
        let hard =
            HardState { generation: Generation::stored(5), ..HardState::at_first_start(&names(5)) };
        let mut mine = Election::without_chance(config(), Some(hard), 7, START).unwrap();
        (0..40).any(|half| {
            let now = AWAKE.plus(half * TIMEOUT / 2);
            claims(&mut mine, now, 5, number);
            for &node in here {
                claims(&mut mine, now, node, 5);
            }
            mine.rejoins().is_some()
        })
    };
    assert!(begins_anew(&[2], 6), "too few here, and a newer generation");
    assert!(!begins_anew(&[2], 4), "the others have to come");
    assert!(begins_anew(&[], 4), "nobody is here");
    assert!(!begins_anew(&[2, 3], 6), "a majority is here");
}

/// Whoever is far ahead is not followed, but told where the others are.
#[test]
fn who_is_too_far_ahead_is_refused_and_told_so() {
    let mut mine = voter(3);
    let far = mine.term().0 + MAX_TERM_JUMP + 1;
    let before = mine.term();
    for (asks, answer) in
        [(Body::PreVote, "pre-vote reply"), (Body::VoteRequest { release: None }, "vote reply")]
    {
        let effects = hear_in(&mut mine, AWAKE, far, life(2, 1), asks);
        assert_eq!(sent(&effects)[0].1.name(), answer);
        assert_eq!((mine.term(), mine.role()), (before, Role::Follower));
    }
}

/// If neither is alone, they need each other: whoever stays far ahead is followed step by step.
#[test]
fn who_stays_far_ahead_draws_the_others_along() {
    let mut mine = voter(3);
    let far = mine.term().0 + 3 * MAX_TERM_JUMP;
    let mut steps = Vec::new();
    for half in 0..40 {
        let now = AWAKE.plus(half * TIMEOUT / 2);
        let before = mine.term();
        hear_in(&mut mine, now, far, life(2, 1), Body::PreVote);
        if mine.term() > before {
            steps.push((half, mine.term().0));
        }
    }
    // The last step is none that is too far.
    let jump = MAX_TERM_JUMP;
    assert_eq!(steps, [(8, jump), (17, 2 * jump)]);
    assert!(!mine.is_far(Term(far)));
}

/// An incarnation at the limit is one that nobody can follow, so that whoever knows it gives it up.
#[test]
fn an_incarnation_that_is_used_up_is_forgotten() {
    let mut mine = voter(3);
    let last = Identity { node: name(2), incarnation: Incarnation::MAX };
    let message = said(&mine, last, Body::PreVote);
    receive(&mut mine, AWAKE, &message);
    let mut asks = said(
        &mine,
        life(2, 0),
        Body::Rejoining { nonce: 1, heard: Generation::NONE, stuck: false },
    );
    asks.generation = Generation::NONE;
    receive(&mut mine, AWAKE, &asks);
    assert_eq!(mine.rejoins(), Some(Rejoins::Contradicted));
}

/// An earlier release may have written down what somebody made up.
#[test]
fn impossible_numbers_on_a_disk_are_no_state() {
    let sound = HardState::at_first_start(&names(3));
    let config = || Config::of_voter(name(1), names(3));
    let term = HardState { term: Term(u64::MAX), ..sound.clone() };
    let number = Generation::MAX_NUMBER + 1;
    let generation = HardState { generation: Generation::stored(number), ..sound.clone() };
    let known = HardState { known: Arc::new([life(2, u64::MAX)].into_iter().collect()), ..sound };
    for hard in [term, generation, known] {
        let mine = Election::without_chance(config(), Some(hard), 7, START).unwrap();
        assert_eq!(mine.role(), Role::Rejoining);
        assert!(mine.term() <= Term::MAX);
    }
}

/// Two that were misled do not mislead each other again, once one of them has come back.
#[test]
fn who_was_contradicted_does_not_listen_to_the_forgetful() {
    let mut mine = forgetful(3, ColdStart::ByAllVoters);
    let says = |mine: &mut Election, now, heard| {
        let body = Body::Rejoining { nonce: 1, heard: Generation::stored(heard), stuck: false };
        let message = Message { generation: Generation::NONE, ..said(mine, life(3, 0), body) };
        receive(mine, now, &message);
    };
    says(&mut mine, AWAKE, 9);
    assert_eq!(mine.heard, Generation::stored(9), "so that all call the same roll");
    for half in 0..=2 * CONTRADICTED_FOR {
        claims(&mut mine, AWAKE.plus(half * TIMEOUT / 2), 2, 5);
    }
    assert_eq!(mine.heard, Generation::stored(5));
    says(&mut mine, AWAKE.plus(5 * TIMEOUT), 9);
    assert_eq!(mine.heard, Generation::stored(5));
}
