//! Messages between nodes over TCP.
//!
//! Each voter keeps one outbound connection to each peer, used in that direction only, and takes one
//! inbound connection from each. An observer listens nowhere: it connects to every voter, and is
//! answered over that same connection. A connection begins with a hello; from then on every message
//! must come from the node that the hello named, and who has nothing to say says that much, so that
//! a live connection is told from one that hangs in the air. What does not fit a small queue is
//! dropped, oldest first: the protocol repeats itself, and a stale message is worth nothing.
//!
//! Two processes that claim one name are a mistake that would let one node vote twice. A node goes
//! on with the first for as long as it hears from it, and refuses the other.
//!
//! What is **not** protected yet: there is no TLS. Who can reach the port can claim to be any peer,
//! read what passes, and vote or lead in that peer's name. Bounds, checks and counters here keep
//! strangers, misconfigured nodes and garbage from doing harm, not an attacker who knows the names.
//! Run it in a trusted network until mutual TLS replaces the claim by a proof.

mod claims;
mod departures;
mod inbound;
mod outbound;
mod queue;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::frame::{self, Frame};
use super::transport::{Packet, Transport, TransportCounters};
use crate::id::NodeId;
use claims::Claims;
use departures::Departures;
use inbound::Inbound;
use outbound::Outbound;
use queue::Queue;
use stream::Arrivals;

/// How many messages wait for one peer.
pub const QUEUE_LEN: usize = 32;

/// How many messages wait for the election; when they are this many, the peers' sockets fill up.
pub const INBOX_LEN: usize = 64;

/// How many inbound connections may be open that have not said hello: one more displaces the oldest.
pub const MAX_STRANGERS: usize = 32;

/// How long an inbound connection may take for its hello.
pub const HELLO_LIMIT: Duration = Duration::from_secs(2);

/// How long an attempt to connect may take.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long to wait before connecting again, at first; doubled with each failure.
pub const MIN_BACKOFF: Duration = Duration::from_millis(20);

/// How long to wait before connecting again, at most.
pub const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// How long a node says nothing before it says that it is alive.
pub const ALIVE_PAUSE: Duration = Duration::from_millis(250);

/// How long a node must have been silent before another process may claim its name.
pub const CLAIM_LIMIT: Duration = Duration::from_secs(1);

/// After this long without a word from the peer, or without its machine acknowledging what was sent,
/// a connection is given up. Without it, one that was cut off goes on at the pace of TCP's
/// retransmissions: up to two minutes after the cut has healed.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(3);

/// How long a node that ends waits for its last messages to leave.
const FLUSH_LIMIT: Duration = Duration::from_millis(100);

/// How often it looks.
const FLUSH_POLL: Duration = Duration::from_millis(2);

/// What a [`TcpTransport`] is told.
#[derive(Debug, Clone)]
pub struct TcpConfig {
    /// The cluster's name: connections of other clusters are refused.
    pub cluster: String,
    /// This node.
    pub me: NodeId,
    /// Where this voter listens; nowhere if it is an observer.
    pub listen: Option<SocketAddr>,
    /// Where the voters are reached, this node among them unless it is an observer.
    pub voters: BTreeMap<NodeId, SocketAddr>,
    /// The observers that are let in; anybody's name is, if there is no list.
    pub observers: Option<BTreeSet<NodeId>>,
    /// A random number, another one at each start of each node: two processes that claim one name
    /// are told apart by it.
    pub process: u64,
}

/// [`Transport`] over TCP. Its tasks and connections end when it is dropped.
#[derive(Debug)]
pub struct TcpTransport {
    local: Option<SocketAddr>,
    /// Accepts connections, and has the port.
    accepting: Option<JoinHandle<()>>,
    queues: BTreeMap<NodeId, Arc<Queue>>,
    claims: Arc<Claims>,
    inbox: mpsc::Receiver<Packet>,
    counters: Arc<TransportCounters>,
}

