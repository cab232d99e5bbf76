//! Connections from peers, and from whoever else finds the port.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{HELLO_LIMIT, MAX_STRANGERS, is_noteworthy, spawn_while_open};
use crate::election::Message;
use crate::id::NodeId;
use crate::node::frame::{Decoder, Frame, FrameError};
use crate::node::transport::TransportCounters;

/// How long to wait after a failed accept: out of file descriptors, say, which takes time to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much is read at once; an election's messages are far smaller.
const READ_LEN: usize = 4096;

/// What all inbound connections share.
pub(super) struct Inbound {
    cluster: String,
    me: NodeId,
    peers: BTreeSet<NodeId>,
    counters: Arc<TransportCounters>,
    arrivals: mpsc::Sender<Message>,
    /// One permit for each connection without a hello.
    strangers: Arc<Semaphore>,
    /// The connection of each peer, by the means to end it.
    current: Mutex<BTreeMap<NodeId, Arc<Notify>>>,
}

impl Inbound {
    pub(super) fn new(
        cluster: String,
        me: NodeId,
        peers: BTreeSet<NodeId>,
        counters: Arc<TransportCounters>,
        arrivals: mpsc::Sender<Message>,
    ) -> Self {
        let strangers = Arc::new(Semaphore::new(MAX_STRANGERS));
        let current = Mutex::default();
        Self { cluster, me, peers, counters, arrivals, strangers, current }
    }

    /// Accepts, for good.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => match Arc::clone(&self.strangers).try_acquire_owned() {
                    Ok(permit) => {
                        let serve = Arc::clone(&self).serve(stream, from, permit);
                        spawn_while_open(self.arrivals.clone(), serve);
                    }
                    Err(_) => self.refuse(from, "too many connections have not said hello"),
                },
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One connection, from its hello to its end.
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        permit: OwnedSemaphorePermit,
    ) {
        let mut reader = Reader::new(stream);
        let hello = match timeout(HELLO_LIMIT, reader.next()).await {
            Ok(Ok(Some(frame))) => frame,
            // Opened and closed without a word: somebody looked whether the port is open.
            Ok(Ok(None)) => return debug!(%from, "closed without a hello"),
            Ok(Err(error)) => return self.report(from, &error),
            Err(_) => return self.refuse(from, "no hello in time"),
        };
        let peer = match self.check(hello) {
            Ok(peer) => peer,
            Err(reason) => return self.refuse(from, reason),
        };
        let superseded = self.admit(peer);
        drop(permit);
        debug!(%peer, %from, "accepted");
        tokio::select! {
            biased;
            () = superseded.notified() => debug!(%peer, %from, "superseded by a newer connection"),
            end = self.relay(&mut reader, peer) => match end {
                Ok(()) => debug!(%peer, %from, "closed"),
                Err(error) => self.report(from, &error),
            },
        }
        self.dismiss(peer, &superseded);
    }

    /// Whether a connection that begins with this frame is for us, and whose it is.
    fn check(&self, first: Frame) -> Result<NodeId, &'static str> {
        let Frame::Hello { cluster, from, to } = first else {
            return Err("it does not begin with a hello");
        };
        if cluster != self.cluster {
            Err("it belongs to another cluster")
        } else if to != self.me {
            Err("it is meant for another node")
        } else if !self.peers.contains(&from) {
            Err("it comes from no configured peer")
        } else {
            Ok(from)
        }
    }

    /// Makes this the peer's one connection. The newest wins: the older one may hang in the air
    /// since the peer's machine vanished.
    fn admit(&self, peer: NodeId) -> Arc<Notify> {
        let end = Arc::new(Notify::new());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = current.insert(peer, Arc::clone(&end)) {
            older.notify_one();
        }
        end
    }

    fn dismiss(&self, peer: NodeId, end: &Arc<Notify>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.get(&peer).is_some_and(|now| Arc::ptr_eq(now, end)) {
            current.remove(&peer);
        }
    }

    /// Hands on what the peer says, until it closes the connection.
    async fn relay(&self, reader: &mut Reader, peer: NodeId) -> Result<(), ReadError> {
        while let Some(frame) = reader.next().await? {
            let Frame::Message(message) = frame else {
                return Err(FrameError::Malformed("a second hello").into());
            };
            if message.from.node != peer {
                let count = TransportCounters::count(&self.counters.refused);
                if is_noteworthy(count) {
                    let claimed = message.from.node;
                    warn!(%peer, %claimed, count, "dropped a message in another node's name");
                }
                continue;
            }
            // A full inbox slows the peer down by filling the socket.
            if self.arrivals.send(message).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn refuse(&self, from: SocketAddr, reason: &str) {
        let count = TransportCounters::count(&self.counters.refused);
        if is_noteworthy(count) {
            warn!(%from, count, reason, "refused a connection");
        }
    }

    /// Counts how a connection went wrong.
    fn report(&self, from: SocketAddr, error: &ReadError) {
        let counters = &self.counters;
        let counter: &AtomicU64 = match error {
            ReadError::Frame(FrameError::TooLong { .. }) => &counters.oversized,
            ReadError::Frame(FrameError::OtherVersion { .. }) => &counters.refused,
            ReadError::Frame(_) => &counters.malformed,
            ReadError::Truncated => &counters.truncated,
            ReadError::Io(error) => return debug!(%from, %error, "a connection broke"),
        };
        let count = TransportCounters::count(counter);
        if is_noteworthy(count) {
            warn!(%from, count, %error, "closed a connection");
        }
    }
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it ended in the middle of a frame")]
    Truncated,
    #[error(transparent)]
    Io(io::Error),
}

/// The frames of one connection.
struct Reader {
    stream: TcpStream,
    decoder: Decoder,
    chunk: Box<[u8]>,
    /// What of the chunk the decoder has not taken yet.
    rest: std::ops::Range<usize>,
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        let chunk = vec![0; READ_LEN].into_boxed_slice();
        Self { stream, decoder: Decoder::default(), chunk, rest: 0..0 }
    }

    /// The next frame, `None` at a proper end.
    async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Ok(Some(frame));
            }
            if self.rest.is_empty() {
                match self.stream.read(&mut self.chunk).await {
                    Ok(0) if self.decoder.is_mid_frame() => return Err(ReadError::Truncated),
                    Ok(0) => return Ok(None),
                    Ok(len) => self.rest = 0..len,
                    Err(_) if self.decoder.is_mid_frame() => return Err(ReadError::Truncated),
                    Err(error) => return Err(ReadError::Io(error)),
                }
            }
            self.rest.start += self.decoder.push(&self.chunk[self.rest.clone()]);
        }
    }
}
