//! What of everything that can be said a node may say that has nothing to say yet.

use std::collections::BTreeSet;

use super::super::testing::{START, life};
use super::*;

fn all() -> Vec<Body> {
    let (to, boot) = (life(1, 1), Boot { node: life(1, 1).node, nonce: 7 });
    let (incarnation, known) = (Incarnation::FIRST, Arc::default());
    vec![
        Body::PreVote,
        Body::PreVoteReply { to, asked: Term(1), granted: true },
        Body::VoteRequest { release: None },
        Body::VoteReply { to, granted: true, known: Arc::clone(&known) },
        Body::Heartbeat { round: 1, view: Arc::default() },
        Body::HeartbeatAck { to, round: 1, reading: START, nonce: 7, priority: 0 },
        Body::NewerTerm { to },
        Body::TakeOver { to },
        Body::Leaving,
        Body::Rejoining { nonce: 7, heard: Generation::NONE, stuck: false },
        Body::Known { to: boot, incarnation },
        Body::Register { nonce: 7 },
        Body::Registered { to: boot, incarnation, known },
        Body::RollCall { roll: Arc::default() },
        Body::NewerGeneration,
        Body::Superseded { to, by: incarnation },
        Body::Voters { voters: Arc::default(), asks: true },
        Body::Observing,
    ]
}

/// E5: whatever may be said without being operational counts for no election, no lease and nobody's
/// recovery.
#[test]
fn what_may_be_said_by_nobody_counts_for_nothing() {
    let named = |pick: fn(&Body) -> bool| -> Vec<_> {
        all().iter().filter(|body| pick(body)).map(Body::name).collect()
    };
    let harmless = ["leaving", "rejoining", "register", "superseded", "voters", "observing"];
    assert_eq!(named(Body::is_harmless), harmless);
    let of_observers = ["heartbeat ack", "leaving", "voters", "observing"];
    assert_eq!(named(Body::is_of_observers), of_observers);
}

#[test]
fn each_has_a_name_of_its_own() {
    let names: BTreeSet<_> = all().iter().map(Body::name).collect();
    assert_eq!(names.len(), all().len());
}