impl TcpTransport {
    /// Listens, unless this node is an observer, and begins to connect to the other voters.
    ///
    /// # Errors
    /// The address cannot be listened at, a voter listens nowhere, an observer somewhere, or the
    /// cluster's name is too long for a hello.
    pub async fn bind(config: TcpConfig) -> io::Result<Self> {
        let TcpConfig { cluster, me, listen, mut voters, observers, process } = config;
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let votes = voters.remove(&me).is_some();
        match listen {
            Some(address) if !votes => {
                return Err(invalid(format!("{me} listens at {address} and is no voter")));
            }
            None if votes => return Err(invalid(format!("{me} is a voter and must listen"))),
            _ => {}
        }
        let mut hellos = Vec::new();
        for (&peer, &address) in &voters {
            let mut bytes = Vec::new();
            let (cluster, observer) = (cluster.clone(), !votes);
            let hello = Frame::Hello { cluster, from: me, to: peer, process, observer };
            frame::encode(&hello, &mut bytes).map_err(|error| invalid(error.to_string()))?;
            hellos.push((peer, address, bytes));
        }
        let listener = match listen {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let local = listener.as_ref().map(TcpListener::local_addr).transpose()?;

        let counters = Arc::new(TransportCounters::default());
        let (sender, inbox) = mpsc::channel(INBOX_LEN);
        let departures = Departures::of(voters.keys().copied().collect());
        let counted = Arc::clone(&counters);
        let arrivals = Arc::new(Arrivals { inbox: sender, counters: counted, departures });
        let mut queues = BTreeMap::new();
        for (peer, address, hello) in hellos {
            let queue = Arc::new(Queue::default());
            queues.insert(peer, Arc::clone(&queue));
            let arrivals_of = Arc::clone(&arrivals);
            let outbound =
                Outbound { peer, address, hello, queue, arrivals: arrivals_of, answered: !votes };
            spawn_while_open(&arrivals, outbound.run());
        }
        let claims = Arc::new(Claims::new(cluster, me, voters.into_keys().collect(), observers));
        let accept = |listener| {
            let inbound = Inbound::new(Arc::clone(&claims), Arc::clone(&arrivals));
            spawn_while_open(&arrivals, Arc::new(inbound).run(listener))
        };
        let accepting = listener.map(accept);
        Ok(Self { local, accepting, queues, claims, inbox, counters })
    }

    /// The address it listens at, if this node is no observer.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// What it dropped and why.
    pub fn counters(&self) -> Arc<TransportCounters> {
        Arc::clone(&self.counters)
    }
}

impl Transport for TcpTransport {
    fn send(&mut self, to: NodeId, packet: Packet) {
        let queue = self.queues.get(&to).cloned().or_else(|| self.claims.queue_of(to));
        let Some(queue) = queue else {
            debug!(%to, "not connected: message dropped");
            return;
        };
        if queue.push(packet).is_some() {
            let count = TransportCounters::count(&self.counters.queue_full);
            debug!(%to, count, "queue full: its oldest message was dropped");
        }
    }

    async fn recv(&mut self) -> Packet {
        match self.inbox.recv().await {
            Some(packet) => packet,
            // The tasks hold senders for as long as this receiver exists.
            None => std::future::pending().await,
        }
    }

    async fn flush(&mut self) {
        self.queues.values().for_each(|queue| queue.leave());
        self.claims.leave();
        let written = async {
            while !(self.queues.values().all(|queue| queue.is_written())
                && self.claims.are_written())
            {
                sleep(FLUSH_POLL).await;
            }
        };
        // What has not left by then is for a node that cannot be reached.
        let _ = timeout(FLUSH_LIMIT, written).await;
        // Whoever starts the node again finds the port free.
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
    }
}

/// Runs `work` until it ends or the [`TcpTransport`] is dropped, whose inbox then is closed.
fn spawn_while_open(
    arrivals: &Arrivals,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let inbox = arrivals.inbox.clone();
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = inbox.closed() => {}
            () = work => {}
        }
    })
}
