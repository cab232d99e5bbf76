//! Scenarios of leaders that hold leases, hand over, watch clocks, and of those who follow.

use fencepost::election::{
    Body, ConfigId, Event, HardState, Ignored, Input, Message, Release, Role, SteppedDown,
};
use fencepost::{Generation, Identity, Incarnation, Term};

use crate::network::{Parcel, What};
use crate::setting::{Setting, node};
use crate::world::{Disk, World};

fn led(setting: Setting) -> World {
    let mut world = World::new(setting);
    world.run(600);
    world.the_leader();
    world
}

/// What a voter would say in that term.
fn says(world: &World, from: usize, term: Term, body: Body) -> Message {
    let election = world.of(from);
    let config = ConfigId::of(&world.nodes[from].list);
    Message {
        from: election.me(),
        generation: election.generation(),
        config,
        promise: u64::MAX,
        term,
        body,
    }
}

#[test]
fn one_voter_leads_alone() {
    let world = led(Setting::of(1));
    assert_eq!(world.of(0).leader(), Some(node(0)));
    assert_eq!(world.checks.elections(), 1);
}

/// The promise binds against everyone but the leader it was made to.
#[test]
fn a_vote_is_withheld_while_a_promise_lasts() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let term = Term(world.of(follower).term().0 + 1);
    let request = says(&world, other, term, Body::VoteRequest { release: None });
    world.handle(follower, Input::Message(request.clone().into()));
    assert!(world.of(follower).term() < term, "the term is not even taken over");
    // Without heartbeats the promise ends, and the same request succeeds.
    world.network.clear();
    world.timers_are_late = true;
    world.pass(200);
    world.handle(follower, Input::Message(request.into()));
    assert_eq!(world.of(follower).hard_state().vote, Some(world.of(other).me()));
}

/// V4: a floor far ahead is learned at once and campaigned above.
#[test]
fn a_floor_ahead_is_overtaken() {
    let mut world = led(Setting { store: false, ..Setting::of(3) });
    let leader = world.the_leader();
    let (term, generation) = (world.of(leader).term(), world.of(leader).generation());
    world.handle(leader, Input::Outranked { term, floor: Term(1_000), generation });
    // It waits for the end of its own lease, and nobody else is faster.
    world.run(120);
    assert_eq!(world.the_leader(), leader);
    assert_eq!(world.of(leader).term(), Term(1_001));
}

/// A leader that the store tells of a newer generation has nothing left to lead.
#[test]
fn a_newer_generation_in_the_store_ends_leadership() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let term = world.of(leader).term();
    let generation = Generation::stored(2);
    world.handle(leader, Input::Outranked { term, floor: Term(9), generation });
    assert_eq!(world.of(leader).role(), Role::Rejoining);
    assert_eq!(world.of(leader).term(), term, "its term can do no harm");
}

#[test]
fn a_leader_that_resigns_lets_others_go_first() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let term = world.of(leader).term();
    world.handle(leader, Input::Resign { term: Term(term.0 - 1) });
    assert_eq!(world.of(leader).role(), Role::Leader, "that was about an older term");
    world.handle(leader, Input::Resign { term });
    assert!(world.leader().is_none());
    world.run(400);
    assert_ne!(world.the_leader(), leader);
}

/// A vote that is handled at or after its campaign's deadline is not counted, timer or no timer.
#[test]
fn a_late_vote_is_not_counted() {
    for (late_ms, role) in [(39, Role::Leader), (40, Role::Candidate)] {
        let mut world = World::new(Setting::of(3));
        world.timers_are_late = true;
        world.pass(200);
        world.tick_if_due(0);
        world.flush(); // pre-votes
        world.flush(); // their answers: now it is a candidate
        assert_eq!(world.of(0).role(), Role::Candidate);
        world.flush(); // vote requests: the votes are on their way
        world.pass(late_ms);
        world.flush();
        assert_eq!(world.of(0).role(), role, "{late_ms} ms after the campaign began");
    }
}

/// From the release to the successor's lease: half a round trip to it, and one to the voters.
#[test]
fn a_handover_takes_three_hops() {
    for voters in [2, 3, 5, 7] {
        let mut world = led(Setting::of(voters));
        let leader = world.the_leader();
        world.leave(leader);
        assert!(world.leader().is_none(), "released at once");
        world.flush();
        world.flush();
        assert!(world.leader().is_none());
        world.flush();
        assert_ne!(world.the_leader(), leader);
        let freed = |event: &Event| matches!(event, Event::PromiseReleased { .. });
        let voters_freed = (0..voters).filter(|&voter| world.told(voter, freed)).count();
        assert_eq!(voters_freed, voters - 2, "all but the leader itself and its successor");
    }
}

