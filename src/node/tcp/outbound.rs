//! The connection to one peer: made, used, lost and made again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::queue::Queue;
use super::{CONNECT_LIMIT, MAX_BACKOFF, MIN_BACKOFF, is_noteworthy};
use crate::election::Message;
use crate::id::NodeId;
use crate::node::frame::{self, Frame};

/// The way to one peer.
pub(super) struct Outbound {
    pub(super) peer: NodeId,
    pub(super) address: SocketAddr,
    /// Our hello to it, encoded.
    pub(super) hello: Vec<u8>,
    pub(super) queue: Arc<Queue>,
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
                    if failures == 0 || is_noteworthy(failures) {
                        info!(%peer, %address, "connected");
                    }
                    match self.drain(stream).await {
                        Ok(()) => io::Error::other("the peer closed the connection"),
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
            failures += 1;
            if is_noteworthy(failures) {
                warn!(%peer, %address, failures, %error, "no connection, trying again");
            } else {
                debug!(%peer, %address, failures, %error, "no connection, trying again");
            }
            sleep(backoff).await;
            backoff = (2 * backoff).min(MAX_BACKOFF);
        }
    }

    /// Says hello and sends what is queued, until the peer closes the connection.
    async fn drain(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut bytes = self.hello.clone();
        loop {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            bytes.clear();
            let mut answer = [0];
            tokio::select! {
                biased;
                // Nothing is ever answered here: this waits for the end, which would otherwise show
                // only after messages were sent into it.
                read = stream.read(&mut answer) => return read.map(drop),
                message = self.queue.pop() => self.append(message, &mut bytes),
            }
            while let Some(message) = self.queue.try_pop() {
                self.append(message, &mut bytes);
            }
        }
    }

    fn append(&self, message: Message, bytes: &mut Vec<u8>) {
        if let Err(error) = frame::encode(&Frame::Message(message), bytes) {
            warn!(peer = %self.peer, %error, "a message that cannot be sent was dropped");
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_LIMIT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))??;
    stream.set_nodelay(true)?;
    #[cfg(all(not(madsim), target_os = "linux"))]
    {
        let limit = u32::try_from(super::SILENCE_LIMIT.as_millis()).expect("a few seconds");
        rustix::net::sockopt::set_tcp_user_timeout(&stream, limit)?;
    }
    Ok(stream)
}
