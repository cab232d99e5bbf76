//! Which claim stands: a message is claimed under a token from the commit of the claim until a
//! transaction moves it on.
//!
//! A claim can be taken from its holder: a new holder sweeps it into doubt. Within the bound on
//! clock rates that happens only after the old guard is over (L1), so a send of a swept claim is
//! wrong. Outside the bound it can happen in the gap between claim and send of a holder that is
//! valid by its own clock; such a *late* send is promised to have no second effect (L5, D1) and no
//! more.

use std::collections::BTreeMap;

use fencepost::Token;

use crate::history::{Event, Kind, MessageNo, MessageState, WorkEvent};

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is durable and not settled.
    Stands,
    /// Another token took it away, after some clock had left the bound.
    TakenOutOfBound,
    /// There is none, or it is settled.
    No,
}

#[derive(Debug, Default)]
struct OfMessage {
    standing: Option<Token>,
    /// The claim that stands is a worker's: its own token may take it away.
    shared: bool,
    /// Tokens whose claim another token moved on.
    taken: Vec<Token>,
}

/// The claims of all messages at one moment of a history.
#[derive(Debug, Default)]
pub(super) struct Claims {
    out_of_bound: bool,
    messages: BTreeMap<MessageNo, OfMessage>,
}

impl Claims {
    /// Takes note of the next event.
    pub fn apply(&mut self, event: &Event) {
        match event.kind {
            Kind::ClockRate { within_bound: false, .. } => self.out_of_bound = true,
            Kind::Claimed { token, message } => {
                let claims = self.messages.entry(message).or_default();
                (claims.standing, claims.shared) = (Some(token), false);
            }
            Kind::Work(WorkEvent::Claimed { message, .. }) => {
                self.messages.entry(message).or_default().shared = true;
            }
            Kind::Moved { token, message, to, .. } if to != MessageState::Claimed => {
                let claims = self.messages.entry(message).or_default();
                if let Some(holder) = claims.standing.take()
                    && (holder != token || claims.shared && to == MessageState::InDoubt)
                {
                    claims.taken.push(holder);
                }
            }
            _ => {}
        }
    }

    /// How the claim of `message` under `token` stands.
    pub fn standing(&self, token: Token, message: MessageNo) -> Standing {
        match self.messages.get(&message) {
            Some(claims) if claims.standing == Some(token) => Standing::Stands,
            Some(claims) if self.out_of_bound && claims.taken.contains(&token) => {
                Standing::TakenOutOfBound
            }
            _ => Standing::No,
        }
    }
}
