//! One node of an election by itself, for tests of single decisions: what it hears, and what it does
//! about it at that very moment. What becomes of several nodes is told in `tests/election`.

use std::sync::Arc;

use super::{Body, ColdStart, Config, Effect, Election, Event, HardState, Input, Message};
use crate::id::{Identity, Incarnation, NodeId, Term};
use crate::time::Instant;

/// Where the clock of a node stands when it starts.
pub(super) const START: Instant = Instant(5_000_000_000);

pub(super) const MS: u64 = 1_000_000;

/// The default timing, in nanoseconds: H, L, A and Q, E, J.
pub(super) const HEARTBEAT: u64 = 100 * MS;
pub(super) const LEASE: u64 = 900 * MS;
pub(super) const QUARANTINE: u64 = 950 * MS;
pub(super) const TIMEOUT: u64 = 1_000 * MS;
pub(super) const JITTER: u64 = 500 * MS;

/// When the quarantine of a node is over that started at [`START`].
pub(super) const AWAKE: Instant = Instant(START.0 + QUARANTINE);

pub(super) fn name(node: usize) -> NodeId {
    format!("n{node:02}").parse().expect("a name")
}

/// n01 to that many.
pub(super) fn names(count: usize) -> Vec<NodeId> {
    (1..=count).map(name).collect()
}

pub(super) fn life(node: usize, incarnation: u64) -> Identity {
    Identity { node: name(node), incarnation: Incarnation(incarnation) }
}

/// n01 of so many voters, which were all on the roll of a first generation; it draws no jitter.
pub(super) fn voter(voters: usize) -> Election {
    let hard = HardState::at_first_start(&names(voters));
    start(Config::of_voter(name(1), names(voters)), Some(hard))
}

/// n01 of so many voters, which remembers nothing.
pub(super) fn forgetful(voters: usize, cold_start: ColdStart) -> Election {
    start(Config { cold_start, ..Config::of_voter(name(1), names(voters)) }, None)
}

pub(super) fn start(config: Config, remembered: Option<HardState>) -> Election {
    Election::without_chance(config, remembered, 7, START).expect("a valid configuration")
}

/// n01 of so many voters, elected by n02 and as many more as it takes at the end of its quarantine. It
/// holds no lease yet.
pub(super) fn elected(voters: usize) -> Election {
    let mut leader = voter(voters);
    let (me, asked) = (leader.me(), leader.term());
    handle(&mut leader, AWAKE, Input::Tick);
    for node in 2..=voters / 2 + 1 {
        hear(
            &mut leader,
            AWAKE,
            life(node, 1),
            Body::PreVoteReply { to: me, asked, granted: true },
        );
    }
    for node in 2..=voters / 2 + 1 {
        let vote = Body::VoteReply { to: me, granted: true, known: Arc::default() };
        hear(&mut leader, AWAKE, life(node, 1), vote);
    }
    assert_eq!(leader.role(), super::Role::Leader);
    leader
}

/// As [`elected`], with a lease from that moment on.
pub(super) fn leader(voters: usize) -> Election {
    let mut leader = elected(voters);
    for node in 2..=voters / 2 + 1 {
        acknowledge(&mut leader, AWAKE, life(node, 1), 1);
    }
    assert_eq!(leader.lease_until(), Some(AWAKE.plus(LEASE)));
    leader
}

pub(super) fn handle(election: &mut Election, now: Instant, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    election.handle(now, input, &mut effects);
    effects
}

/// What a life of a node would say to `to` in `to`'s own generation and term, with its list.
pub(super) fn said(to: &Election, from: Identity, body: Body) -> Message {
    let config = to.fixed.id;
    Message { from, generation: to.generation(), config, promise: u64::MAX, term: to.term(), body }
}

pub(super) fn receive(election: &mut Election, now: Instant, message: &Message) -> Vec<Effect> {
    handle(election, now, Input::Message(message.clone().into()))
}

pub(super) fn hear(
    election: &mut Election,
    now: Instant,
    from: Identity,
    body: Body,
) -> Vec<Effect> {
    let message = said(election, from, body);
    receive(election, now, &message)
}

/// As [`hear`], in another term.
pub(super) fn hear_in(
    election: &mut Election,
    now: Instant,
    term: u64,
    from: Identity,
    body: Body,
) -> Vec<Effect> {
    let message = Message { term: Term(term), ..said(election, from, body) };
    receive(election, now, &message)
}

/// An acknowledgement of that heartbeat, from a voter whose clock is this node's.
pub(super) fn acknowledge(
    leader: &mut Election,
    now: Instant,
    from: Identity,
    round: u64,
) -> Vec<Effect> {
    let (to, priority) = (leader.me(), super::MAX_PRIORITY);
    hear(leader, now, from, Body::HeartbeatAck { to, round, reading: now, nonce: 7, priority })
}

/// What was said, and to whom.
pub(super) fn sent(effects: &[Effect]) -> Vec<(NodeId, &Body)> {
    let mut said = Vec::new();
    for effect in effects {
        if let Effect::Send { to, message } = effect {
            said.push((*to, &message.body));
        }
    }
    said
}

/// What was told to the world outside.
pub(super) fn told(effects: &[Effect]) -> Vec<&Event> {
    let mut events = Vec::new();
    for effect in effects {
        if let Effect::Event(event) = effect {
            events.push(event);
        }
    }
    events
}
