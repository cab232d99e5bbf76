//! Scenarios of voters that forget: who comes back as what, and who must not.

use fencepost::election::{Body, Event, Rejoins, Role};
use fencepost::{Generation, Incarnation, Term};

use crate::network::Cut;
use crate::setting::Setting;
use crate::world::{Disk, World};

fn empty(voters: usize, store: bool) -> World {
    World::new(Setting { store, empty: true, ..Setting::of(voters) })
}

fn led(setting: Setting) -> World {
    let mut world = World::new(setting);
    world.run(600);
    world.the_leader();
    world
}

fn rejoined(world: &World, index: usize, by_registering: u64) -> bool {
    world.told(index, |event| {
        matches!(event, Event::Rejoined { incarnation: Incarnation(i), by_roll: false, .. }
            if *i == by_registering)
    })
}

#[test]
fn a_wiped_voter_comes_back_as_its_second_life() {
    let mut world = led(Setting::of(3));
    let wiped = (world.the_leader() + 1) % 3;
    world.restart(wiped, Disk::Wiped);
    world.run(159);
    assert_eq!(world.of(wiped).role(), Role::Rejoining, "not before the quarantine is over");
    world.run(6);
    assert!(rejoined(&world, wiped, 2));
    assert_eq!(world.of(wiped).generation(), Generation::stored(1));
    world.restart(wiped, Disk::Wiped);
    world.run(170);
    assert!(rejoined(&world, wiped, 3));
}

#[test]
fn a_wiped_majority_starts_the_next_generation_above_the_floor() {
    let mut world = led(Setting::of(3));
    world.store.lift(40);
    world.run(600);
    let floor = world.store.floor;
    assert!(floor > Term(40), "the lifted floor was overtaken");
    let leader = world.the_leader();
    for wiped in [(leader + 1) % 3, (leader + 2) % 3] {
        world.restart(wiped, Disk::Wiped);
    }
    world.run(1_000);
    let leader = world.the_leader();
    assert_eq!(world.of(leader).generation(), Generation::stored(2));
    assert!(world.of(leader).term() > floor);
    assert_eq!(world.store.floor, world.of(leader).term());
}

#[test]
fn a_first_boot_is_a_cold_start() {
    for (voters, store) in [(1, true), (1, false), (3, true), (3, false), (4, true), (5, false)] {
        let mut world = empty(voters, store);
        world.run(159);
        assert_eq!(world.checks.elections(), 0, "silent for the quarantine");
        world.run(300);
        let leader = world.the_leader();
        assert_eq!(world.of(leader).generation().number, 1);
        assert_eq!(world.of(leader).generation().roll == 0, store, "who keeps the roll");
        assert_eq!(world.checks.elections(), 1);
    }
}

#[test]
fn all_wiped_start_anew_and_only_a_store_remembers_the_floor() {
    for store in [true, false] {
        let mut world = led(Setting { store, ..Setting::of(3) });
        let leader = world.the_leader();
        for _ in 0..3 {
            let leader = world.the_leader();
            world.bounce(leader, Disk::Kept, 20);
            world.run(600);
        }
        let before = world.of(world.the_leader()).term();
        assert!(before > Term(3), "{leader} and its successors led");
        (0..3).for_each(|index| world.restart(index, Disk::Wiped));
        world.run(800);
        let after = world.of(world.the_leader());
        assert_eq!(after.term() > before, store);
        assert_eq!(after.generation().number, if store { 2 } else { 1 });
    }
}

/// M2: one node, cut off and without memory, is no cluster, however long it waits.
#[test]
fn an_isolated_wiped_voter_rejoins_for_ever() {
    for store in [true, false] {
        let mut world = led(Setting { store, ..Setting::of(3) });
        world.cut = Cut { from: 0b110, to: 0b001, both: true, lose: true };
        world.restart(0, Disk::Wiped);
        world.run(5_000);
        assert_eq!(world.of(0).role(), Role::Rejoining);
        assert_eq!(world.store.generation, Generation::stored(1));
        let leader = world.the_leader();
        assert_ne!(leader, 0, "the other two go on");
        world.heal();
        world.run(300);
        assert_eq!(world.of(0).role(), Role::Follower);
    }
}

/// Without a store, three of five cannot rejoin and cannot be outvoted: the others forget as well.
#[test]
fn those_that_remember_too_little_begin_anew_with_the_others() {
    let mut world = led(Setting { store: false, ..Setting::of(5) });
    let term = world.of(world.the_leader()).term();
    (0..3).for_each(|index| world.restart(index, Disk::Wiped));
    world.run(1_200);
    let leader = world.of(world.the_leader());
    assert_eq!(leader.generation().number, 2);
    assert!(leader.term() > term, "the others remembered the term");
    assert!(world.told(3, |event| {
        matches!(event, Event::Rejoining { reason: Rejoins::TooFewRemember, .. })
    }));
}

