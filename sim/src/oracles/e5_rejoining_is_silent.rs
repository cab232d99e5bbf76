//! E5: a rejoining node says nothing that counts: from its start without its state, or from the
//! moment that it drops it, until its new state is durable, it sends no vote, no pre-vote, no lease
//! acknowledgement and no answer to another that rejoins; an observer never does.
//!
//! Guards the election layer: what such a node said would be said by somebody who has forgotten
//! what it promised (Michael, Ports, Sharma, Szekeres, DISC 2017, §4). Judged by what was durable,
//! not by what the node says it is.

use fencepost::{Identity, Incarnation, NodeId};

use super::few::Few;
use super::lists::Lists;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageKind};

/// Who forgot keeps silent.
pub const ORACLE: Oracle = Oracle {
    property: "E5",
    says: "a rejoining node sends nothing that counts, and an observer never does",
    layer: "election",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    // Which life of the node is durable, if any.
    let mut lives: Few<NodeId, Incarnation> = Few::default();
    let mut lists = Lists::new(setting);
    for (index, event) in history.events().iter().enumerate() {
        lists.note(&event.kind);
        match &event.kind {
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                lives.remove(node);
            }
            Kind::Started { node, hard } | Kind::Persisted { node, hard } => {
                lives.insert(*node, hard.incarnation);
            }
            Kind::Rejoins { boot, .. } => {
                lives.insert(boot.node, Incarnation::NONE);
            }
            Kind::Sent { from, what, .. } => {
                let votes = lists.of(from.node).contains(&from.node);
                let life = lives.get(&from.node).copied().unwrap_or(Incarnation::NONE);
                if !allowed(*from, *what, votes, life) {
                    report.add(index, event, || {
                        let who = if votes { "rejoins" } else { "has no vote" };
                        format!("{} {who} and sent {what:?} as {from}", from.node)
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}

/// Whether a node may say this, of which `life` is durable.
fn allowed(from: Identity, what: MessageKind, votes: bool, life: Incarnation) -> bool {
    use MessageKind as M;
    match what {
        M::Rejoining | M::Register | M::Superseded | M::Voters | M::Leaving => true,
        M::Observing | M::HeartbeatAck if !votes => true,
        _ => votes && life != Incarnation::NONE && life == from.incarnation,
    }
}

#[cfg(test)]
mod tests {
    use fencepost::election::{HardState, Rejoins};
    use fencepost::{Boot, Term};

    use super::super::testing::{GENERATION, Script, id, node};
    use super::*;
    use crate::history::Arrivals;
    use MessageKind::{HeartbeatAck, Observing, Register, Rejoining, VoteReply};

    fn forgot() -> Script {
        Script::new().booted(1, 1).push(Kind::Started { node: node(1), hard: HardState::default() })
    }

    fn sends(script: Script, from: Identity, what: MessageKind) -> Script {
        let (generation, to, term, vote, release) = (GENERATION, node(2), Term(1), None, None);
        let arrives = Arrivals::Untold;
        script.push(Kind::Sent { from, to, generation, term, what, vote, release, arrives })
    }

    #[test]
    fn asking_and_registering_are_fine() {
        let nobody = Identity { node: node(1), incarnation: Incarnation::NONE };
        let script = sends(sends(forgot(), nobody, Rejoining), id(1), Register);
        script.persisted(1, 3, None).sent(1, 2, 3, VoteReply).check(&ORACLE);
    }

    #[test]
    fn anything_that_counts_waits_for_a_durable_life() {
        let nobody = Identity { node: node(1), incarnation: Incarnation::NONE };
        for what in [VoteReply, HeartbeatAck, MessageKind::Registered, MessageKind::Heartbeat] {
            sends(forgot().bad(), nobody, what).check(&ORACLE);
            sends(forgot().bad(), id(1), what).check(&ORACLE);
        }
        // One that ran and dropped its state.
        let boot = Boot { node: node(1), nonce: 7 };
        let dropped = Kind::Rejoins { boot, reason: Rejoins::Superseded };
        let script = forgot().persisted(1, 3, None).push(dropped);
        sends(script.bad(), id(1), HeartbeatAck).check(&ORACLE);
        // One that speaks for another life than its own.
        let second = Identity { node: node(1), incarnation: Incarnation(2) };
        sends(forgot().persisted(1, 3, None).bad(), second, VoteReply).check(&ORACLE);
    }

    #[test]
    fn observers_only_observe() {
        let observer = Identity { node: node(9), incarnation: Incarnation::NONE };
        let script = sends(sends(Script::new(), observer, Observing), observer, HeartbeatAck);
        sends(script.bad(), observer, VoteReply).check(&ORACLE);
    }
}