/// As a graceful stop does, but the old leader goes on taking part: it votes for its successor, and
/// may be elected again.
#[test]
fn a_leader_whose_work_is_done_hands_over_and_stays() {
    let mut world = led(Setting::of(3));
    let first = world.the_leader();
    let term = world.of(first).term();
    world.handle(first, Input::HandOver { term: Term(term.0 - 1) });
    assert_eq!(world.of(first).role(), Role::Leader, "that was about an older term");
    world.handle(first, Input::HandOver { term });
    assert!(world.leader().is_none(), "released at once");
    (0..3).for_each(|_| world.flush());
    let second = world.the_leader();
    assert_ne!(second, first);
    world.run(10);
    assert_eq!(world.of(first).leader(), Some(world.of(second).me().node));
    let mut turns = vec![first, second];
    for _ in 0..4 {
        let (leader, term) = (world.the_leader(), world.of(world.the_leader()).term());
        world.run(100);
        world.handle(leader, Input::HandOver { term });
        world.run(10);
        turns.push(world.the_leader());
    }
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
    assert!(turns[2..].contains(&first), "{turns:?}");
}

#[test]
fn a_delayed_take_over_of_an_old_term_moves_nobody() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    world.leave(leader);
    let old = world.network.iter().find_map(|parcel| match &parcel.what {
        What::Message(m) if matches!(m.body, Body::TakeOver { .. }) => Some(parcel.clone()),
        _ => None,
    });
    let old: Parcel = old.expect("a successor was asked");
    world.restart(leader, Disk::Kept);
    world.network.clear();
    world.run(800);
    let (now, term) = (world.the_leader(), world.of(old.to).term());
    world.deliver(old.clone());
    assert_eq!(world.of(old.to).term(), term);
    assert_eq!(world.the_leader(), now);
    assert!(!matches!(world.of(old.to).role(), Role::Candidate));
}

/// L4: a release frees from the promise to exactly that leader in that term, and from older ones.
#[test]
fn a_release_frees_from_no_later_promise() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let (me, term) = (world.of(leader).me(), world.of(leader).term());
    let next = Term(term.0 + 1);
    let another = Identity { incarnation: Incarnation(2), ..me };
    let older = Release { leader: me, term: Term(term.0 - 1) };
    for release in [older, Release { leader: another, term }] {
        let ask = says(&world, other, next, Body::VoteRequest { release: Some(release) });
        world.handle(follower, Input::Message(ask.into()));
        assert_eq!(world.of(follower).term(), term, "freed by {release:?}");
    }
    world.leave(leader);
    let release = Release { leader: me, term };
    let ask = says(&world, other, next, Body::VoteRequest { release: Some(release) });
    world.handle(follower, Input::Message(ask.into()));
    assert_eq!(world.of(follower).hard_state().vote, Some(world.of(other).me()));
}

/// A leader that leaves before it ever held a lease releases nothing.
#[test]
fn who_leaves_without_a_lease_releases_nothing() {
    let mut world = World::new(Setting::of(3));
    world.timers_are_late = true;
    world.pass(250);
    world.tick_if_due(0);
    (0..4).for_each(|_| world.flush());
    assert_eq!((world.of(0).role(), world.leader()), (Role::Leader, None));
    world.leave(0);
    let resigned =
        |event: &Event| matches!(event, Event::SteppedDown { reason: SteppedDown::Resigned, .. });
    assert!(world.told(0, resigned));
    assert!(!world.told(0, |event| matches!(event, Event::Released { .. })));
}

#[test]
fn a_voter_of_low_priority_leads_only_when_it_must() {
    let mut setting = Setting::of(3);
    setting.priorities[..3].copy_from_slice(&[0, 0, 3]);
    let mut world = World::new(Setting { empty: false, ..setting });
    world.run(600);
    // The first election is anyone's. From then on each handover and each failure prefers the third.
    let first = world.the_leader();
    if first != 2 {
        world.bounce(first, Disk::Kept, 20);
        world.run(600);
    }
    assert_eq!(world.the_leader(), 2);
    world.stop(2, Disk::Kept);
    world.run(700);
    let stand_in = world.the_leader();
    assert_ne!(stand_in, 2, "now it must");
    world.start(2);
    world.run(600);
    world.bounce(stand_in, Disk::Kept, 20);
    world.run(600);
    assert_eq!(world.the_leader(), 2);
    // After a crash it is back before the others lose patience.
    world.restart(2, Disk::Kept);
    world.run(200);
    assert_eq!(world.the_leader(), 2);
}

