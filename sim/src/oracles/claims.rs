//! Which claim stands: a message is claimed by a node under a token from the commit of the claim until
//! a transaction moves it on. The token alone does not say whose claim it is: all workers of a shared
//! delivery show that of the leader that assigned their units.
//!
//! A claim can be taken from its holder: a new holder sweeps it into doubt. Within the bound on
//! clock rates that happens only after the old guard is over (L1), so a send of a swept claim is
//! wrong. Outside the bound it can happen in the gap between claim and send of a holder that is
//! valid by its own clock; such a *late* send is promised to have no second effect (L5, D1) and no
//! more. A worker's claim can be taken under its own token, by whoever ended its assignment or by the
//! next run of its share; a doubt of its own settles it.

use std::collections::BTreeMap;

use fencepost::store::Share;
use fencepost::{NodeId, Token};

use super::assigned::Assigned;
use crate::history::{Event, Kind, MessageNo, MessageState, WorkEvent};

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is durable and not settled.
    Stands,
    /// It was taken away, after some clock had left the bound.
    TakenOutOfBound,
    /// There is none, or it is settled.
    No,
}

/// Who claimed, and what it showed.
#[derive(Debug, Clone, PartialEq)]
struct Claim {
    node: NodeId,
    token: Token,
    /// A worker's assignment. Its claim can be taken away under its own token.
    share: Option<Share>,
}

impl Claim {
    fn is_of(&self, node: NodeId, token: Token) -> bool {
        (self.node, self.token) == (node, token)
    }
}

#[derive(Debug, Default)]
struct OfMessage {
    /// The last claim of each claimant, the latest one last.
    claims: Vec<Claim>,
    /// Whether the last claim is not settled.
    stands: bool,
    /// Whose claims others moved on.
    taken: Vec<(NodeId, Token)>,
}

/// The claims of all messages at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Claims {
    out_of_bound: bool,
    assigned: Assigned,
    messages: BTreeMap<MessageNo, OfMessage>,
}

impl Claims {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        self.assigned.apply(event);
        match &event.kind {
            Kind::ClockRate { within_bound: false, .. } => self.out_of_bound = true,
            Kind::Claimed { node, token, message } => {
                let claims = self.messages.entry(*message).or_default();
                claims.claims.retain(|claim| !claim.is_of(*node, *token));
                claims.claims.push(Claim { node: *node, token: *token, share: None });
                claims.stands = true;
            }
            // Says more of the claim that it follows.
            Kind::Work(WorkEvent::Claimed { message, share, .. }) => {
                let claims = self.messages.entry(*message).or_default();
                if let Some(last) = claims.claims.last_mut() {
                    last.share = Some(share.clone());
                }
            }
            Kind::Moved { token, message, to, .. } if *to != MessageState::Claimed => {
                let claims = self.messages.entry(*message).or_default();
                let stood = std::mem::take(&mut claims.stands);
                if let Some(last) = claims.claims.last().filter(|_| stood) {
                    let revoked = |share| self.assigned.is_revoked(*message, share);
                    let doubted = *to == MessageState::InDoubt;
                    if last.token != *token || doubted && last.share.as_ref().is_some_and(revoked) {
                        claims.taken.push((last.node, last.token));
                    }
                }
            }
            _ => {}
        }
    }

    /// How the claim of `message` by `node` under `token` stands.
    pub fn standing(&self, node: NodeId, token: Token, message: MessageNo) -> Standing {
        match self.messages.get(&message) {
            Some(OfMessage { claims, stands: true, .. })
                if claims.last().is_some_and(|last| last.is_of(node, token)) =>
            {
                Standing::Stands
            }
            Some(claims) if self.out_of_bound && claims.taken.contains(&(node, token)) => {
                Standing::TakenOutOfBound
            }
            _ => Standing::No,
        }
    }

    /// What `node` claimed `message` by with `token` the last time that it did: the assignment of a
    /// worker, or the token alone. Whether that claim stands is another question.
    pub fn shown(&self, node: NodeId, token: Token, message: MessageNo) -> Option<Option<&Share>> {
        let claims = &self.messages.get(&message)?.claims;
        let own = claims.iter().find(|claim| claim.is_of(node, token))?;
        Some(own.share.as_ref())
    }

    /// Whether the last claim of `message` is `token`'s, and a worker's whose assignment has ended, or
    /// the run that made it: whoever ended that, or follows it, puts the claim in doubt.
    pub fn is_revoked(&self, message: MessageNo, token: Token) -> bool {
        let last = self.messages.get(&message).and_then(|claims| claims.claims.last());
        let share = last.filter(|last| last.token == token).and_then(|last| last.share.as_ref());
        share.is_some_and(|share| self.assigned.is_revoked(message, share))
    }
}
