//! A bounded queue that forgets its oldest message, for one consumer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::QUEUE_LEN;
use crate::node::transport::Packet;

/// The packets that wait for one peer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Packet>,
    /// Whether something was taken or waits that has not been written yet.
    unwritten: bool,
    /// Whether goodbye is to be said when nothing waits any more.
    leaves: bool,
}

impl Queue {
    /// Adds a packet, and returns the one that had to go for it.
    pub(super) fn push(&self, packet: Packet) -> Option<Packet> {
        let mut state = self.lock();
        let full = state.waiting.len() == QUEUE_LEN;
        let dropped = if full { state.waiting.pop_front() } else { None };
        state.waiting.push_back(packet);
        state.unwritten = true;
        drop(state);
        // Kept as a permit if nobody waits, so that no arrival is missed.
        self.arrived.notify_one();
        dropped
    }

    /// The oldest packet, if there is one.
    pub(super) fn try_pop(&self) -> Option<Packet> {
        self.lock().waiting.pop_front()
    }

    /// Nothing is added any more: once all is taken, goodbye is.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        (state.leaves, state.unwritten) = (true, true);
        drop(state);
        self.arrived.notify_one();
    }

    /// Takes note that all that was taken has been written.
    pub(super) fn note_written(&self) {
        let mut state = self.lock();
        state.unwritten = state.leaves || !state.waiting.is_empty();
    }

    /// Whether everything has been written that was ever added.
    pub(super) fn is_written(&self) -> bool {
        !self.lock().unwritten
    }

    /// The oldest packet, once there is one; `None` once: it is time to say goodbye. Cancel-safe.
    pub(super) async fn pop(&self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.try_pop() {
                return Some(packet);
            }
            if std::mem::take(&mut self.lock().leaves) {
                return None;
            }
            self.arrived.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a whole queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::election::{Body, ConfigId, Message};
    use crate::id::{Generation, Identity, Incarnation, Term};

    fn message(term: u64) -> Packet {
        let message = Message {
            from: Identity { node: "n1".parse().unwrap(), incarnation: Incarnation::FIRST },
            generation: Generation::stored(1),
            config: ConfigId::default(),
            promise: 0,
            term: Term(term),
            body: Body::PreVote,
        };
        message.into()
    }

    fn term_of(packet: Packet) -> u64 {
        match packet {
            Packet::Election(message) => message.term.0,
            Packet::Letter(_) => unreachable!("there are none here"),
        }
    }

    #[test]
    fn it_is_written_when_the_last_taken_is() {
        let queue = Queue::default();
        assert!(queue.is_written());
        queue.push(message(1));
        assert!(queue.try_pop().is_some());
        assert!(!queue.is_written(), "taken is not written");
        queue.push(message(2));
        queue.note_written();
        assert!(!queue.is_written(), "the second waits");
        assert!(queue.try_pop().is_some());
        queue.note_written();
        assert!(queue.is_written());
    }

    #[test]
    fn goodbye_comes_last_and_once() {
        let queue = Queue::default();
        queue.push(message(1));
        queue.leave();
        let pop = || std::pin::pin!(queue.pop()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(pop(), Poll::Ready(Some(_))));
        queue.note_written();
        assert!(!queue.is_written(), "goodbye is to be said");
        assert!(matches!(pop(), Poll::Ready(None)));
        assert!(pop().is_pending());
        queue.note_written();
        assert!(queue.is_written());
    }

    #[test]
    fn the_newest_messages_stay() {
        let queue = Queue::default();
        let last = 3 * QUEUE_LEN as u64;
        let dropped: Vec<_> = (1..=last).filter_map(|n| queue.push(message(n))).collect();
        assert_eq!(dropped.len(), 2 * QUEUE_LEN);
        let kept: Vec<_> = std::iter::from_fn(|| queue.try_pop()).map(term_of).collect();
        assert_eq!(kept, (2 * QUEUE_LEN as u64 + 1..=last).collect::<Vec<_>>());
    }
}
