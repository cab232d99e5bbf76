//! Events as lines that people can read: the moment, the node, and what happened to it.

use fencepost::election::Release;
use fencepost::{Identity, Instant, NodeId};

use crate::history::{Arrivals, Event, Kind, SimTime};

/// One event as a line: `     1.200000 s  n2    elected in term 3 by n2, n3`.
pub fn line(event: &Event) -> String {
    let place = match place(&event.kind) {
        Some(node) => node.to_string(),
        None => outside(&event.kind).to_owned(),
    };
    format!("{:>16}  {place:<5} {}", event.at.to_string(), text(&event.kind))
}

/// The node to which it happened, if it happened to one.
pub fn place(kind: &Kind) -> Option<NodeId> {
    match kind {
        Kind::Booted { node, .. }
        | Kind::Listed { node, .. }
        | Kind::StopAsked { node }
        | Kind::Down { node, .. }
        | Kind::Paused { node }
        | Kind::Resumed { node }
        | Kind::ClockRate { node, .. }
        | Kind::WallStep { node, .. }
        | Kind::Started { node, .. }
        | Kind::Persisted { node, .. }
        | Kind::LeaseExtended { node, .. }
        | Kind::SteppedDown { node, .. }
        | Kind::Status { node, .. }
        | Kind::ClaimStarted { node, .. }
        | Kind::ClaimEnded { node, .. }
        | Kind::SendStarted { node, .. }
        | Kind::SendEnded { node, .. }
        | Kind::DiskDamaged { node }
        | Kind::AskedToStepDown { node, .. }
        | Kind::Released { node, .. }
        | Kind::PromiseReleased { node, .. }
        | Kind::ClockWatch { node, .. }
        | Kind::PromiseTooShort { node, .. }
        | Kind::VotersClash { node, .. } => Some(*node),
        Kind::Rejoins { boot, .. } => Some(boot.node),
        Kind::Rejoined { who, .. } => Some(who.node),
        Kind::Sent { from, .. } => Some(from.node),
        Kind::Elected { leader, .. } => Some(leader.node),
        Kind::GuardIssued { holder, .. } => Some(holder.node),
        Kind::Work(event) => event.node(),
        Kind::Job(event) => event.node(),
        _ => None,
    }
}

/// Where it happened if not on a node.
pub(super) fn outside(kind: &Kind) -> &'static str {
    match kind {
        Kind::DatabaseWallStep { .. }
        | Kind::SetBack { .. }
        | Kind::Enqueued { .. }
        | Kind::Activated { .. }
        | Kind::RollCalled { .. }
        | Kind::Claimed { .. }
        | Kind::Work(_)
        | Kind::Moved { .. }
        | Kind::Parked { .. }
        | Kind::Judged { .. }
        | Kind::Fenced { .. }
        | Kind::Job(_)
        | Kind::Final { .. } => "db",
        Kind::Effect { .. } | Kind::NoEffect { .. } => "sink",
        _ => "-",
    }
}

