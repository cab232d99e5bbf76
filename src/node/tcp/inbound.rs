//! Connections from peers and observers, and from whoever else finds the port.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::claims::{Claim, Claims, Refusal};
use super::stream::{Arrivals, Reader, prepare, speak};
use super::{HELLO_LIMIT, MAX_STRANGERS, spawn_while_open};
use crate::cluster::is_noteworthy;
use crate::node::transport::TransportCounters;

/// How long to wait after a failed accept: out of file descriptors, say, which takes time to pass.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all inbound connections share.
pub(super) struct Inbound {
    claims: Arc<Claims>,
    arrivals: Arc<Arrivals>,
    strangers: Arc<Strangers>,
}

impl Inbound {
    pub(super) fn new(claims: Arc<Claims>, arrivals: Arc<Arrivals>) -> Self {
        Self { claims, arrivals, strangers: Arc::default() }
    }

    /// Accepts, for good.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut failures = 0;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let stranger = Strangers::enter(&self.strangers);
                    let serve = Arc::clone(&self).serve(stream, from, stranger);
                    spawn_while_open(&self.arrivals, serve);
                }
                Err(error) => {
                    // A flood of connections can make it last.
                    failures += 1;
                    if is_noteworthy(failures) {
                        warn!(%error, failures, "cannot accept a connection");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One connection, from its hello to its end.
    async fn serve(self: Arc<Self>, stream: TcpStream, from: SocketAddr, stranger: Stranger) {
        if let Err(error) = prepare(&stream) {
            return debug!(%from, %error, "a connection broke");
        }
        let (reader, mut writer) = tokio::io::split(stream);
        let mut reader = Reader::new(reader);
        let hello = tokio::select! {
            biased;
            hello = timeout(HELLO_LIMIT, reader.next()) => hello,
            () = stranger.displaced.notified() => {
                return self.refuse(from, &Refusal::TooManyStrangers);
            }
        };
        let hello = match hello {
            Ok(Ok(Some(frame))) => frame,
            // Opened and closed without a word: somebody looked whether the port is open.
            Ok(Ok(None)) => return debug!(%from, "closed without a hello"),
            Ok(Err(error)) => return self.arrivals.report(from, &error),
            Err(_) => return self.refuse(from, &Refusal::NoHello),
        };
        let claim = match self.claims.admit(hello, from) {
            Ok(claim) => claim,
            Err(refusal) => return self.refuse(from, &refusal),
        };
        drop(stranger);
        let peer = claim.node;
        debug!(%peer, %from, "accepted");
        tokio::select! {
            biased;
            () = claim.superseded.notified() => {
                debug!(%peer, %from, "superseded by a newer connection");
            }
            end = self.arrivals.relay(&mut reader, peer, &claim.silent) => match end {
                Ok(()) => debug!(%peer, %from, "closed"),
                Err(error) => self.arrivals.report(from, &error),
            },
            Err(error) = answer(&mut writer, &claim) => {
                debug!(%peer, %from, %error, "a connection broke");
            }
        }
        self.claims.dismiss(&claim);
    }

    fn refuse(&self, from: SocketAddr, refusal: &Refusal) {
        let counters = &self.arrivals.counters;
        let counter = match refusal {
            Refusal::Duplicate { .. } => &counters.duplicate_ids,
            _ => &counters.refused,
        };
        let count = TransportCounters::count(counter);
        if is_noteworthy(count) {
            warn!(%from, count, reason = %refusal, "refused a connection");
        }
    }
}

/// The connections that have not said hello, the oldest first. There is always room for one more, which
/// takes the place of the oldest: a peer says hello within a round trip, and whoever only opens
/// connections must not keep it out.
#[derive(Default)]
struct Strangers(Mutex<VecDeque<Arc<Notify>>>);

/// A place among them, which is free again when this is dropped.
struct Stranger {
    all: Arc<Strangers>,
    /// Notified when the place is another's.
    displaced: Arc<Notify>,
}

impl Strangers {
    fn enter(all: &Arc<Self>) -> Stranger {
        let displaced = Arc::new(Notify::new());
        let mut waiting = all.lock();
        if waiting.len() >= MAX_STRANGERS
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.notify_one();
        }
        waiting.push_back(Arc::clone(&displaced));
        Stranger { all: Arc::clone(all), displaced }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        // A panic while the lock was held leaves a whole list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.lock().retain(|place| !Arc::ptr_eq(place, &self.displaced));
    }
}

/// Tells an observer what there is for it. A peer is told over the connection to it.
async fn answer<W: AsyncWrite + Unpin>(writer: &mut W, claim: &Claim) -> io::Result<Infallible> {
    match &claim.queue {
        Some(queue) => Err(speak(writer, Vec::new(), queue, claim.node).await),
        None => std::future::pending().await,
    }
}
