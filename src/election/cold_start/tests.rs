//! When a voter that remembers nothing asks the store, whom it counts, and when it calls the roll: to
//! the nanosecond, because each of these limits decides who is on a roll.

use super::super::testing::{
    AWAKE, HEARTBEAT, MS, QUARANTINE, START, TIMEOUT, forgetful, handle, life, name, names,
    receive, said,
};
use super::super::{Body, Config, Election, HardState, Input, Message};
use super::*;
use crate::id::Incarnation;

/// Another voter says that it remembers nothing.
fn forgets(election: &mut Election, now: Instant, node: usize) -> Vec<Effect> {
    let body = Body::Rejoining { nonce: 9, heard: Generation::NONE, stuck: false };
    let mut message = said(election, life(node, 0), body);
    message.generation = Generation::NONE;
    receive(election, now, &message)
}

fn store_says(election: &mut Election, now: Instant, generation: u64) {
    let roll = Roll { generation: Generation::stored(generation), ..Roll::default() };
    handle(election, now, Input::Roll(Arc::new(roll)));
}

/// The times at which it ticks by itself until `end`, and asks or calls.
fn ticks(election: &mut Election, end: Instant) -> Vec<(Instant, Effect)> {
    let mut done = Vec::new();
    while election.next_wake() < end {
        let now = election.next_wake();
        let about_store = |effect: &Effect| !matches!(effect, Effect::Send { .. });
        let effects = handle(election, now, Input::Tick);
        done.extend(effects.into_iter().filter(about_store).map(|effect| (now, effect)));
    }
    done
}

fn reads(times: &[Instant]) -> Vec<(Instant, Effect)> {
    times.iter().map(|&time| (time, Effect::ReadRoll)).collect()
}

#[test]
fn the_store_is_asked_twice_in_each_election_timeout() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    let half = TIMEOUT / 2;
    let asked = ticks(&mut mine, AWAKE.plus(3 * half + MS));
    assert_eq!(asked, reads(&[0, 1, 2, 3].map(|n| AWAKE.plus(n * half))));
}

/// Two of three are a majority, and wait a heartbeat for the third; three need not wait.
#[test]
fn a_majority_waits_one_heartbeat_for_the_others() {
    let second = AWAKE.plus(HEARTBEAT);
    let third = AWAKE.plus(2 * HEARTBEAT);
    for (others, called_at) in [(&[2][..], third), (&[2, 3], second)] {
        let mut mine = forgetful(3, ColdStart::ByStore);
        assert_eq!(ticks(&mut mine, AWAKE.plus(MS)), reads(&[AWAKE]));
        store_says(&mut mine, AWAKE, 0);
        let mut boots = vec![mine.boot()];
        for &node in others {
            forgets(&mut mine, AWAKE, node);
            boots.push(Boot { node: name(node), nonce: 9 });
        }
        let call = Effect::CallRoll { seen: Generation::NONE, boots };
        // A call that stays without an answer is followed by a question.
        let asks_again = called_at.plus(TIMEOUT / 2);
        let done = ticks(&mut mine, asks_again.plus(MS));
        assert_eq!(done, [(called_at, call), (asks_again, Effect::ReadRoll)], "{others:?}");
    }
}

/// A word counts that is younger than E, and as old as the question to the store.
#[test]
fn a_word_counts_for_an_election_timeout_and_not_before_the_question() {
    let asked = AWAKE.plus(10 * MS);
    let calls = |heard: Instant, later: u64| {
        let mut mine = forgetful(2, ColdStart::ByStore);
        handle(&mut mine, AWAKE, Input::Tick);
        forgets(&mut mine, heard, 2);
        store_says(&mut mine, asked, 0);
        let effects = handle(&mut mine, heard.plus(later), Input::Tick);
        effects.iter().any(|effect| matches!(effect, Effect::CallRoll { .. }))
    };
    assert!(calls(asked, TIMEOUT - 1));
    assert!(!calls(asked, TIMEOUT));
    assert!(!calls(Instant(asked.0 - 1), HEARTBEAT + MS), "it may be on the roll that was read");
}

