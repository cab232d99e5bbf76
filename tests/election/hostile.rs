//! Any message at all, from anyone: no panic, no second vote, no term that falls, no life that comes
//! back. A liar may elect whom it likes and make a node rejoin; it may not break the node's word.

use std::sync::Arc;

use fencepost::election::{
    Body, ConfigId, CrashVector, Election, Input, Message, Release, Role, Roll, View,
};
use fencepost::{Boot, Generation, Identity, Incarnation, Instant, NodeId, Term};
use proptest::prelude::*;

use crate::network::{Parcel, What};
use crate::setting::{Setting, node};
use crate::world::World;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..6, 1 => Just(1 << 33), 1 => Just(i64::MAX as u64), 1 => Just(u64::MAX)]
}

fn identity() -> impl Strategy<Value = Identity> {
    (0usize..5, prop_oneof![4 => 0u64..4, 1 => number()])
        .prop_map(|(n, i)| Identity { node: node(n), incarnation: Incarnation(i) })
}

/// Small nonces are made true: 0 is the receiver's own.
fn boot() -> impl Strategy<Value = Boot> {
    (0usize..4, 0u64..3).prop_map(|(n, nonce)| Boot { node: node(n), nonce })
}

fn generation() -> impl Strategy<Value = Generation> {
    let roll = prop_oneof![4 => Just(0), 1 => 0u64..3];
    let some = (number(), roll).prop_map(|(number, roll)| Generation { number, roll });
    prop_oneof![5 => (0u64..3).prop_map(Generation::stored), 1 => some]
}

fn vector() -> impl Strategy<Value = Arc<CrashVector>> {
    prop::collection::vec(identity(), 0..5).prop_map(|all| Arc::new(all.into_iter().collect()))
}

fn list() -> impl Strategy<Value = Vec<NodeId>> {
    prop_oneof![4 => Just(3usize), 1 => 0..18usize].prop_map(|count| (0..count).map(node).collect())
}

fn body() -> impl Strategy<Value = Body> {
    let vote = (identity(), any::<bool>(), vector());
    let ack = (identity(), number(), any::<u64>(), number(), any::<u8>());
    let roll = (generation(), number(), prop::collection::vec(boot(), 0..4));
    let release = prop::option::of(
        (identity(), number()).prop_map(|(leader, term)| Release { leader, term: Term(term) }),
    );
    prop_oneof![
        Just(Body::PreVote),
        (identity(), number(), any::<bool>()).prop_map(|(to, asked, granted)| {
            Body::PreVoteReply { to, asked: Term(asked), granted }
        }),
        release.prop_map(|release| Body::VoteRequest { release }),
        vote.prop_map(|(to, granted, known)| Body::VoteReply { to, granted, known }),
        (number(), any::<u64>()).prop_map(|(round, version)| {
            let view = Arc::new(View { version, participants: vec![node(7)] });
            Body::Heartbeat { round, view }
        }),
        ack.prop_map(|(to, round, reading, nonce, priority)| {
            Body::HeartbeatAck { to, round, reading: Instant(reading), nonce, priority }
        }),
        identity().prop_map(|to| Body::NewerTerm { to }),
        identity().prop_map(|to| Body::TakeOver { to }),
        Just(Body::Leaving),
        (number(), generation(), any::<bool>()).prop_map(|(nonce, heard, stuck)| Body::Rejoining {
            nonce,
            heard,
            stuck
        }),
        (boot(), number()).prop_map(|(to, i)| Body::Known { to, incarnation: Incarnation(i) }),
        number().prop_map(|nonce| Body::Register { nonce }),
        (boot(), number(), vector()).prop_map(|(to, i, known)| {
            Body::Registered { to, incarnation: Incarnation(i), known }
        }),
        roll.prop_map(|(generation, floor, boots)| {
            Body::RollCall { roll: Arc::new(Roll { generation, floor: Term(floor), boots }) }
        }),
        Just(Body::NewerGeneration),
        (identity(), number()).prop_map(|(to, by)| Body::Superseded { to, by: Incarnation(by) }),
        (list(), any::<bool>())
            .prop_map(|(voters, asks)| Body::Voters { voters: Arc::new(voters), asks }),
        Just(Body::Observing),
    ]
}

