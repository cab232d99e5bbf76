//! A bounded queue that forgets its oldest message, for one consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::QUEUE_LEN;
use crate::election::Message;

/// The messages that wait for one peer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Message>>,
    arrived: Notify,
}

impl Queue {
    /// Adds a message, and returns the one that had to go for it.
    pub(super) fn push(&self, message: Message) -> Option<Message> {
        let mut waiting = self.lock();
        let dropped = if waiting.len() == QUEUE_LEN { waiting.pop_front() } else { None };
        waiting.push_back(message);
        drop(waiting);
        // Kept as a permit if nobody waits, so that no arrival is missed.
        self.arrived.notify_one();
        dropped
    }

    /// The oldest message, if there is one.
    pub(super) fn try_pop(&self) -> Option<Message> {
        self.lock().pop_front()
    }

    /// The oldest message, once there is one. Cancel-safe.
    pub(super) async fn pop(&self) -> Message {
        loop {
            if let Some(message) = self.try_pop() {
                return message;
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        // A panic while the lock was held leaves a whole queue.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::{Body, ConfigId};
    use crate::id::{Generation, Identity, Incarnation, Term};

    #[test]
    fn the_newest_messages_stay() {
        let from = Identity { node: "n1".parse().unwrap(), incarnation: Incarnation::FIRST };
        let message = |term| Message {
            from,
            generation: Generation::NONE,
            config: ConfigId::default(),
            term: Term(term),
            body: Body::PreVote,
        };
        let queue = Queue::default();
        let last = 3 * QUEUE_LEN as u64;
        let dropped: Vec<_> = (1..=last).filter_map(|n| queue.push(message(n))).collect();
        assert_eq!(dropped.len(), 2 * QUEUE_LEN);
        let kept: Vec<_> = std::iter::from_fn(|| queue.try_pop()).map(|m| m.term.0).collect();
        assert_eq!(kept, (2 * QUEUE_LEN as u64 + 1..=last).collect::<Vec<_>>());
    }
}