/// Without a store it takes all, each of them heard within E.
#[test]
fn all_voters_start_anew_that_were_heard_within_an_election_timeout() {
    for (later, starts) in [(TIMEOUT - 1, true), (TIMEOUT, false)] {
        let mut mine = forgetful(3, ColdStart::ByAllVoters);
        handle(&mut mine, AWAKE, Input::Tick);
        forgets(&mut mine, AWAKE, 2);
        forgets(&mut mine, AWAKE.plus(later), 3);
        assert_eq!(mine.generation() != Generation::NONE, starts, "{later} ns");
    }
}

/// Who hears all others before its own quarantine is over waits for that.
#[test]
fn nobody_starts_anew_in_its_quarantine() {
    let mut mine = forgetful(2, ColdStart::ByAllVoters);
    forgets(&mut mine, Instant(AWAKE.0 - 1), 2);
    assert_eq!(mine.generation(), Generation::NONE);
    forgets(&mut mine, AWAKE, 2);
    assert_eq!(mine.generation().number, 1);
}

/// A voter of so many that remembers, whose quarantine is over.
fn remembering(voters: usize, cold_start: ColdStart) -> Election {
    let config = Config { cold_start, ..Config::of_voter(name(1), names(voters)) };
    let hard = HardState::at_first_start(&names(voters));
    Election::without_chance(config, Some(hard), 7, START).unwrap()
}

#[test]
fn who_forgot_long_ago_may_remember_by_now() {
    for (later, drops) in [(TIMEOUT - 1, true), (TIMEOUT, false)] {
        let mut mine = remembering(3, ColdStart::ByAllVoters);
        forgets(&mut mine, AWAKE, 2);
        forgets(&mut mine, AWAKE.plus(later), 3);
        assert_eq!(mine.rejoins().is_some(), drops, "{later} ns");
    }
}

/// Where too many forgot for anybody to rejoin, nothing is lost by forgetting as well, and those that
/// forgot need not hear each other.
#[test]
fn where_nobody_can_rejoin_the_rest_forgets_as_well() {
    let counts =
        [(3, 1, false), (3, 2, true), (4, 1, false), (4, 2, true), (5, 2, false), (5, 3, true)];
    let both = [ColdStart::ByStore, ColdStart::ByAllVoters];
    for (store, (voters, forgot, drops)) in both.iter().flat_map(|s| counts.map(|c| (*s, c))) {
        let mut mine = remembering(voters, store);
        for node in 2..2 + forgot {
            forgets(&mut mine, AWAKE, node);
        }
        let dropped = mine.rejoins() == Some(Rejoins::TooFewRemember);
        assert_eq!(dropped, drops, "{forgot} of {voters}");
        assert_eq!(mine.me().incarnation == Incarnation::NONE, drops);
    }
}

/// One of five that remembers polls so often, answered by so many; and so many others that remember
/// nothing go on saying so, one of them perhaps that it cannot come back.
fn polls(store: ColdStart, polls: u32, answered: usize, forgot: usize, stuck: bool) -> Election {
    let mut mine = remembering(5, store);
    let mut now = AWAKE;
    for _ in 0..polls {
        handle(&mut mine, now, Input::Tick);
        let (to, asked) = (mine.me(), mine.term());
        for node in 2..2 + answered {
            let yes = Body::PreVoteReply { to, asked, granted: true };
            let yes = said(&mine, life(node, 1), yes);
            receive(&mut mine, now, &yes);
        }
        now = mine.next_wake();
        for node in 5 - forgot + 1..=5 {
            let nobody = Body::Rejoining { nonce: 9, heard: Generation::NONE, stuck };
            let generation = Generation::NONE;
            let nobody = Message { generation, ..said(&mine, life(node, 0), nobody) };
            receive(&mut mine, now, &nobody);
        }
        handle(&mut mine, now, Input::Tick);
        now = now.plus(10);
    }
    mine
}