/// A message and the time that passes before it.
pub fn any_message() -> impl Strategy<Value = (Message, u64)> {
    let config = prop_oneof![6 => Just(3usize), 1 => 0..6usize]
        .prop_map(|count| ConfigId::of(&(0..count).map(node).collect::<Vec<_>>()));
    let promise = prop_oneof![6 => Just(u64::MAX), 1 => any::<u64>()];
    (identity(), generation(), config, promise, number(), body(), 0u64..120).prop_map(
        |(from, generation, config, promise, term, body, ms)| {
            (Message { from, generation, config, promise, term: Term(term), body }, ms)
        },
    )
}

/// As far as a liar can guess: whom it answers, and what was asked last.
fn aim(mut message: Message, at: &Election) -> Message {
    let me = at.boot();
    let own = |to: &mut Boot| {
        if to.nonce == 0 {
            *to = me;
        }
    };
    match &mut message.body {
        Body::Known { to, .. } | Body::Registered { to, .. } => own(to),
        Body::RollCall { roll } => Arc::make_mut(roll).boots.iter_mut().for_each(own),
        _ => {}
    }
    message
}

/// Feeds one node lies, and what it says and does is checked like that of any other.
fn survives(empty: bool, store: bool, index: usize, messages: &[(Message, u64)], seed: u32) {
    let observers = usize::from(index == 3);
    let setting = Setting { empty, store, observers, seed: seed.into(), ..Setting::of(3) };
    let mut world = World::new(setting);
    world.checks.lies = true;
    for (message, ms) in messages {
        world.pass(*ms);
        world.tick_if_due(index);
        let message = aim(message.clone(), world.of(index));
        world.send(Parcel::new(1, index, What::Message(message)));
        world.deliver_where(|_, to, _| to == index);
        world.network.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn lies_break_no_word(
        empty in any::<bool>(),
        store in any::<bool>(),
        index in prop_oneof![3 => Just(0usize), 1 => Just(3)],
        messages in prop::collection::vec(any_message(), 1..80),
        seed in any::<u32>(),
    ) {
        survives(empty, store, index, &messages, seed);
    }
}

/// What a node does of itself, whatever names were forged to it.
const UNEXCUSED: &[&str] = &["E2", "E4", "E5", "L2", "L3"];

/// Lies to whole cluster, among what its nodes honestly say, and then no more: it is led again, and
/// everybody takes part, though nothing was restarted.
fn recovers(voters: usize, store: bool, lies: &[(Message, u64, usize)], seed: u32) {
    let setting = Setting { store, observers: 1, seed: seed.into(), ..Setting::of(voters) };
    let mut world = World::new(setting);
    (world.checks.lies, world.checks.strict) = (true, false);
    world.run(400);
    for (message, ms, to) in lies {
        world.run(*ms / 4);
        let to = to % (voters + 1);
        let message = aim(message.clone(), world.of(to));
        world.handle(to, Input::Message(message.into()));
    }
    // As long as it takes to begin anew, twice over, and to start cold in between.
    let well = (0..20).any(|_| {
        world.run(1_000);
        let led = world.leader().map(node);
        let follows = |index| {
            let election = world.of(index);
            election.leader() == led && election.role() != Role::Rejoining
        };
        led.is_some() && (0..=voters).all(follows)
    });
    let violations = &world.checks.violations;
    let own: Vec<_> = violations.iter().filter(|(p, _)| UNEXCUSED.contains(p)).collect();
    assert!(own.is_empty(), "{own:?}");
    let state = |index: usize| {
        let election = world.of(index);
        let (role, generation, term) = (election.role(), election.generation(), election.term());
        let known: Vec<_> = election.hard_state().known.iter().collect();
        format!("{} {role:?} {generation} {term} {known:?} {:?}", election.me(), election.leader())
    };
    assert!(well, "{:#?}", (0..=voters).map(state).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn when_the_lies_end_all_is_well_again(
        voters in 3..=5usize,
        store in any::<bool>(),
        lies in prop::collection::vec(
            (any_message(), 0..6usize).prop_map(|((message, ms), to)| (message, ms, to)),
            1..200,
        ),
        seed in any::<u32>(),
    ) {
        recovers(voters, store, &lies, seed);
    }
}