/// Voters that start one after the other begin one generation, not one each: who is on the roll and
/// does not know it yet has forgotten nothing, and what was said before the roll is over.
#[test]
fn a_staggered_first_boot_without_a_store_is_one_generation() {
    let mut setting = Setting { store: false, empty: true, ..Setting::of(7) };
    // Slow clocks and late starts: some are still quarantined when the first hears of all.
    setting.drifts[2..5].fill(-200_000);
    let mut world = World::new(setting);
    for (index, later_ms) in [(1, 169), (0, 31), (2, 3), (3, 0)] {
        world.stop(index, Disk::Wiped);
        world.run(later_ms);
    }
    world.heal();
    world.run(500);
    let leader = world.of(world.the_leader());
    assert_eq!(leader.generation().number, 1);
    world.run(100);
    assert_eq!(world.of(world.the_leader()).view().participants.len(), 7);
}

/// A voter that asks the store more often than it hears the others still calls the roll in the end.
#[test]
fn a_slow_heartbeat_does_not_hinder_a_cold_start() {
    let mut setting = Setting { empty: true, ..Setting::of(3) };
    setting.timing.heartbeat = std::time::Duration::from_millis(50);
    let mut world = World::new(setting);
    world.stop(2, Disk::Wiped);
    world.run(900);
    world.the_leader();
}

/// Without a store, generations begin anew when everyone forgot, and an observer that remembers a
/// later one follows nevertheless.
#[test]
fn an_observer_follows_voters_that_began_anew() {
    let mut world = led(Setting { store: false, observers: 1, ..Setting::of(3) });
    for _ in 0..2 {
        (0..3).for_each(|index| world.restart(index, Disk::Wiped));
        // The observer still speaks of the generation that nobody else remembers.
        world.run(900);
        let leader = world.of(world.the_leader());
        assert_eq!(leader.generation().number, 1);
        assert_eq!(world.of(3).generation(), leader.generation());
        assert_eq!(world.of(3).leader(), leader.leader());
    }
}

/// A voter that comes back on another machine has another clock, which is no clock gone wrong.
#[test]
fn a_new_life_is_not_suspected_for_its_new_clock() {
    let mut world = led(Setting::of(3));
    let leader = world.the_leader();
    world.restart((leader + 1) % 3, Disk::Wiped);
    world.run(1_000);
    assert_eq!(world.the_leader(), leader);
    assert!(world.of(leader).clock_suspects().is_empty());
}

/// An answer of a life that is over says nothing about what the voter knows in its next one, so a
/// registration that rests on it may be forgotten: here the second life of `n` would be unknown to
/// `a`, which then backs another candidate together with a vote of the first life of `n`.
#[test]
fn a_registration_counts_no_life_that_is_over() {
    let [x, n, a, b, c, d, e] = [0, 1, 2, 3, 4, 5, 6];
    let mut setting = Setting::of(7);
    // Polls and registrations that outlast a quarantine.
    setting.timing.jitter = std::time::Duration::from_secs(4);
    setting.timing.election_timeout = std::time::Duration::from_secs(4);
    let mut world = World::new(setting);
    world.timers_are_late = true;
    world.pass(2_000);
    // The candidate x asks for votes; only n answers, and that answer takes long.
    world.tick_if_due(x);
    world.deliver_where(|_, _, _| true);
    world.deliver_where(|_, _, _| true);
    assert_eq!(world.of(x).role(), Role::Candidate);
    world.deliver_where(|_, to, _| to == n);
    // Then n is wiped, and registers with a, whose answer takes long.
    world.restart(n, Disk::Wiped);
    world.pass(200);
    world.tick_if_due(n);
    world.deliver_where(|from, to, what| from == n && [a, b, c, d].contains(&to) && asks(what));
    world.deliver_where(|_, to, what| to == n && matches!(what, Body::Known { .. }));
    world.deliver_where(|from, to, _| (from, to) == (n, a));
    // So is a, and rejoins by those that have not heard of n yet.
    world.restart(a, Disk::Wiped);
    world.pass(200);
    world.tick_if_due(a);
    world.deliver_where(|from, to, what| from == a && [b, c, d, e].contains(&to) && asks(what));
    world.deliver_where(|_, to, what| to == a && matches!(what, Body::Known { .. }));
    world.deliver_where(|from, to, _| from == a && [b, c, d, e].contains(&to));
    world.deliver_where(|_, to, what| to == a && matches!(what, Body::Registered { .. }));
    assert_eq!(world.of(a).me().incarnation, Incarnation(2));
    // Now they hear of n, and n gets all four answers, one of them of a life that is over.
    world.deliver_where(|from, to, _| from == n && [b, c, d].contains(&to));
    world.deliver_where(|_, to, what| to == n && matches!(what, Body::Registered { .. }));
    assert_eq!(world.of(n).role(), Role::Rejoining, "three voters that know of it are too few");
    // Whoever x still gets, and whoever b gets, only one of them is elected.
    world.deliver_where(|from, to, what| {
        from == x && [a, e].contains(&to) && matches!(what, Body::VoteRequest { .. })
    });
    world.deliver_where(|_, to, what| to == x && matches!(what, Body::VoteReply { .. }));
    assert_eq!(world.of(x).role(), Role::Leader);
    world.tick_if_due(b);
    for _ in 0..4 {
        world.deliver_where(|from, to, _| {
            [b, c, d, n].contains(&from) && [b, c, d, n].contains(&to)
        });
    }
    assert_eq!(world.checks.elections(), 1);
}

fn asks(what: &Body) -> bool {
    matches!(what, Body::Rejoining { .. })
}
