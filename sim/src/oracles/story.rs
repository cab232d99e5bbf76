//! What is known of one message: who claimed it, who tried to send it, how that ended, and so what
//! may be said and done about it next (the rules of D3).

use std::time::Duration;

use fencepost::{NodeId, Token};

use super::{Setting, SinkKind};
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
    /// It was released to a deduplicating sink: a window runs for it.
    pub released: bool,
    /// How often it went back to wait: refused for now, or out of doubt to be sent again.
    failures: u32,
}

/// What a holder says about a claim of its own, besides where the message goes.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// Now.
    pub at: SimTime,
    /// It says in the same transaction that nothing was sent.
    pub gives_back: bool,
    /// It may run faster than the bound on clock rates allows.
    pub out_of_bound: bool,
    /// The assignment has ended under which the message was claimed.
    pub revoked: bool,
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
    pub fn proves(
        &self,
        setting: &Setting,
        token: Token,
        to: MessageState,
        proof: ProofKind,
    ) -> bool {
        let fenced = setting.sink == SinkKind::Fenced;
        match (proof, to) {
            (ProofKind::SinkHasIt, MessageState::Delivered)
            | (ProofKind::SinkLacksIt, MessageState::Pending) => fenced,
            // Given up, by the holder whose own attempt was the last: another's may not even have
            // begun to send.
            (ProofKind::SinkLacksIt, MessageState::Failed) => {
                let own = self.claim.is_some_and(|(claim, _)| claim == token);
                fenced && own && self.gives_up(setting)
            }
            (ProofKind::Deduplicated, MessageState::Pending) => {
                matches!(setting.sink, SinkKind::Dedup { .. })
            }
            (ProofKind::NeverSent, MessageState::Pending) => self.never_sent(token),
            _ => false,
        }
    }

    /// Whether `token` can move the message from claimed to `to`: another's claim into doubt only,
    /// its own as its last send ended.
    pub fn settles(&self, setting: &Setting, token: Token, to: MessageState, word: Word) -> bool {
        let ended = self.last_outcome(token);
        match to {
            MessageState::Pending => self.never_sent(token),
            MessageState::Delivered => ended == Some(SendOutcome::Accepted),
            // Refused for good, or given up: then no attempt may have had an effect.
            MessageState::Failed => {
                let certain = !self.sends.iter().any(Send::may_have_had_effect);
                let known = match ended {
                    Some(SendOutcome::Rejected) => true,
                    Some(SendOutcome::NotNow) => self.gives_up(setting),
                    _ => false,
                };
                known && self.never_sent(token) && certain
            }
            MessageState::InDoubt => {
                self.claim.is_none_or(|(claim, _)| claim != token)
                    || word.revoked
                    || word.gives_back
                    || self.is_uncertain(setting.sink, token, word)
            }
            MessageState::Claimed => true,
        }
    }

    fn last_outcome(&self, token: Token) -> Option<SendOutcome> {
        self.sends_of_claim(token).next_back().and_then(|send| send.outcome)
    }

    /// Whether the holder of the latest claim has a reason to doubt it: a send that may have had its
    /// effect and was not accepted, or that a higher stamp overtook; or a window that was over
    /// before there was one. Doubt without a reason is a person's work for nothing.
    fn is_uncertain(&self, sink: SinkKind, token: Token, word: Word) -> bool {
        use SendOutcome::{Fenced, Unknown};
        let mut sends = self.sends_of_claim(token).peekable();
        if sends.peek().is_none() {
            return self.window_may_be_over(sink, word);
        }
        sends.any(|send| matches!(send.outcome, None | Some(Unknown | Fenced)))
    }

    /// Whether a holder can believe that the window is over. Its clock and the database's may both
    /// be fast: half of it is proof enough that nobody gives up at once.
    fn window_may_be_over(&self, sink: SinkKind, word: Word) -> bool {
        let SinkKind::Dedup { window } = sink else { return false };
        let told = window.saturating_sub(SinkKind::WINDOW_MARGIN);
        let passed = self.first_claimed.map_or(0, |first| word.at.since(first));
        self.released && (word.out_of_bound || Duration::from_nanos(passed) * 2 >= told)
    }

    /// Whether one more failure is as many as the holder is told to give up after.
    fn gives_up(&self, setting: &Setting) -> bool {
        self.failures + 1 >= setting.attempts
    }

    /// A proof took it out of doubt: what was sent before allows another send.
    pub fn sent_again(&mut self, proof: ProofKind) {
        for send in &mut self.sends {
            send.cleared = true;
            send.disproved |= proof == ProofKind::SinkLacksIt;
        }
        self.released = proof == ProofKind::Deduplicated;
        self.failures += 1;
    }

    /// What is certainly not sent begins its window anew, unless an earlier attempt may have had its
    /// effect.
    pub fn given_back(&mut self, token: Token) {
        use SendOutcome::{NotNow, Rejected};
        // In an open window a rejection proves nothing, and waits like a refusal.
        let refused = matches!(self.last_outcome(token), Some(NotNow | Rejected));
        self.failures += u32::from(refused);
        if !self.released && !self.sends.iter().any(Send::may_have_had_effect) {
            self.first_claimed = None;
        }
    }

    /// A person vouches that no send had an effect or will have one.
    pub fn begins_anew(&mut self) {
        self.sends.iter_mut().for_each(|send| send.disproved = true);
        (self.first_claimed, self.released, self.failures) = (None, false, 0);
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