/// What happened.
pub fn text(kind: &Kind) -> String {
    match kind {
        Kind::Phase(phase) => format!("phase: {phase:?}"),
        Kind::Fault { line, .. } => format!("fault: {line}"),
        Kind::FaultMissed { line } => format!("fault without effect: {line}"),
        Kind::FaultEnded { line } => format!("fault ended: {line}"),
        Kind::World(event) => event.to_string(),
        Kind::Booted { boot, .. } => format!("process {boot} runs"),
        Kind::Listed { voters, .. } => format!("its voters are n1 to n{voters} from now on"),
        Kind::StopAsked { .. } => "is told to stop".to_owned(),
        Kind::Down { graceful: true, .. } => "process ended".to_owned(),
        Kind::Down { graceful: false, .. } => "process killed".to_owned(),
        Kind::Paused { .. } => "stands still".to_owned(),
        Kind::Resumed { .. } => "runs on".to_owned(),
        Kind::ClockRate { reading, ppm, within_bound, .. } => format!(
            "monotonic clock at {}, {ppm:+} ppm, {} the bound",
            own(*reading),
            if *within_bound { "within" } else { "outside" }
        ),
        Kind::WallStep { by_ms, .. } | Kind::DatabaseWallStep { by_ms } => {
            format!("wall clock steps by {by_ms:+} ms")
        }
        Kind::SetBack { generation, floor, messages, .. } => format!(
            "set back: floor {floor}, generation {generation}, {} messages stand elsewhere",
            messages.len()
        ),
        Kind::Started { hard, .. } => format!("starts from {hard:?}"),
        Kind::Persisted { hard, .. } => format!("persisted {hard:?}"),
        Kind::Sent { to, term, what, vote, arrives, .. } => {
            let vote = vote.map(|(whom, granted)| {
                format!(" {} {whom}", if granted { "for" } else { "not for" })
            });
            let copies: Vec<_> = arrives.times().map(|at| format!("arrives at {at}")).collect();
            let fate = match arrives {
                Arrivals::Untold => "on its way".to_owned(),
                Arrivals::At(_) if copies.is_empty() => "lost".to_owned(),
                Arrivals::At(_) => copies.join(" and "),
            };
            let vote = vote.unwrap_or_default();
            format!("sends {what:?}{vote} in term {term} to {to}: {fate}")
        }
        Kind::Elected { generation, term, certificate, .. } => {
            let by = identities(certificate);
            format!("elected in term {term} of generation {generation} by {by}")
        }
        Kind::LeaseExtended { term, until, .. } => {
            format!("lease of term {term} lasts until {} on its clock", own(*until))
        }
        Kind::SteppedDown { term, reason, .. } => {
            format!("leads term {term} no longer: {reason:?}")
        }
        Kind::Rejoins { boot, reason } => format!("rejoins as {boot}: {reason:?}"),
        Kind::Rejoined { who, generation, by_roll } => {
            let how = if *by_roll { "by the roll" } else { "by registering" };
            format!("operational as {who} in generation {generation}, {how}")
        }
        Kind::DiskDamaged { .. } => "finds its hard state damaged".to_owned(),
        Kind::AskedToStepDown { term, .. } => format!("asked to give term {term} up"),
        Kind::Released { term, successor, .. } => {
            let whom = successor.map_or("nobody".to_owned(), |node| node.to_string());
            format!("releases the lease of term {term}, asks {whom} to take over")
        }
        Kind::PromiseReleased { promised_to, term, release, .. } => {
            let whom = promised_to.map_or("nobody".to_owned(), |leader| leader.to_string());
            let Release { leader, term: released } = release;
            format!(
                "freed of its promise to {whom} in term {term} by the release of {leader} in term \
                 {released}"
            )
        }
        Kind::ClockWatch { peer, within: true, .. } => format!("trusts the clock of {peer} again"),
        Kind::ClockWatch { peer, .. } => format!("sees the clock of {peer} outside the bound"),
        Kind::PromiseTooShort { peer, .. } => {
            format!("does not count the promises of {peer}: too short")
        }
        Kind::VotersClash { peer, .. } => format!("refuses the list of voters of {peer}"),
        Kind::GuardIssued { holder, token } => format!("guard with token {token} for {holder}"),
        Kind::Status { role, term, leader, .. } => {
            let leader = leader.map_or("nobody".to_owned(), |node| node.to_string());
            format!("says: {role:?}, term {term}, leader {leader}")
        }
        Kind::ClaimStarted { token, message, .. } => {
            format!("asks to claim {message} with token {token}")
        }
        Kind::ClaimEnded { token, message, how, .. } => {
            format!("question for {message} with token {token} ended: {how:?}")
        }
        Kind::SendStarted { token, message, key, .. } => {
            format!("begins to send {message} under key {key} with token {token}")
        }
        Kind::SendEnded { token, message, outcome, .. } => {
            format!("send of {message} with token {token} ended: {outcome:?}")
        }
        Kind::Enqueued { message, key: None } => format!("{message} written"),
        Kind::Enqueued { message, key: Some(key) } => format!("{message} written, of key k{key}"),
        Kind::Activated { generation, token, holder, again } => {
            let verb = if *again { "confirmed at" } else { "raised to" };
            format!("floor {verb} {token} for {holder} in generation {generation}")
        }
        Kind::RollCalled { generation, boots, floor } => {
            let boots = boots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("generation {generation} begins with {boots}; the floor stays {floor}")
        }
        Kind::Claimed { node, token, message } => {
            format!("{message} claimed by {node} under token {token}")
        }
        Kind::Work(event) => event.to_string(),
        Kind::Moved { token, message, from, to, proof } => {
            let proof = proof.map(|proof| format!(", proof: {proof:?}")).unwrap_or_default();
            format!("{message} {} → {} under token {token}{proof}", from.name(), to.name())
        }
        Kind::Parked { token, message } => {
            format!("{message} is left to a person under token {token}")
        }
        Kind::Judged { message, from, to } => {
            format!("{message} {} → {} by a person's verdict", from.name(), to.name())
        }
        Kind::Fenced { token, floor } => format!("refused token {token}: the floor is {floor}"),
        Kind::Job(event) => event.to_string(),
        Kind::Effect { message, key, token, node } => {
            format!("{message} takes effect under key {key}, sent by {node} with token {token}")
        }
        Kind::NoEffect { message, token, why } => {
            format!("{message} with token {token} has no effect: {why:?}")
        }
        Kind::Final { message, state, parked } => {
            format!("{message} ends {}{}", state.name(), if *parked { ", parked" } else { "" })
        }
        Kind::End => "end of the run".to_owned(),
    }
}

