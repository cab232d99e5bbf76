//! Scenarios of voter lists that change by one voter at a time.

use fencepost::NodeId;
use fencepost::election::{Event, Rejoins, Role};
use proptest::prelude::*;

use crate::setting::{Setting, node};
use crate::steps::{setting, step};
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
    let mut world = World::new(Setting { store: false, ..Setting::of(4) });
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
    assert_ne!(world.of(0).role(), Role::Rejoining, "all but the newcomer know it");
    assert!(world.told(0, |event| matches!(event, Event::Rejoined { by_roll: false, .. })));
}

/// Half of the longer list is enough only where the shorter one is known: by what others say, or by
/// what was on the disk. Of voters that all have the longer one, any two could be meant.
#[test]
fn a_newcomer_is_waited_for_by_who_cannot_know_that_it_is_one() {
    for (disk, rejoins) in [(Disk::Kept, true), (Disk::Wiped, false)] {
        let mut world = World::new(Setting { store: false, ..Setting::of(3) });
        world.run(600);
        for index in 0..2 {
            world.nodes[index].list = list(4);
            world.restart(index, Disk::Wiped);
            world.run(1_000);
            assert_ne!(world.of(index).role(), Role::Rejoining, "{index}");
        }
        world.nodes[2].list = list(4);
        world.restart(2, disk);
        world.run(1_000);
        assert_eq!(world.of(2).role() != Role::Rejoining, rejoins, "{disk:?}");
    }
}

/// How long a rollout waits for a voter that it has restarted.
const PATIENCE_MS: usize = 4_000;

/// Restarts each of the first voters with the new list, and the next one only when that takes part
/// again. A newcomer starts before or after all of them, and is not waited for.
fn roll_out(world: &mut World, restarted: usize, after: usize, disk: Disk, newcomer_first: bool) {
    let newcomer = |world: &mut World| {
        while world.nodes.len() < after {
            world.add_node(list(after), None);
        }
        for index in restarted..after {
            world.nodes[index].list = list(after);
            if world.up(index).is_none() {
                world.start(index);
            }
        }
    };
    if newcomer_first {
        newcomer(world);
    }
    for index in 0..restarted {
        world.nodes[index].list = list(after);
        world.restart(index, disk);
        let mut waited = 0;
        while world.of(index).role() == Role::Rejoining {
            waited += 1;
            assert!(waited < PATIENCE_MS, "{index} waits for others to get a list of {after}");
            world.run(1);
        }
    }
    newcomer(world);
    for retired in after..world.nodes.len() {
        world.stop(retired, Disk::Wiped);
    }
    world.run(2_000);
    let leader = world.the_leader();
    assert_eq!(world.of(leader).view().participants, list(after));
}

/// Readiness and rejoining do not wait for each other.
#[test]
fn a_rollout_that_waits_for_each_voter_comes_to_its_end() {
    for (store, disk, first) in [
        (true, Disk::Kept, true),
        (true, Disk::Kept, false),
        (true, Disk::Wiped, true),
        (true, Disk::Wiped, false),
        (false, Disk::Kept, true),
        (false, Disk::Kept, false),
    ] {
        let mut world = World::new(Setting { store, ..Setting::of(3) });
        world.run(600);
        for (restarted, after) in [(3, 4), (4, 5), (5, 6), (5, 5), (4, 4), (3, 3)] {
            roll_out(&mut world, restarted, after, disk, first);
        }
        assert_eq!(clashes(&world), 0);
        assert_eq!(world.checks.violations, []);
    }
}

fn disks() -> impl Strategy<Value = Disk> {
    prop_oneof![Just(Disk::Kept), Just(Disk::Wiped)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Nobody is elected twice in one term across lists, whatever happens to those with the one list and
    /// those with the next, while no third list is in use.
    #[test]
    fn two_lists_at_a_time_elect_one_leader_a_term(
        setting in setting(6, 0),
        first in any::<bool>(),
        changes in prop::collection::vec(
            (prop::collection::vec((prop::collection::vec(step(), 0..8), disks()), 6), any::<bool>()),
            1..5,
        ),
    ) {
        let mut world = World::new(Setting { voters: 3, empty: false, ..setting });
        let mut count = 3;
        for (voters, grows) in changes {
            let after = if count == 3 || grows && count < 6 { count + 1 } else { count - 1 };
            let newcomer = |world: &mut World| {
                world.add_or_start(after - 1, list(after));
                world.nodes[after - 1].list = list(after);
                world.restart(after - 1, Disk::Wiped);
            };
            if first && after > count {
                newcomer(&mut world);
            }
            for (index, (steps, disk)) in voters.iter().enumerate().take(count.min(after)) {
                for step in steps {
                    world.step(step);
                }
                world.nodes[index].list = list(after);
                world.restart(index, *disk);
            }
            if !first && after > count {
                newcomer(&mut world);
            }
            // Should a step start one that is retired, it has no vote.
            for retired in after..world.nodes.len() {
                world.nodes[retired].list = list(after);
                world.stop(retired, Disk::Wiped);
            }
            world.heal();
            world.run(6_000);
            for index in 0..after {
                prop_assert_ne!(world.of(index).role(), Role::Rejoining, "{} of {}", index, after);
            }
            world.the_leader();
            count = after;
        }
    }
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
