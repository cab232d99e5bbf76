//! E3: each election is backed by a majority of distinct configured voters, the elected one among
//! them, and each of their votes was really granted, in that term, to that incarnation, and had
//! arrived.
//!
//! Guards the election layer. ⌊N/2⌋+1 of the *configured* voters, by voter and not by message:
//! Ongaro 2014, §3.4. That no vote is superseded (Michael, Ports, Sharma, Szekeres: "Recovering
//! Shared Objects Without Stable Storage", DISC 2017) comes down to "no two lives of one voter"
//! while disks are kept, and distinct voters say that.

use std::collections::BTreeMap;

use fencepost::{Identity, NodeId, Term};

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

/// Granted votes: (term, candidate, voter), and when the first copy arrives, if any does.
type Grants = BTreeMap<(Term, Identity, Identity), Option<SimTime>>;

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut grants = Grants::new();
    for (index, event) in history.events().iter().enumerate() {
        match &event.kind {
            Kind::Sent { from, to, term, what, vote: Some((candidate, true)), arrives }
                if *what == MessageKind::VoteReply && *to == candidate.node =>
            {
                let first = grants.entry((*term, *candidate, *from)).or_default();
                let told = match arrives {
                    // Nobody knows better: it may have arrived at once.
                    Arrivals::Untold => Some(event.at),
                    Arrivals::At(_) => arrives.times().min(),
                };
                *first = first.iter().copied().chain(told).min();
            }
            Kind::Elected { leader, term, certificate } => {
                if let Some(flaw) = flaw(&setting.voters, &grants, *leader, *term, certificate)
                    .or_else(|| late_vote(&grants, *leader, *term, certificate, event.at))
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
fn flaw(
    voters: &[NodeId],
    grants: &Grants,
    leader: Identity,
    term: Term,
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
        if *voter != leader && !grants.contains_key(&(term, leader, *voter)) {
            return Some(format!("{voter} never sent it this vote"));
        }
    }
    None
}

/// A vote of a sound certificate that had not arrived. Only if the history tells arrivals at all: a
/// transport that does not know them leaves every one of them out.
fn late_vote(
    grants: &Grants,
    leader: Identity,
    term: Term,
    certificate: &[Identity],
    now: SimTime,
) -> Option<String> {
    let arrived = |voter: &Identity| {
        let arrives = grants.get(&(term, leader, *voter)).copied().flatten();
        *voter == leader || arrives.is_some_and(|arrives| arrives <= now)
    };
    let late = certificate.iter().find(|voter| !arrived(voter))?;
    Some(format!("the vote of {late} had not arrived"))
}