/// A reading of a node's own clock, written as true time is.
fn own(reading: Instant) -> SimTime {
    SimTime(reading.0)
}

fn identities(all: &[Identity]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use fencepost::store::MessageState;
    use fencepost::{Boot, Generation, Term, Token};

    use super::*;
    use crate::faults::plan::node;
    use crate::history::{MessageKind, MessageNo, ProofKind};

    #[test]
    fn a_line_shows_moment_and_place_and_what() {
        let line = |kind| line(&Event { at: SimTime(1_200_000_000), kind });
        assert_eq!(line(Kind::Paused { node: node(2) }), "      1.200000 s  n2    stands still");
        let message = MessageNo(17);
        let written = line(Kind::Enqueued { message, key: None });
        assert_eq!(written, "      1.200000 s  db    m17 written");
        let moved = line(Kind::Moved {
            token: Token(3),
            message,
            from: MessageState::InDoubt,
            to: MessageState::Pending,
            proof: Some(ProofKind::Deduplicated),
        });
        let parked = line(Kind::Parked { token: Token(3), message });
        assert!(parked.ends_with("db    m17 is left to a person under token 3"), "{parked}");
        let roll = line(Kind::RollCalled {
            generation: Generation::stored(2),
            boots: vec![Boot { node: node(1), nonce: 255 }, Boot { node: node(3), nonce: 0 }],
            floor: Token(7),
        });
        let said = "db    generation 2 begins with n1#00000000000000ff, n3#0000000000000000; \
                    the floor stays 7";
        assert!(roll.ends_with(said), "{roll}");
        assert!(moved.ends_with("m17 in doubt → pending under token 3, proof: Deduplicated"));
        let from = Identity { node: node(1), incarnation: fencepost::Incarnation::FIRST };
        let sent = line(Kind::Sent {
            from,
            to: node(2),
            generation: Generation::stored(1),
            term: Term(4),
            what: MessageKind::VoteReply,
            vote: Some((from, false)),
            release: None,
            arrives: Arrivals::At([Some(SimTime(1)), Some(SimTime(2_000))]),
        });
        assert!(sent.contains("  n1    sends VoteReply not for "), "{sent}");
        assert!(sent.ends_with("arrives at 0.000000 s and arrives at 0.000002 s"), "{sent}");
    }
}
