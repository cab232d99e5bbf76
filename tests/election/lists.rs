//! Scenarios of voter lists that change by one voter at a time.

use fencepost::NodeId;
use fencepost::election::{Event, Rejoins, Role};

use crate::setting::{Setting, node};
use crate::world::{Disk, World};

fn list(count: usize) -> Vec<NodeId> {
    (0..count).map(node).collect()
}

fn clashes(world: &World) -> usize {
    world.events.iter().filter(|(_, event)| matches!(event, Event::VotersClash { .. })).count()
}

/// Starts the new voters, restarts every voter of `before` with the list of `after` voters, one
/// after the other, and expects a leader after each step.
fn grow(world: &mut World, before: usize, after: usize, disk: Disk) {
    for _ in before..after {
        world.add_node(list(after), None);
        world.run(1_000);
        world.the_leader();
    }
    for index in 0..before {
        world.nodes[index].list = list(after);
        world.restart(index, disk);
        world.run(2_500);
        world.the_leader();
    }
    for index in 0..after {
        assert_ne!(world.of(index).role(), Role::Rejoining, "{index} of {before} to {after}");
    }
    let leader = world.the_leader();
    assert_eq!(world.of(leader).view().participants, list(after));
}

/// Three voters become four, and the lists of both are in use: one of the new list has voted for one
/// of the old, is wiped, and must not take part again without that one, which does not count by its
/// list; else two are elected in one term, by two of three and by three of four.
#[test]
fn half_of_an_even_list_lets_nobody_rejoin() {
    let mut world = World::new(Setting::of(4));
    world.run(600);
    world.restart(0, Disk::Wiped);
    world.stop(3, Disk::Kept);
    world.run(1_500);
    assert_eq!(world.of(0).role(), Role::Rejoining, "two others are too few");
    world.restart(3, Disk::Kept);
    world.run(1_500);
    assert_ne!(world.of(0).role(), Role::Rejoining);
}

#[test]
fn three_voters_become_four_and_five() {
    for disk in [Disk::Kept, Disk::Wiped] {
        let mut world = World::new(Setting::of(3));
        world.run(600);
        grow(&mut world, 3, 4, disk);
        assert!(world.told(0, |event| matches!(event, Event::Rejoined { .. })));
        grow(&mut world, 4, 5, disk);
        assert_eq!(clashes(&world), 0);
    }
}

/// Even with its disk: what it promised as a voter of another list does not bind it in this one.
#[test]
fn a_voter_with_another_list_rejoins() {
    let mut world = World::new(Setting::of(3));
    world.run(600);
    world.nodes[0].list = list(4);
    world.restart(0, Disk::Kept);
    assert_eq!(world.of(0).rejoins(), Some(Rejoins::OtherVoters));
    assert!(world.of(0).term() > fencepost::Term::ZERO, "it keeps its term");
    world.run(1_000);
    world.the_leader();
    assert_eq!(world.of(0).role(), Role::Rejoining, "of an even list it needs three others");
    world.add_node(list(4), None);
    world.restart(1, Disk::Kept);
    world.nodes[1].list = list(4);
    world.restart(1, Disk::Kept);
    world.run(2_500);
    assert_ne!(world.of(0).role(), Role::Rejoining);
}

/// Majorities of lists two voters apart may miss each other: nothing that such a peer says counts,
/// and both sides are told.
#[test]
fn lists_two_voters_apart_clash_and_the_rest_goes_on() {
    let mut world = World::new(Setting::of(4));
    world.run(600);
    world.nodes[3].list = list(6);
    world.restart(3, Disk::Kept);
    let term = world.of(world.the_leader()).term();
    world.run(2_000);
    assert_eq!(world.of(3).role(), Role::Rejoining);
    assert!(world.told(3, |event| matches!(event, Event::VotersClash { .. })));
    let leader = world.the_leader();
    assert!(world.told(leader, |event| {
        matches!(event, Event::VotersClash { peer, theirs } if *peer == node(3) && theirs.len() == 6)
    }));
    if leader != 3 {
        assert!(world.of(leader).term().0 <= term.0 + 1, "the other three keep their leader");
    }
}
