//! E3: each election is backed by a majority of distinct configured voters, the elected one among
//! them, and each of their votes was really granted, in that term, to that incarnation, and had
//! arrived.
//!
//! Guards the election layer. ⌊N/2⌋+1 of the *configured* voters, by voter and not by message:
//! Ongaro 2014, §3.4. That no vote is superseded (Michael, Ports, Sharma, Szekeres: "Recovering
//! Shared Objects Without Stable Storage", DISC 2017, §4) is judged by what each voter of the
//! certificate had made durable of the others' incarnations before it voted, not by what the
//! election says it counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use fencepost::election::CrashVector;
use fencepost::{Generation, Identity, NodeId, Term};

use super::lists::Lists;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{Arrivals, History, Kind, MessageKind, SimTime};

/// A majority stands behind every election.
pub const ORACLE: Oracle = Oracle {
    property: "E3",
    says: "each election is backed by a majority of votes that were really granted",
    layer: "election",
    check,
};

/// Granted votes: (generation, term, candidate, voter).
type Grants = BTreeMap<(Generation, Term, Identity, Identity), Grant>;

#[derive(Default)]
struct Grant {
    /// When the first copy arrives, if any does.
    arrives: Option<SimTime>,
    /// What the voter knew.
    known: Arc<CrashVector>,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut grants = Grants::new();
    let mut known: BTreeMap<NodeId, Arc<CrashVector>> = BTreeMap::new();
    let mut lists = Lists::new(setting);
    for (index, event) in history.events().iter().enumerate() {
        lists.note(&event.kind);
        match &event.kind {
            Kind::Started { node, hard } | Kind::Persisted { node, hard } => {
                known.insert(*node, Arc::clone(&hard.known));
            }
            Kind::Sent {
                from,
                to,
                generation,
                term,
                what,
                vote: Some((candidate, true)),
                arrives,
                ..
            } if *what == MessageKind::VoteReply && *to == candidate.node => {
                let key = (*generation, *term, *candidate, *from);
                let grant = grants.entry(key).or_default();
                grant.known = known.get(&from.node).cloned().unwrap_or_default();
                let first = &mut grant.arrives;
                let told = match arrives {
                    // Nobody knows better: it may have arrived at once.
                    Arrivals::Untold => Some(event.at),
                    Arrivals::At(_) => arrives.times().min(),
                };
                *first = first.iter().copied().chain(told).min();
            }
            Kind::Elected { leader, generation, term, certificate } => {
                let of = |voter: Identity| grants.get(&(*generation, *term, *leader, voter));
                let own = known.get(&leader.node).cloned().unwrap_or_default();
                if let Some(flaw) = flaw(lists.of(leader.node), &of, *leader, certificate)
                    .or_else(|| superseded(&of, &own, certificate))
                    .or_else(|| late_vote(&of, *leader, certificate, event.at))
                {
                    report.add(index, event, || {
                        format!("{leader} was elected in term {term} by {certificate:?}: {flaw}")
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}

/// The first thing that is wrong with a certificate.
fn flaw<'g>(
    voters: &[NodeId],
    grant: &dyn Fn(Identity) -> Option<&'g Grant>,
    leader: Identity,
    certificate: &[Identity],
) -> Option<String> {
    let majority = voters.len() / 2 + 1;
    if certificate.len() < majority {
        return Some(format!("{} votes, a majority is {majority}", certificate.len()));
    }
    if !certificate.contains(&leader) {
        return Some("its own vote is missing".to_owned());
    }
    for (index, voter) in certificate.iter().enumerate() {
        if !voters.contains(&voter.node) {
            return Some(format!("{voter} is no configured voter"));
        }
        if certificate[..index].iter().any(|other| other.node == voter.node) {
            return Some(format!("{} is counted twice", voter.node));
        }
        if *voter != leader && grant(*voter).is_none() {
            return Some(format!("{voter} never sent it this vote"));
        }
    }
    None
}

/// A vote of an incarnation that another voter of the certificate knew to be over.
fn superseded<'g>(
    grant: &dyn Fn(Identity) -> Option<&'g Grant>,
    own: &CrashVector,
    certificate: &[Identity],
) -> Option<String> {
    certificate.iter().find_map(|voter| {
        let theirs = certificate.iter().filter_map(|other| Some((*other, &*grant(*other)?.known)));
        let newer = theirs.map(|(other, known)| (other.to_string(), known.of(voter.node)));
        let mut newer = newer.chain([("itself".to_owned(), own.of(voter.node))]);
        let (who, newest) = newer.find(|(_, newest)| *newest > voter.incarnation)?;
        Some(format!("{voter} is over: {who} knew {newest}"))
    })
}

/// A vote of a sound certificate that had not arrived. Only if the history tells arrivals at all: a
/// transport that does not know them leaves every one of them out.
fn late_vote<'g>(
    grant: &dyn Fn(Identity) -> Option<&'g Grant>,
    leader: Identity,
    certificate: &[Identity],
    now: SimTime,
) -> Option<String> {
    let arrived = |voter: &Identity| {
        let arrives = grant(*voter).and_then(|grant| grant.arrives);
        *voter == leader || arrives.is_some_and(|arrives| arrives <= now)
    };
    let late = certificate.iter().find(|voter| !arrived(voter))?;
    Some(format!("the vote of {late} had not arrived"))
}
