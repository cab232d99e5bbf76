//! How the election's messages travel.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::election::Message;
use crate::id::NodeId;

/// Carries messages between nodes. It may lose, delay, repeat and reorder them.
pub trait Transport: Send + 'static {
    /// Takes a message to be sent to `to`. Never waits; what does not fit a bounded queue is lost
    /// and counted.
    fn send(&mut self, to: NodeId, message: Message);

    /// The next message for this node. Cancel-safe. The transport vouches that `message.from.node`
    /// is the peer at the other end, as far as it can tell.
    fn recv(&mut self) -> impl Future<Output = Message> + Send;
}

/// What a transport dropped and why, counted. All are harmless to the protocol.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Frames longer than the limit, by their own claim.
    pub oversized: AtomicU64,
    /// Frames whose bytes are no message.
    pub malformed: AtomicU64,
    /// Connections from another cluster, of an unknown node, or for another node.
    pub refused: AtomicU64,
    /// Messages that found their queue full.
    pub queue_full: AtomicU64,
    /// Connections that ended in the middle of a frame.
    pub truncated: AtomicU64,
}

impl TransportCounters {
    /// Adds one and returns the new count.
    pub fn count(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }
}
