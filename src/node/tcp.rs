//! The election's messages over TCP.
//!
//! Each node keeps one outbound connection to each peer, used in that direction only, and takes one
//! inbound connection from each. A connection begins with a hello; from then on every message must
//! come from the node that the hello named. What does not fit a small queue is dropped, oldest
//! first: the protocol repeats itself, and a stale message is worth nothing.
//!
//! What is **not** protected yet: there is no TLS. Who can reach the port can claim to be any peer,
//! read what passes, and vote or lead in that peer's name. Bounds, checks and counters here keep
//! strangers, misconfigured nodes and garbage from doing harm, not an attacker who knows the names.
//! Run it in a trusted network until mutual TLS replaces the claim by a proof.

mod inbound;
mod outbound;
mod queue;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tracing::debug;

use super::frame::{self, Frame};
use super::transport::{Transport, TransportCounters};
use crate::election::Message;
use crate::id::NodeId;
use inbound::Inbound;
use outbound::Outbound;
use queue::Queue;

/// How many messages wait for one peer.
pub const QUEUE_LEN: usize = 32;

/// How many messages wait for the election; when they are this many, the peers' sockets fill up.
pub const INBOX_LEN: usize = 64;

/// How many inbound connections may be open that have not said hello.
pub const MAX_STRANGERS: usize = 32;

/// How long an inbound connection may take for its hello.
pub const HELLO_LIMIT: Duration = Duration::from_secs(2);

/// How long an attempt to connect may take.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait before connecting again, at first; doubled with each failure.
pub const MIN_BACKOFF: Duration = Duration::from_millis(20);

/// How long to wait before connecting again, at most.
pub const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// After this long without the peer's machine acknowledging what was sent, a connection is given
/// up. Without it, one that was cut off goes on at the pace of TCP's retransmissions: up to two
/// minutes after the cut has healed.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(3);

/// [`Transport`] over TCP. Its tasks and connections end when it is dropped.
#[derive(Debug)]
pub struct TcpTransport {
    local: SocketAddr,
    queues: BTreeMap<NodeId, Arc<Queue>>,
    inbox: mpsc::Receiver<Message>,
    counters: Arc<TransportCounters>,
}

impl TcpTransport {
    /// Listens at `listen` and begins to connect to `peers`, of which `me` is left out.
    ///
    /// # Errors
    /// The address cannot be listened at, or the cluster's name is too long for a hello.
    pub async fn bind(
        listen: SocketAddr,
        cluster: String,
        me: NodeId,
        mut peers: BTreeMap<NodeId, SocketAddr>,
    ) -> io::Result<Self> {
        peers.remove(&me);
        let mut hellos = BTreeMap::new();
        for &peer in peers.keys() {
            let mut bytes = Vec::new();
            frame::encode(
                &Frame::Hello { cluster: cluster.clone(), from: me, to: peer },
                &mut bytes,
            )
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            hellos.insert(peer, bytes);
        }

        let listener = TcpListener::bind(listen).await?;
        let local = listener.local_addr()?;
        let counters = Arc::new(TransportCounters::default());
        let (arrivals, inbox) = mpsc::channel(INBOX_LEN);
        let mut queues = BTreeMap::new();
        for (peer, hello) in hellos {
            let queue = Arc::new(Queue::default());
            queues.insert(peer, Arc::clone(&queue));
            let outbound = Outbound { peer, address: peers[&peer], hello, queue };
            spawn_while_open(arrivals.clone(), outbound.run());
        }
        let known = peers.into_keys().collect();
        let inbound = Inbound::new(cluster, me, known, Arc::clone(&counters), arrivals.clone());
        spawn_while_open(arrivals, Arc::new(inbound).run(listener));
        Ok(Self { local, queues, inbox, counters })
    }

    /// The address it listens at.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What it dropped and why.
    pub fn counters(&self) -> Arc<TransportCounters> {
        Arc::clone(&self.counters)
    }
}

impl Transport for TcpTransport {
    fn send(&mut self, to: NodeId, message: Message) {
        let Some(queue) = self.queues.get(&to) else {
            debug!(%to, "no such peer: message dropped");
            return;
        };
        if queue.push(message).is_some() {
            let count = TransportCounters::count(&self.counters.queue_full);
            debug!(%to, count, "queue full: its oldest message was dropped");
        }
    }

    async fn recv(&mut self) -> Message {
        match self.inbox.recv().await {
            Some(message) => message,
            // The accepting task holds a sender for as long as this receiver exists.
            None => std::future::pending().await,
        }
    }
}

/// Runs `work` until it ends or the [`TcpTransport`] is dropped, whose inbox then is closed.
fn spawn_while_open(
    arrivals: mpsc::Sender<Message>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = arrivals.closed() => {}
            () = work => {}
        }
    });
}

/// Whether the `count`th of many equal events is worth a line in the log: the first, and then ever
/// fewer, so that a peer cannot fill the log.
fn is_noteworthy(count: u64) -> bool {
    count.is_power_of_two()
}
