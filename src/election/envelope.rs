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
        Box::new(Message { from, generation, config, promise: 0, term, body: Body::Leaving })
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

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;
    use crate::id::Incarnation;

    fn me() -> Identity {
        Identity { node: "n1".parse().unwrap(), incarnation: Incarnation::FIRST }
    }

    /// The box, not what is in it.
    fn place(message: &Message) -> *const Message {
        message
    }

    #[test]
    fn a_box_that_came_is_the_next_that_goes() {
        let mut envelopes = Envelopes::default();
        let came = Envelopes::default().take(me());
        let here = place(&came);
        envelopes.keep(came);
        let other = Identity { incarnation: Incarnation(2), ..me() };
        let goes = envelopes.take(other);
        assert_eq!(place(&goes), here);
        assert_eq!(goes.from, other, "whoever sent it before");
    }

    /// A node that only receives must not keep all that it ever received.
    #[test]
    fn so_many_are_kept_as_are_sent_at_once() {
        let mut envelopes = Envelopes::default();
        for _ in 0..2 * MAX_VOTERS {
            envelopes.keep(Envelopes::default().take(me()));
        }
        assert_eq!(envelopes.0.len(), MAX_VOTERS - 1);
    }

    #[test]
    fn what_is_kept_is_no_part_of_a_state() {
        let (mut one, other) = (Envelopes::default(), Envelopes::default());
        one.keep(Envelopes::default().take(me()));
        let hash = |envelopes: &Envelopes| {
            let mut hasher = DefaultHasher::new();
            envelopes.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(one, other);
        assert_eq!(hash(&one), hash(&other));
        assert!(one.clone().0.is_empty());
    }
}
