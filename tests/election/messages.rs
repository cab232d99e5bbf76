//! Scenarios of single messages, made by hand: branches that honest nodes take too rarely.

use std::sync::Arc;

use fencepost::election::{
    Body, ConfigId, CrashVector, Event, Ignored, Input, MAX_OBSERVERS, Message, Rejoins, Role,
};
use fencepost::{Generation, Identity, Incarnation, NodeId, Term};

use crate::network::What;
use crate::setting::{Setting, node};
use crate::world::{Disk, World};

fn led(setting: Setting) -> World {
    let mut world = World::new(setting);
    world.run(600);
    world.the_leader();
    world
}

fn life(index: usize, incarnation: u64) -> Identity {
    Identity { node: node(index), incarnation: Incarnation(incarnation) }
}

/// What that life of a voter would say to `to` in `to`'s own term and generation.
fn said(world: &World, from: Identity, to: usize, body: Body) -> Message {
    let election = world.of(to);
    let config = ConfigId::of(&world.nodes[to].list);
    Message {
        from,
        generation: election.generation(),
        config,
        promise: u64::MAX,
        term: election.term(),
        body,
    }
}

fn say(world: &mut World, from: Identity, to: usize, body: Body) {
    let message = said(world, from, to, body);
    world.handle(to, Input::Message(message.into()));
}

fn ignores(world: &World, index: usize, why: Ignored) -> bool {
    world.events.last() == Some(&(index, Event::Ignored(why)))
}

/// Five voters, of which the first asks for votes.
fn first_of_five_campaigns() -> World {
    let mut world = World::new(Setting::of(5));
    world.timers_are_late = true;
    world.checks.lies = true;
    world.pass(200);
    world.tick_if_due(0);
    world.flush();
    world.flush();
    assert_eq!(world.of(0).role(), Role::Candidate);
    world
}

/// A vote does not count once another vote of the certificate knows its voter's next life (E3).
#[test]
fn a_vote_of_a_superseded_life_does_not_count() {
    let mut world = first_of_five_campaigns();
    let vote = |known: &[Identity]| Body::VoteReply {
        to: life(0, 1),
        granted: true,
        known: Arc::new(known.iter().copied().collect::<CrashVector>()),
    };
    say(&mut world, life(1, 1), 0, vote(&[]));
    say(&mut world, life(2, 1), 0, vote(&[life(1, 2)]));
    assert_eq!(world.of(0).role(), Role::Candidate, "three voters, two votes");
    say(&mut world, life(3, 1), 0, vote(&[]));
    assert_eq!(world.of(0).role(), Role::Leader);
    let elected = world.events.iter().find_map(|(_, event)| match event {
        Event::Elected { certificate, .. } => Some(certificate.clone()),
        _ => None,
    });
    assert_eq!(elected.unwrap(), [life(0, 1), life(2, 1), life(3, 1)]);
}

/// Nor once the candidate itself has met its voter's next life, when the poll had begun (E3).
#[test]
fn a_vote_of_a_life_that_the_candidate_saw_end_does_not_count() {
    let mut world = first_of_five_campaigns();
    let vote = || Body::VoteReply { to: life(0, 1), granted: true, known: Arc::default() };
    say(&mut world, life(1, 1), 0, vote());
    say(&mut world, life(1, 2), 0, Body::PreVote);
    say(&mut world, life(2, 1), 0, vote());
    assert_eq!(world.of(0).role(), Role::Candidate, "three voters, two votes");
    say(&mut world, life(3, 1), 0, vote());
    assert_eq!(world.of(0).role(), Role::Leader);
}

/// Another process of this name has registered since: start over, above it.
#[test]
fn a_registration_that_is_overtaken_starts_over() {
    let mut world = led(Setting::of(3));
    let wiped = (world.the_leader() + 1) % 3;
    let other = (wiped + 1) % 3;
    world.restart(wiped, Disk::Wiped);
    world.run(160);
    world.deliver_where(|_, to, _| to != wiped);
    world.deliver_where(|_, to, what| to == wiped && matches!(what, Body::Known { .. }));
    let boot = world.of(wiped).boot();
    let known: CrashVector = [life(wiped, 3)].into_iter().collect();
    let answer = Body::Registered { to: boot, incarnation: Incarnation(2), known: Arc::new(known) };
    let mut message = said(&world, life(other, 1), other, answer);
    message.term = Term(1);
    world.handle(wiped, Input::Message(message.into()));
    assert_eq!(world.of(wiped).rejoins(), Some(Rejoins::Superseded));
    assert_ne!(world.of(wiped).boot(), boot, "what was answered to the old boot is void");
}

