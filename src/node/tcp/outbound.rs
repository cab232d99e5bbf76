//! The connection to one voter: made, used, lost and made again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::queue::Queue;
use super::stream::{Arrivals, Reader, prepare, speak};
use super::{CONNECT_LIMIT, MAX_BACKOFF, MIN_BACKOFF};
use crate::cluster::is_noteworthy;
use crate::id::NodeId;

/// The way to one voter.
pub(super) struct Outbound {
    pub(super) peer: NodeId,
    pub(super) address: SocketAddr,
    /// Our hello to it, encoded.
    pub(super) hello: Vec<u8>,
    pub(super) queue: Arc<Queue>,
    /// Where what peers say goes.
    pub(super) arrivals: Arc<Arrivals>,
    /// Whether it answers over this connection, because this node is an observer. A voter is told over
    /// connections of its peers' own.
    pub(super) answered: bool,
}

impl Outbound {
    /// Keeps the connection up, for good.
    pub(super) async fn run(self) {
        let (peer, address) = (self.peer, self.address);
        let mut backoff = MIN_BACKOFF;
        // Attempts since the last good connection. One that is closed at once was refused.
        let mut failures = 0u64;
        loop {
            let began = Instant::now();
            let error = match connect(address).await {
                Ok(stream) => {
                    self.arrivals.departures.is_back(peer);
                    if failures == 0 || is_noteworthy(failures) {
                        info!(%peer, %address, "connected");
                    }
                    match self.converse(stream).await {
                        Ok(()) => io::Error::other(
                            "the peer closed the connection; if it did so at once, its log says why",
                        ),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            // Longer than any failing attempt: it was a good one.
            if began.elapsed() > CONNECT_LIMIT + MAX_BACKOFF {
                failures = 0;
                backoff = MIN_BACKOFF;
            }
            // Its goodbye comes over a connection of its own, and may be on its way.
            sleep(backoff).await;
            backoff = (2 * backoff).min(MAX_BACKOFF);
            if self.arrivals.departures.is_away(peer) {
                if failures == 0 {
                    info!(%peer, %address, "it has said goodbye");
                }
                failures = failures.max(1);
                debug!(%peer, %address, %error, "not back yet");
                continue;
            }
            failures += 1;
            if is_noteworthy(failures) {
                warn!(%peer, %address, failures, %error, "no connection, trying again");
            } else {
                debug!(%peer, %address, failures, %error, "no connection, trying again");
            }
        }
    }

    /// Says hello and sends what is queued, until the peer closes the connection.
    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = tokio::io::split(stream);
        tokio::select! {
            biased;
            end = self.listen(reader) => end,
            error = speak(&mut writer, self.hello.clone(), &self.queue, self.peer) => Err(error),
        }
    }

    /// Waits for the connection's end, which would otherwise show only after messages were sent
    /// into it.
    async fn listen<R: AsyncRead + Unpin>(&self, mut stream: R) -> io::Result<()> {
        let arrivals = &self.arrivals;
        if !self.answered {
            return stream.read(&mut [0]).await.map(drop);
        }
        let end = arrivals.relay(&mut Reader::new(stream), self.peer, &AtomicBool::default()).await;
        end.map_err(|error| {
            arrivals.report(self.address, &error);
            io::Error::other(error)
        })
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))??;
    prepare(&stream)?;
    Ok(stream)
}
