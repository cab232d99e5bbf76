//! What a person is told of a node that knows of no leader.

use super::*;
use crate::election::testing::*;
use crate::election::{HardState, Input};

fn said(election: &Election, now: Instant) -> String {
    election.stall(now).expect("nobody leads").to_string()
}

fn forgets(election: &mut Election, now: Instant, node: usize) {
    let from = life(node, 0);
    let body = Body::Rejoining { nonce: 3, heard: Generation::NONE, stuck: false };
    let message = Message {
        generation: Generation::NONE,
        ..super::super::testing::said(election, from, body)
    };
    receive(election, now, &message);
}

#[test]
fn who_rejoins_tells_whose_word_it_needs() {
    let mut mine = forgetful(3, ColdStart::ByStore);
    assert_eq!(said(&mine, AWAKE.plus(0)), "rejoining, needs word of 1 more of n02, n03");
    assert_eq!(said(&mine, Instant(AWAKE.0 - 5 * MS)), "rejoining, silent for another 6ms");
    // One that remembers is not enough, whatever it says.
    let hard = HardState::at_first_start(&names(3));
    let body = Body::NewerGeneration;
    let word = Message {
        generation: hard.generation,
        ..super::super::testing::said(&mine, life(3, 1), body)
    };
    receive(&mut mine, AWAKE, &word);
    assert_eq!(said(&mine, AWAKE), "rejoining, needs word of n02; n03 heard");
    forgets(&mut mine, AWAKE, 2);
    assert_eq!(said(&mine, AWAKE), "rejoining, waits for the store to take down who starts anew");
    // What was heard long ago is over.
    assert_eq!(
        said(&mine, AWAKE.plus(60 * TIMEOUT)),
        "rejoining, needs word of 1 more of n02, n03"
    );
}

#[test]
fn without_a_store_all_have_to_forget_or_enough_to_remember() {
    let mut mine = forgetful(5, ColdStart::ByAllVoters);
    forgets(&mut mine, AWAKE, 2);
    forgets(&mut mine, AWAKE, 3);
    forgets(&mut mine, AWAKE, 4);
    let text = "rejoining, needs word of n05; n02, n03, n04 heard, rejoining";
    assert_eq!(said(&mine, AWAKE), text);
}

#[test]
fn a_voter_without_a_majority_tells_who_is_missing() {
    let mut mine = voter(5);
    assert_eq!(
        said(&mine, AWAKE),
        "no majority of voters, needs word of 2 more of n02, n03, n04, n05"
    );
    handle(&mut mine, AWAKE, Input::Tick);
    forgets(&mut mine, AWAKE, 4);
    let (to, asked) = (mine.me(), mine.term());
    let reply = Body::PreVoteReply { to, asked, granted: false };
    hear(&mut mine, AWAKE, life(2, 1), reply.clone());
    let text =
        "no majority of voters, needs word of 1 more of n03, n05; n02 heard; n04 heard, rejoining";
    assert_eq!(said(&mine, AWAKE), text);
    hear(&mut mine, AWAKE, life(3, 1), reply);
    assert_eq!(mine.stall(AWAKE), Some(Stall::NotElected));
}

#[test]
fn a_leader_without_a_lease_is_none_and_one_with_a_lease_is() {
    let mine = elected(3);
    assert_eq!(said(&mine, AWAKE), "elected and not acknowledged, needs word of n03; n02 heard");
    assert_eq!(leader(3).stall(AWAKE), None);
}
