//! Histories that keep and break V5. With the default timing somebody must lead some fourteen seconds
//! after somebody could; with voters that forgot, some twenty.

use fencepost::Boot;
use fencepost::election::Rejoins;

use crate::history::{Kind, LinkState, Phase, Spot, WorldEvent};
use crate::oracles::testing::{GENERATION, Script, id, node};
use crate::oracles::v5_somebody_leads::ORACLE;

/// All run, and n1 leads until its lease ends at 1 s.
fn led() -> Script {
    led_by(Script::new())
}

fn led_by(script: Script) -> Script {
    let script = script.booted(1, 1).booted(2, 1).booted(3, 1).lease(1, 1, 1_000).guard(1, 1);
    script.push(Kind::Phase(Phase::Faults))
}

fn spot(number: u32) -> Spot {
    if number == 0 { Spot::Database } else { Spot::Node(node(number)) }
}

/// These directions are in that state from now on; 0 is the database.
fn links(script: Script, pairs: &[(u32, u32)], change: impl Fn(&mut LinkState)) -> Script {
    let usual = script.setting.pace.usual();
    let changed = pairs.iter().map(|(from, to)| {
        let mut state = usual;
        change(&mut state);
        (spot(*from), spot(*to), state)
    });
    let changed = changed.collect();
    script.push(Kind::World(WorldEvent::Links(changed)))
}

fn cut(script: Script, pairs: &[(u32, u32)]) -> Script {
    links(script, pairs, |state| state.cut = true)
}

fn forgets(script: Script, number: u32) -> Script {
    let boot = Boot { node: node(number), nonce: 1 };
    script.push(Kind::Rejoins { boot, reason: Rejoins::RemembersNothing })
}

/// Nobody leads any more, and nobody must.
fn excused(script: Script) {
    script.at(3_000_000).push(Kind::End).check(&ORACLE);
}

/// Nobody leads any more, and somebody must.
fn broken(script: Script) {
    script.at(60_000).bad().push(Kind::End).check(&ORACLE);
}

#[test]
fn whoever_could_lead_must_within_the_bound() {
    led().at(12_000).lease(2, 2, 70_000).guard(2, 2).at(60_000).push(Kind::End).check(&ORACLE);
    broken(led());
    // The election alone is no guard.
    broken(led().at(12_000).elected(2, 2, &[2, 3]).lease(2, 2, 70_000));
    // The moment is told, and a guard that comes later does not undo it.
    let late = led().at(30_000).bad().lease(2, 2, 70_000).guard(2, 2);
    late.at(60_000).push(Kind::End).check(&ORACLE);
}

#[test]
fn one_voter_that_reaches_a_majority_is_enough() {
    broken(cut(led(), &[(1, 2), (2, 1)]));
    let one_way = [(1, 2), (2, 3), (3, 1)];
    excused(cut(led(), &one_way));
    let n3_alone = [(3, 1), (3, 2), (1, 3), (2, 3)];
    broken(cut(led(), &n3_alone));
    excused(cut(cut(led(), &n3_alone), &[(2, 1)]));
}

#[test]
fn links_that_the_timing_cannot_rely_on_are_none() {
    let all = [(1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)];
    excused(links(led(), &all, |state| state.slowest = 90_000_000));
    excused(links(led(), &all, |state| state.loss_ppm = 100_000));
    excused(links(led(), &all, |state| (state.slowest, state.reorders) = (20_000_000, true)));
    broken(links(led(), &all, |state| state.slowest = 20_000_000));
    broken(links(links(led(), &all, |state| state.cut = true), &all, |_| {}));
}

#[test]
fn the_store_must_be_reached_by_who_could_lead() {
    let away = |works| Kind::World(WorldEvent::Service { which: Spot::Database, works });
    excused(led().push(away(false)));
    broken(led().push(away(false)).at(20_000).push(away(true)));
    let all = [(1, 0), (0, 2), (3, 0)];
    excused(cut(led(), &all));
    // n2 reaches it, and nobody but the store.
    excused(cut(led(), &[(1, 0), (3, 0), (2, 1), (2, 3)]));
    // Where two of three do not reach it, chance may prefer them for long, and not for ever.
    let two = || cut(led(), &[(1, 0), (3, 0)]);
    two().at(60_000).push(Kind::End).check(&ORACLE);
    two().at(3_000_000).bad().push(Kind::End).check(&ORACLE);
    // Without a store it does not matter.
    let mut script = cut(led(), &all);
    script.setting.pace.store = false;
    broken(script);
}

