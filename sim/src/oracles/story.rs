//! What is known of one message: who claimed it, who tried to send it, how that ended, and so what
//! may be said and done about it next (the rules of D3).

use fencepost::{NodeId, Token};

use super::SinkKind;
use crate::history::{MessageState, ProofKind, SendOutcome, SimTime};

/// One attempt to send a message.
pub(super) struct Send {
    pub node: NodeId,
    pub token: Token,
    /// `None`: it has not ended.
    pub outcome: Option<SendOutcome>,
    /// A proof allows another send in spite of this one.
    pub cleared: bool,
    /// The sink proved that this one had no effect and will have none.
    pub disproved: bool,
}

impl Send {
    fn may_have_had_effect(&self) -> bool {
        let unknown =
            matches!(self.outcome, None | Some(SendOutcome::Unknown | SendOutcome::Accepted));
        unknown && !self.disproved
    }
}

/// The claims and sends of one message so far.
#[derive(Default)]
pub(super) struct Story {
    pub first_claimed: Option<SimTime>,
    /// The latest claim, and how many sends had begun before it.
    pub claim: Option<(Token, usize)>,
    pub sends: Vec<Send>,
}

impl Story {
    /// The sends that began under the latest claim, if that is `token`'s.
    fn sends_of_claim(&self, token: Token) -> impl DoubleEndedIterator<Item = &Send> {
        let from = match self.claim {
            Some((claim, from)) if claim == token => from,
            _ => self.sends.len(),
        };
        self.sends[from..].iter().filter(move |send| send.token == token)
    }

    /// Whether the holder of the latest claim, and no other, says that it sent nothing but what was
    /// refused, whatever for, and is right.
    fn never_sent(&self, token: Token) -> bool {
        let nothing = |send: &Send| {
            use SendOutcome::{Fenced, NotNow, NotSent, Rejected};
            matches!(send.outcome, Some(NotSent | NotNow | Fenced | Rejected))
        };
        self.claim.is_some_and(|(claim, _)| claim == token)
            && self.sends_of_claim(token).all(nothing)
    }

    /// Whether `proof` can take the message from doubt to `to`.
    pub fn proves(&self, sink: SinkKind, token: Token, to: MessageState, proof: ProofKind) -> bool {
        match (proof, to) {
            (ProofKind::SinkHasIt, MessageState::Delivered)
            | (ProofKind::SinkLacksIt, MessageState::Pending | MessageState::Failed) => {
                sink == SinkKind::Fenced
            }
            (ProofKind::Deduplicated, MessageState::Pending) => {
                matches!(sink, SinkKind::Dedup { .. })
            }
            (ProofKind::NeverSent, MessageState::Pending) => self.never_sent(token),
            _ => false,
        }
    }

    /// Whether `token` can move the message from claimed to `to`: another's claim into doubt only,
    /// its own as its last send ended.
    pub fn settles(&self, token: Token, to: MessageState) -> bool {
        let ended = self.sends_of_claim(token).next_back().and_then(|send| send.outcome);
        match to {
            MessageState::Pending => self.never_sent(token),
            MessageState::Delivered => ended == Some(SendOutcome::Accepted),
            // Refused for good, or given up: then no attempt may have had an effect.
            MessageState::Failed => {
                let certain = !self.sends.iter().any(Send::may_have_had_effect);
                ended.is_some() && self.never_sent(token) && certain
            }
            MessageState::Claimed | MessageState::InDoubt => true,
        }
    }

    /// What is certainly not sent begins its window anew, unless an earlier attempt may have had its
    /// effect.
    pub fn given_back(&mut self) {
        if !self.sends.iter().any(Send::may_have_had_effect) {
            self.first_claimed = None;
        }
    }

    /// Why a send at `now` is wrong.
    pub fn objection(&self, sink: SinkKind, now: SimTime) -> Option<&'static str> {
        let mut doubtful = self.sends.iter().filter(|send| send.may_have_had_effect()).peekable();
        doubtful.peek()?;
        if !doubtful.all(|send| send.cleared) {
            return Some("again without proof about an earlier send");
        }
        let SinkKind::Dedup { window } = sink else { return None };
        let passed = self.first_claimed.map_or(0, |first| now.since(first));
        (u128::from(passed) >= window.as_nanos()).then_some("again after the sink's window")
    }
}
