//! Histories that keep and break V6. A holder that reaches store and sink claims what is due within
//! twelve seconds; who takes over from one that lost the store, within some fifty.

use fencepost::Token;

use crate::history::{Kind, MessageNo, MessageState, Phase, ProofKind, Spot, WorldEvent};
use crate::oracles::testing::{Script, node};
use crate::oracles::v6_nothing_waits::ORACLE;

/// All run, and n1 leads for a long time.
fn led() -> Script {
    led_until(1_000_000)
}

fn led_until(ms: u64) -> Script {
    let script = Script::new().booted(1, 1).booted(2, 1).booted(3, 1);
    script.lease(1, 1, ms).guard(1, 1).push(Kind::Phase(Phase::Faults))
}

fn keyed(script: Script, number: u32, key: u32) -> Script {
    script.push(Kind::Enqueued { message: MessageNo(number), key: Some(key) })
}

fn claimed(script: Script, number: u32) -> Script {
    let (token, message) = (Token(1), MessageNo(number));
    script.push(Kind::Claimed { node: node(1), token, message })
}

fn moved(script: Script, number: u32, to: MessageState) -> Script {
    let (token, message, from) = (Token(1), MessageNo(number), MessageState::Claimed);
    let proof = (to == MessageState::Pending).then_some(ProofKind::NeverSent);
    script.push(Kind::Moved { token, message, from, to, proof })
}

fn service(script: Script, which: Spot, works: bool) -> Script {
    script.push(Kind::World(WorldEvent::Service { which, works }))
}

fn broken(script: Script) {
    script.at(60_000).bad().push(Kind::End).check(&ORACLE);
}

fn fine(script: Script) {
    script.at(60_000).push(Kind::End).check(&ORACLE);
}

#[test]
fn what_is_due_is_claimed() {
    fine(claimed(led().enqueued(1).at(9_000), 1));
    broken(led().enqueued(1));
    claimed(led().enqueued(1).at(13_000).bad(), 1).at(60_000).push(Kind::End).check(&ORACLE);
    fine(led().at(55_000).enqueued(1));
}

#[test]
fn what_failed_for_now_has_its_backoff_and_what_is_in_doubt_waits() {
    let failed = || moved(claimed(led().enqueued(1), 1).at(100), 1, MessageState::Pending);
    fine(claimed(failed().at(11_000), 1));
    broken(failed());
    fine(moved(claimed(led().enqueued(1), 1), 1, MessageState::InDoubt));
    fine(claimed(led().enqueued(1), 1));
}

/// A clock that goes back may not hold what failed before, but for its backoff.
#[test]
fn a_step_of_the_stores_clock_gives_a_backoff_more() {
    let failed = moved(claimed(led().enqueued(1), 1).at(100), 1, MessageState::Pending);
    let stepped = || Kind::DatabaseWallStep { by_ms: -86_400_000 };
    let script = failed.at(9_000).push(stepped());
    let script = claimed(script.at(20_000), 1);
    fine(script);
    let failed = moved(claimed(led().enqueued(1), 1).at(100), 1, MessageState::Pending);
    broken(failed.at(9_000).push(stepped()));
}

#[test]
fn what_stands_behind_another_of_its_key_waits() {
    let doubted = |script| moved(claimed(script, 1), 1, MessageState::InDoubt);
    fine(doubted(keyed(keyed(led(), 1, 5), 2, 5)));
    broken(doubted(keyed(keyed(led(), 1, 5), 2, 6)));
    let settled = moved(doubted(keyed(keyed(led(), 1, 5), 2, 5)), 1, MessageState::Failed);
    broken(settled);
    // A dead letter that is tried anew comes first again.
    let (message, from) = (MessageNo(1), MessageState::Failed);
    let failed = moved(claimed(keyed(keyed(led(), 1, 5), 2, 5), 1), 1, MessageState::Failed);
    let again = failed.at(1_000).push(Kind::Judged { message, from, to: MessageState::Pending });
    fine(claimed(again.at(9_000), 1));
}

#[test]
fn each_waits_for_those_before_it_while_they_move() {
    // The last of many waits as long as it takes to serve the others, and no longer.
    let mut script = led();
    for number in 1..=2_000 {
        script = script.enqueued(number);
    }
    for number in 1..2_000 {
        let at = u64::from(number) * 10;
        script = moved(claimed(script.at(at), number).at(at + 8), number, MessageState::Delivered);
    }
    let served = claimed(script.at(29_000), 2_000);
    fine(served);
}

#[test]
fn no_store_no_sink_no_turn() {
    fine(service(led().enqueued(1), Spot::Database, false));
    fine(service(led().enqueued(1), Spot::Sink, false));
    let back = service(service(led().enqueued(1), Spot::Sink, false).at(30_000), Spot::Sink, true);
    broken(back);
    let late = service(service(led().enqueued(1), Spot::Sink, false).at(55_000), Spot::Sink, true);
    fine(late);
}

#[test]
fn a_leader_that_lost_its_store_may_not_stay_where_others_reach_it() {
    let alone = |script: Script| {
        let state = crate::history::LinkState { cut: true, ..script.setting.pace.usual() };
        let link = (Spot::Node(node(1)), Spot::Database, state);
        script.push(Kind::World(WorldEvent::Links(vec![link])))
    };
    broken(alone(led().enqueued(1)));
    alone(led().enqueued(1)).at(20_000).push(Kind::End).check(&ORACLE);
    // Nobody else could lead either.
    fine(alone(led().enqueued(1)).down(2).down(3));
}

#[test]
fn whoever_takes_over_begins_anew() {
    let script = led_until(5_000).enqueued(1).at(12_000).lease(2, 2, 1_000_000).guard(2, 2);
    fine(claimed(script.at(21_000), 1));
    broken(led_until(5_000).enqueued(1).at(12_000).lease(2, 2, 1_000_000).guard(2, 2));
}

#[test]
fn an_election_only_run_has_nothing_to_deliver() {
    let mut script = led().enqueued(1);
    script.setting.delivers = false;
    fine(script);
}
