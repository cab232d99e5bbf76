//! When a pre-vote or a vote is given and when it counts, each at the last moment and right after it.

use super::super::testing::{
    AWAKE, JITTER, TIMEOUT, handle, hear, hear_in, life, name, names, sent, start, voter,
};
use super::super::{Config, HardState, Input, Role};
use super::*;
use crate::id::Incarnation;

/// A promise of A: the default timing's.
const PROMISE: u64 = 950_000_000;

/// Whether it says yes to a pre-vote of n03 that was asked in that term.
fn would_vote(voter: &mut Election, now: Instant, term: u64) -> bool {
    let effects = hear_in(voter, now, term, life(3, 1), Body::PreVote);
    match sent(&effects)[..] {
        [(to, &Body::PreVoteReply { granted, asked, .. })] => {
            assert_eq!((to, asked), (name(3), Term(term)));
            granted
        }
        ref other => panic!("{other:?}"),
    }
}

/// n01 of three, which follows n02 in term 5 from that moment on.
fn follower(now: Instant) -> Election {
    let mut mine = voter(3);
    let heartbeat = Body::Heartbeat { round: 1, view: Arc::default() };
    hear_in(&mut mine, now, 5, life(2, 1), heartbeat);
    mine
}

#[test]
fn a_pre_vote_takes_a_term_that_is_not_over_and_no_promise() {
    let mut mine = follower(AWAKE);
    let end = AWAKE.plus(PROMISE);
    assert!(!would_vote(&mut mine, Instant(end.0 - 1), 5), "it promised");
    assert!(would_vote(&mut mine, end, 5));
    assert!(would_vote(&mut mine, end, 6));
    assert!(!would_vote(&mut mine, end, 4), "that term is over");
}

#[test]
fn a_promise_binds_until_its_end() {
    for (early, votes) in [(1, false), (0, true)] {
        let mut mine = follower(AWAKE);
        let now = Instant(AWAKE.0 + PROMISE - early);
        hear_in(&mut mine, now, 6, life(3, 1), Body::VoteRequest { release: None });
        assert_eq!(mine.hard_state().vote == Some(life(3, 1)), votes, "{early} ns before its end");
    }
}

/// n01 of three, which has asked whether it would be elected.
fn asks() -> Election {
    let mut mine = voter(3);
    handle(&mut mine, AWAKE, Input::Tick);
    assert_eq!(mine.role(), Role::PreCandidate);
    mine
}

#[test]
fn a_pre_vote_counts_that_is_a_yes_to_this_question_in_time() {
    let last = Instant(AWAKE.0 + JITTER - 1);
    let after = |now, asked, granted| {
        let mut mine = asks();
        let to = mine.me();
        hear(&mut mine, now, life(2, 1), Body::PreVoteReply { to, asked, granted });
        mine.role()
    };
    let here = asks().term();
    assert_eq!(after(last, here, true), Role::Candidate);
    assert_eq!(after(last, here, false), Role::PreCandidate);
    assert_eq!(after(last, Term(here.0 + 1), true), Role::PreCandidate, "another question");
    assert_eq!(after(AWAKE.plus(JITTER), here, true), Role::PreCandidate, "too late");
    let mut mine = asks();
    let to = Identity { incarnation: Incarnation(2), ..mine.me() };
    let reply = Body::PreVoteReply { to, asked: here, granted: true };
    hear(&mut mine, last, life(2, 1), reply);
    assert_eq!(mine.role(), Role::PreCandidate, "another life asked");
}

/// n01 of three, which has asked for votes.
fn candidate() -> Election {
    let mut mine = asks();
    let (to, asked) = (mine.me(), mine.term());
    hear(&mut mine, AWAKE, life(2, 1), Body::PreVoteReply { to, asked, granted: true });
    assert_eq!(mine.role(), Role::Candidate);
    mine
}

#[test]
fn a_vote_counts_that_is_a_yes_in_this_term_to_this_life_in_time() {
    let last = Instant(AWAKE.0 + JITTER - 1);
    let (me, term) = (candidate().me(), candidate().term().0);
    let other = Identity { incarnation: Incarnation(2), ..me };
    let after = |now, term, to, granted| {
        let mut mine = candidate();
        let vote = Body::VoteReply { to, granted, known: Arc::default() };
        hear_in(&mut mine, now, term, life(2, 1), vote);
        mine.role()
    };
    assert_eq!(after(last, term, me, true), Role::Leader);
    assert_eq!(after(last, term, me, false), Role::Candidate);
    assert_eq!(after(last, term, other, true), Role::Candidate);
    assert_eq!(after(last, term - 1, me, true), Role::Candidate);
    assert_eq!(after(AWAKE.plus(JITTER), term, me, true), Role::Candidate);
    assert_eq!(after(last, term + 1, me, true), Role::Follower, "its own term is over");
}

/// There is no term to campaign in, or no time left to lead.
#[test]
fn who_has_no_next_term_or_goes_campaigns_no_more() {
    let hard = HardState { term: Term::MAX, ..HardState::at_first_start(&names(3)) };
    let mut last = start(Config::of_voter(name(1), names(3)), Some(hard));
    assert_eq!(handle(&mut last, AWAKE, Input::Tick), []);
    assert_eq!((last.role(), last.next_wake()), (Role::Follower, Instant(u64::MAX)));

    // It leaves while it asks: that question is its last.
    let mut goes = asks();
    handle(&mut goes, AWAKE, Input::Leave);
    handle(&mut goes, AWAKE.plus(JITTER), Input::Tick);
    assert_eq!(goes.role(), Role::Follower);
    let due = goes.next_wake();
    assert_eq!(handle(&mut goes, due.max(AWAKE.plus(TIMEOUT)), Input::Tick), []);
    assert_eq!((goes.role(), goes.next_wake()), (Role::Follower, Instant(u64::MAX)));
}

/// Who voted waits for the one it voted for, as long as for a heartbeat.
#[test]
fn a_voter_gives_its_candidate_time() {
    let mut mine = voter(3);
    hear_in(&mut mine, AWAKE, 1, life(3, 1), Body::VoteRequest { release: None });
    assert_eq!(mine.next_wake(), AWAKE.plus(TIMEOUT));
    // Asked again, it answers again, and has not voted anew.
    let again = hear_in(&mut mine, AWAKE, 1, life(3, 1), Body::VoteRequest { release: None });
    assert!(matches!(again[..], [Effect::Send { .. }]), "{again:?}");
}