#[test]
fn who_cannot_take_part_does_not_count() {
    let (n2, n3) = (node(2), node(3));
    broken(led().down(3));
    excused(led().down(3).down(2));
    excused(led().down(3).push(Kind::StopAsked { node: n2 }));
    excused(led().push(Kind::Paused { node: n2 }).push(Kind::Paused { node: n3 }));
    excused(led().down(3).clock_out_of_bound(2));
    excused(led().down(3).push(Kind::World(WorldEvent::Disk { node: n2, works: false })));
    let again = led().push(Kind::Paused { node: n2 }).down(3).at(9_000);
    broken(again.push(Kind::Resumed { node: n2 }));
    // A bound begins anew with who comes back.
    let late = led().down(3).down(2).at(50_000).booted(2, 2).at(60_000).push(Kind::End);
    late.check(&ORACLE);
}

#[test]
fn lists_that_are_not_the_same_are_two_clusters() {
    let listed =
        |script: Script, number, voters| script.push(Kind::Listed { node: node(number), voters });
    broken(listed(led(), 3, 4));
    excused(listed(listed(led(), 3, 4), 2, 5));
    // Two of three is a majority, and two of four is none.
    excused(listed(listed(led(), 3, 4), 2, 4));
}

#[test]
fn with_a_store_voters_that_forgot_can_always_start_anew() {
    broken(forgets(forgets(cut(led(), &[(1, 2), (2, 1)]), 1), 2));
    broken(forgets(led().down(3), 1));
}

#[test]
fn without_a_store_who_forgot_needs_a_majority_that_remembers_or_all() {
    let without = || {
        let mut script = Script::new();
        script.setting.pace.store = false;
        led_by(script)
    };
    // n3 remembers, and all are there.
    broken(forgets(forgets(without(), 1), 2));
    // n3 reaches all, though n1 and n2 do not hear each other.
    broken(forgets(forgets(cut(without(), &[(1, 2)]), 1), 2));
    // They cannot be told from voters that promised: excluded by name.
    excused(forgets(forgets(cut(without(), &[(1, 2), (2, 3)]), 1), 2));
    excused(forgets(without().down(3), 1));
    // n1 comes back by the word of two that do not hear each other, and leads them.
    broken(forgets(cut(without(), &[(2, 3)]), 1));
    let back = |script: Script, number| {
        let (who, generation, by_roll) = (id(number), GENERATION, false);
        script.push(Kind::Rejoined { who, generation, by_roll })
    };
    broken(back(forgets(without().down(3), 1), 1));
}

#[test]
fn each_change_of_the_world_may_cost_one_election_more() {
    let mut script = led();
    for round in 0..5 {
        script = script.at(2_000 + 2_000 * round).down(3).at(3_000 + 2_000 * round).booted(3, 1);
    }
    script.at(60_000).push(Kind::End).check(&ORACLE);
    let mut script = led();
    for round in 0..5 {
        script = script.at(2_000 + 2_000 * round).down(3).at(3_000 + 2_000 * round).booted(3, 1);
    }
    script.at(300_000).bad().push(Kind::End).check(&ORACLE);
}

#[test]
fn before_the_faults_nobody_is_judged() {
    let script = Script::new().booted(1, 1).booted(2, 1).booted(3, 1);
    script.at(60_000).push(Kind::End).check(&ORACLE);
}

#[test]
fn while_somebody_lies_and_is_believed_nobody_need_lead() {
    let line = || "{ at = \"1s\", lies = \"n3\", for = \"40s\" }".to_owned();
    let lies = |script: Script| script.push(Kind::Fault { kind: "lies", line: line() });
    let honest = |script: Script| script.push(Kind::FaultEnded { line: line() });
    excused(lies(led()));
    honest(lies(led()).at(41_000)).at(60_000).push(Kind::End).check(&ORACLE);
    let after = honest(lies(led()).at(41_000)).at(100_000).bad();
    after.push(Kind::End).check(&ORACLE);
}
