//! Connections from peers and observers, and from whoever else finds the port.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    /// One permit for each connection without a hello.
    strangers: Arc<Semaphore>,
}

impl Inbound {
    pub(super) fn new(claims: Arc<Claims>, arrivals: Arc<Arrivals>) -> Self {
        Self { claims, arrivals, strangers: Arc::new(Semaphore::new(MAX_STRANGERS)) }
    }

    /// Accepts, for good.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => match Arc::clone(&self.strangers).try_acquire_owned() {
                    Ok(permit) => {
                        let serve = Arc::clone(&self).serve(stream, from, permit);
                        spawn_while_open(&self.arrivals, serve);
                    }
                    Err(_) => self.refuse(from, &Refusal::TooManyStrangers),
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
        if let Err(error) = prepare(&stream) {
            return debug!(%from, %error, "a connection broke");
        }
        let (reader, mut writer) = tokio::io::split(stream);
        let mut reader = Reader::new(reader);
        let hello = match timeout(HELLO_LIMIT, reader.next()).await {
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
        drop(permit);
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

/// Tells an observer what there is for it. A peer is told over the connection to it.
async fn answer<W: AsyncWrite + Unpin>(writer: &mut W, claim: &Claim) -> io::Result<Infallible> {
    match &claim.queue {
        Some(queue) => Err(speak(writer, Vec::new(), queue, claim.node).await),
        None => std::future::pending().await,
    }
}
