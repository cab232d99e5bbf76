//! The boxes of messages that were handled, kept for the next ones that are sent: a node sends about
//! as many messages as it receives, and a box costs more than most of what is done with its content.

use std::hash::{Hash, Hasher};

use super::message::{Body, Message};
use super::{ConfigId, MAX_VOTERS};
use crate::id::{Generation, Identity, Term};

/// As many as are sent at once to all other voters.
const MAX_KEPT: usize = MAX_VOTERS - 1;

/// Boxes to send messages in. No part of a state: clones start without, and all are equal.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is kept")]
pub(super) struct Envelopes(Vec<Box<Message>>);

impl Envelopes {
    /// Keeps the box of a message that is of no more use.
    pub(super) fn keep(&mut self, handled: Box<Message>) {
        if self.0.len() < MAX_KEPT {
            self.0.push(handled);
        }
    }

    /// A message of that node, to be filled in where it is: what else it says means nothing.
    pub(super) fn take(&mut self, from: Identity) -> Box<Message> {
        if let Some(mut message) = self.0.pop() {
            message.from = from;
            return message;
        }
        let (generation, config, term) = (Generation::NONE, ConfigId::default(), Term::ZERO);
        Box::new(Message { from, generation, config, term, body: Body::Leaving })
    }
}

impl Clone for Envelopes {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Envelopes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Envelopes {}

impl Hash for Envelopes {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
