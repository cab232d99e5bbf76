//! How messages travel: those of the election, and the letters of components.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cluster::Letter;
use crate::election::Message;
use crate::id::NodeId;

/// What travels between nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A message of the election. Its box goes all the way, from one election to the other.
    Election(Box<Message>),
    /// A letter of a component.
    Letter(Letter),
}

impl Packet {
    /// The node that it says it comes from.
    pub fn from(&self) -> NodeId {
        match self {
            Self::Election(message) => message.from.node,
            Self::Letter(letter) => letter.from,
        }
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        Self::Election(Box::new(message))
    }
}

impl From<Letter> for Packet {
    fn from(letter: Letter) -> Self {
        Self::Letter(letter)
    }
}

/// Carries messages between nodes. It may lose, delay, repeat and reorder them.
pub trait Transport: Send + 'static {
    /// Takes a packet to be sent to `to`. Never waits; what does not fit a bounded queue is lost
    /// and counted.
    fn send(&mut self, to: NodeId, packet: Packet);

    /// The next packet for this node. Cancel-safe. The transport vouches that [`Packet::from`] is
    /// the peer at the other end, as far as it can tell.
    fn recv(&mut self) -> impl Future<Output = Packet> + Send;

    /// Waits until what was sent has left this node, but only for a moment, and then listens no longer:
    /// for a node that ends.
    fn flush(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a transport dropped and why, counted since its start. All are harmless to the protocol.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Frames longer than the limit, by their own claim.
    pub oversized: AtomicU64,
    /// Frames whose bytes are no message, or that nobody may send at this point.
    pub malformed: AtomicU64,
    /// Connections of another cluster, of an unknown node, for another node, beyond a limit or
    /// without a hello in time; and messages in another node's name.
    pub refused: AtomicU64,
    /// Connections in the name of a node whose own connection is alive, by another process.
    pub duplicate_ids: AtomicU64,
    /// Messages that found their queue full.
    pub queue_full: AtomicU64,
    /// Connections that ended, or fell silent for good, in the middle of a frame.
    pub truncated: AtomicU64,
}

impl TransportCounters {
    /// Adds one and returns the new count.
    pub fn count(counter: &AtomicU64) -> u64 {
        counter.fetch_add(1, Ordering::Relaxed) + 1
    }
}