#[test]
fn a_voter_whose_polls_are_in_vain_forgets_if_the_forgetful_make_up_a_majority() {
    use ColdStart::{ByAllVoters, ByStore};
    let forgets = |store, count, answered, forgot| {
        polls(store, count, answered, forgot, false).rejoins() == Some(Rejoins::TooFewRemember)
    };
    assert!(!forgets(ByStore, 1, 1, 1), "an answer can be lost");
    assert!(forgets(ByStore, 2, 1, 1), "two that remember and one that does not are three of five");
    assert!(forgets(ByStore, 2, 0, 2));
    assert!(!forgets(ByStore, 9, 1, 0), "nobody forgot");
    assert!(
        !forgets(ByStore, 9, 0, 1),
        "two of five start nothing, and others may need what it knows"
    );
    assert!(!forgets(ByAllVoters, 9, 1, 1), "without a store it takes all");
    assert!(!forgets(ByAllVoters, 9, 1, 2));
}

/// A voter that hears too few itself forgets for one that does not.
#[test]
fn a_voter_forgets_for_another_that_hears_enough() {
    for (count, stuck, drops) in [(1, true, false), (2, true, true), (9, false, false)] {
        let mine = polls(ColdStart::ByStore, count, 0, 1, stuck);
        assert_eq!(mine.rejoins().is_some(), drops, "{count} {stuck}");
    }
}

/// Somebody who promised something speaks for a leader that may live: nobody forgets meanwhile.
#[test]
fn nobody_forgets_while_another_has_a_leader() {
    let mut mine = remembering(5, ColdStart::ByStore);
    let mut now = AWAKE;
    for _ in 0..9 {
        handle(&mut mine, now, Input::Tick);
        let (to, asked) = (mine.me(), mine.term());
        let no = Body::PreVoteReply { to, asked, granted: false };
        let no = said(&mine, life(2, 1), no);
        receive(&mut mine, now, &no);
        now = mine.next_wake();
        forgets(&mut mine, now, 4);
        forgets(&mut mine, now, 5);
        handle(&mut mine, now, Input::Tick);
        now = now.plus(10);
    }
    assert_eq!(mine.rejoins(), None);
}

/// One that remembers nothing says so when it hears enough for a cold start, but for some that remember
/// and are too few to tell it what it was.
#[test]
fn who_is_stuck_says_so_after_an_election_timeout() {
    let stuck = |remember: usize, forgot: usize, later: u64| {
        let mut mine = forgetful(5, ColdStart::ByStore);
        let mut said_so = false;
        let end = AWAKE.plus(later);
        while mine.next_wake() <= end {
            let now = mine.next_wake();
            for node in 2..2 + remember {
                let (to, incarnation) = (mine.boot(), Incarnation::FIRST);
                let body = Body::Known { to, incarnation };
                let generation = Generation::stored(1);
                let word = Message { generation, ..said(&mine, life(node, 1), body) };
                receive(&mut mine, now, &word);
            }
            (6 - forgot..6).for_each(|node| drop(forgets(&mut mine, now, node)));
            let effects = handle(&mut mine, now, Input::Tick);
            said_so = super::super::testing::sent(&effects)
                .iter()
                .any(|(_, body)| matches!(body, Body::Rejoining { stuck: true, .. }));
        }
        said_so
    };
    assert!(stuck(1, 1, TIMEOUT + HEARTBEAT));
    assert!(!stuck(1, 1, TIMEOUT / 2), "it may be about to end");
    assert!(stuck(2, 0, 2 * TIMEOUT));
    assert!(!stuck(1, 0, 2 * TIMEOUT), "two of five");
    assert!(!stuck(0, 1, 2 * TIMEOUT), "two of five");
    assert!(!stuck(1, 2, 2 * TIMEOUT), "three start anew");
}

/// A poll of the store by a voter that is still in its quarantine could list it on a roll.
#[test]
fn nothing_is_asked_before_the_quarantine_is_over() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    assert_eq!(mine.next_wake(), START.plus(QUARANTINE));
    assert_eq!(handle(&mut mine, Instant(AWAKE.0 - 1), Input::Tick), []);
}