/// M3: a process that lives on beside its own next life is told, and forgets.
#[test]
fn a_superseded_life_rejoins_above_the_newer_one() {
    let mut world = led(Setting::of(3));
    let old = (world.the_leader() + 1) % 3;
    let other = (old + 1) % 3;
    say(&mut world, life(old, 2), other, Body::Register { nonce: 7 });
    say(&mut world, life(old, 1), other, Body::PreVote);
    assert!(ignores(&world, other, Ignored::Superseded));
    let told = world.network.iter().find_map(|parcel| match &parcel.what {
        What::Message(m) if matches!(m.body, Body::Superseded { .. }) => Some(parcel.clone()),
        _ => None,
    });
    world.deliver(told.expect("it is told"));
    assert_eq!(world.of(old).rejoins(), Some(Rejoins::Superseded));
    world.run(400);
    assert_eq!(world.of(old).me(), life(old, 3));
}

/// One leader a term (E1): who claims to be another is not believed, by anyone.
#[test]
fn a_second_leader_is_ignored() {
    let mut world = led(Setting { observers: 1, ..Setting::of(3) });
    let leader = world.the_leader();
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    for whom in [leader, follower, 3] {
        let mut message = said(&world, life(other, 1), leader, Body::Leaving);
        message.body = Body::Heartbeat { round: 1, view: Arc::default() };
        world.handle(whom, Input::Message(message.into()));
        assert!(ignores(&world, whom, Ignored::SecondLeader), "{whom}");
        assert_eq!(world.of(whom).leader(), Some(node(leader)));
    }
}

/// E5: an observer knows of a newer generation by hearsay only, and leaves the telling to voters.
#[test]
fn an_observer_tells_nobody_of_a_newer_generation() {
    let mut world = led(Setting { observers: 1, ..Setting::of(3) });
    let (leader, observer) = (world.the_leader(), 3);
    let mut late = said(&world, life(leader, 1), observer, Body::Leaving);
    let mut newer = late.clone();
    newer.generation = Generation::stored(late.generation.number + 1);
    world.checks.lies = true;
    world.handle(observer, Input::Message(newer.into()));
    world.network.clear();
    late.body = Body::PreVote;
    world.handle(observer, Input::Message(late.into()));
    assert!(ignores(&world, observer, Ignored::OlderGeneration));
    assert!(world.network.is_empty(), "{:?}", world.network);
}

#[test]
fn a_leader_takes_so_many_observers_and_no_more() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    for index in 0..MAX_OBSERVERS {
        say(&mut world, life(100 + index, 0), leader, Body::Observing);
    }
    assert_eq!(world.of(leader).view().participants.len(), 3 + MAX_OBSERVERS);
    say(&mut world, life(100 + MAX_OBSERVERS, 0), leader, Body::Observing);
    assert!(ignores(&world, leader, Ignored::TooManyObservers));
    // Of one that it has taken, it still takes no vote.
    say(&mut world, life(100, 0), leader, Body::VoteRequest { release: None });
    assert!(ignores(&world, leader, Ignored::NotAPeer));
    say(&mut world, life(100, 0), leader, Body::Leaving);
    say(&mut world, life(100 + MAX_OBSERVERS, 0), leader, Body::Observing);
    assert_eq!(world.of(leader).view().participants.len(), 3 + MAX_OBSERVERS);
}

/// A list counts for the id that it has, not for the one that is claimed.
#[test]
fn a_list_under_another_name_is_ignored() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    let follower = (leader + 1) % 3;
    let four: Vec<NodeId> = (0..4).map(node).collect();
    let list = Body::Voters { voters: Arc::new(four.clone()), asks: false };
    let mut message = said(&world, life(leader, 1), follower, list);
    message.config = ConfigId(1);
    world.handle(follower, Input::Message(message.clone().into()));
    assert!(ignores(&world, follower, Ignored::OtherVoters));
    // Of a list that is not known nothing counts, and the sender is asked for it.
    let mut unknown = said(&world, life(leader, 1), follower, Body::PreVote);
    unknown.config = ConfigId::of(&four);
    world.handle(follower, Input::Message(unknown.clone().into()));
    assert!(ignores(&world, follower, Ignored::OtherVoters));
    message.config = ConfigId::of(&four);
    world.handle(follower, Input::Message(message.into()));
    let events = world.events.len();
    world.handle(follower, Input::Message(unknown.into()));
    assert_eq!(world.events.len(), events, "from now on it counts");
}