#[test]
fn an_observer_takes_part_and_leaves_at_once() {
    let mut world = led(Setting { observers: 1, ..Setting::of(3) });
    let takes_part = |world: &World, at: usize| world.of(at).view().participants.contains(&node(3));
    let leader = world.the_leader();
    assert!((0..4).all(|index| takes_part(&world, index)));
    assert_eq!(world.of(3).leader(), Some(node(leader)));
    assert_eq!(world.of(3).role(), Role::Observer);
    world.leave(3);
    world.flush();
    assert!(!takes_part(&world, leader), "within one hop");
    world.restart(3, Disk::Wiped);
    world.run(4);
    assert!(takes_part(&world, leader), "and back within two");
    world.stop(3, Disk::Kept);
    world.run(220);
    assert!(!takes_part(&world, leader), "or missed, if it says nothing");
}

#[test]
fn a_voter_says_goodbye_and_is_no_participant() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let goes = (leader + 1) % 3;
    world.leave(goes);
    world.flush();
    assert!(!world.of(leader).view().participants.contains(&node(goes)));
    world.stop(goes, Disk::Kept);
    world.run(500);
    assert_eq!(world.the_leader(), leader, "the other two are a majority");
}

/// A clock outside the bound is found out, and its acknowledgements do not count.
#[test]
fn a_voter_with_a_bad_clock_is_left_out() {
    let mut setting = Setting::of(3);
    setting.priorities[2] = 0;
    setting.drifts[2] = 700_000;
    let mut world = led(setting);
    let leader = world.the_leader();
    world.run(1_000);
    assert_eq!(world.the_leader(), leader);
    assert_eq!(**world.of(leader).clock_suspects(), [node(2)]);
    // With nobody else to acknowledge, its word is not enough.
    world.stop(1 - leader, Disk::Kept);
    world.run(150);
    assert_eq!(world.leader(), None);
    // A clock that is right again is trusted again.
    world.start(1 - leader);
    world.set_drift(2, 0);
    world.run(3_000);
    assert_eq!(**world.of(world.the_leader()).clock_suspects(), []);
}

/// If most clocks run unlike its own, the leader's is the likelier to be wrong.
#[test]
fn a_leader_with_a_bad_clock_gives_up() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    world.set_drift(leader, 700_000);
    world.run(600);
    assert!(world.told(leader, |event| {
        matches!(event, Event::SteppedDown { reason: SteppedDown::ClockOutOfBound, .. })
    }));
    assert_ne!(world.the_leader(), leader);
}

/// What is not for this node, or from nobody, changes nothing.
#[test]
fn strangers_and_echoes_are_ignored() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let term = world.of(leader).term();
    let before: HardState = world.of(leader).hard_state().clone();
    let mut stranger = says(&world, leader, Term(term.0 + 1), Body::PreVote);
    let ignored =
        |world: &World, why: Ignored| world.events.last() == Some(&(leader, Event::Ignored(why)));
    world.handle(leader, Input::Message(stranger.clone().into()));
    assert!(ignored(&world, Ignored::NotAPeer), "its own name");
    stranger.from.node = node(8);
    world.handle(leader, Input::Message(stranger.into()));
    assert!(ignored(&world, Ignored::NotAPeer));
    let far = Term(term.0 + fencepost::election::MAX_TERM_JUMP + 1);
    let far = says(&world, (leader + 1) % 3, far, Body::PreVote);
    world.handle(leader, Input::Message(far.into()));
    assert!(ignored(&world, Ignored::TermTooFarAhead));
    let round = Body::HeartbeatAck {
        to: world.of(leader).me(),
        round: u64::MAX,
        reading: fencepost::Instant(0),
        nonce: 7,
        priority: 0,
    };
    let round = says(&world, (leader + 1) % 3, term, round);
    world.handle(leader, Input::Message(round.into()));
    assert!(ignored(&world, Ignored::UnknownRound));
    assert_eq!(*world.of(leader).hard_state(), before);
}
