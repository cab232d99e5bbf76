//! The two halves of a connection: frames that are read and handed on, messages that are written.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::departures::Departures;
use super::queue::Queue;
use super::{ALIVE_PAUSE, CLAIM_LIMIT, SILENCE_LIMIT};
use crate::cluster::is_noteworthy;
use crate::id::NodeId;
use crate::node::frame::{self, Decoder, Frame, FrameError};
use crate::node::transport::{Packet, TransportCounters};

/// How much is read at once; an election's messages are far smaller.
const READ_LEN: usize = 4096;

/// Sends small messages at once, and gives up when the peer's machine has vanished.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(all(not(madsim), target_os = "linux"))]
    {
        let limit = u32::try_from(SILENCE_LIMIT.as_millis()).expect("a few seconds");
        rustix::net::sockopt::set_tcp_user_timeout(stream, limit)?;
    }
    Ok(())
}

/// Where the messages of all connections go.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) inbox: mpsc::Sender<Packet>,
    pub(super) counters: Arc<TransportCounters>,
    pub(super) departures: Departures,
}

impl Arrivals {
    /// Hands on what the peer says, until it closes the connection or says nothing for
    /// [`SILENCE_LIMIT`]. `silent` tells whether it has said nothing for [`CLAIM_LIMIT`].
    pub(super) async fn relay<R: AsyncRead + Unpin>(
        &self,
        reader: &mut Reader<R>,
        peer: NodeId,
        silent: &AtomicBool,
    ) -> Result<(), ReadError> {
        while let Some(frame) = reader.next_in_time(silent).await? {
            let packet = match frame {
                Frame::Packet(packet) => packet,
                Frame::Alive => continue,
                Frame::Goodbye => {
                    self.departures.leaves(peer);
                    continue;
                }
                Frame::Hello { .. } => return Err(FrameError::Malformed("a second hello").into()),
            };
            if packet.from() != peer {
                let count = TransportCounters::count(&self.counters.refused);
                if is_noteworthy(count) {
                    let claimed = packet.from();
                    warn!(%peer, %claimed, count, "dropped a message in another node's name");
                }
                continue;
            }
            // A full inbox slows the peer down by filling the socket.
            if self.inbox.send(packet).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Counts how a connection went wrong.
    pub(super) fn report(&self, address: SocketAddr, error: &ReadError) {
        let counters = &self.counters;
        let counter: &AtomicU64 = match error {
            ReadError::Frame(FrameError::TooLong { .. }) => &counters.oversized,
            ReadError::Frame(FrameError::OtherVersion { .. }) => &counters.refused,
            ReadError::Frame(_) => &counters.malformed,
            ReadError::Truncated => &counters.truncated,
            ReadError::Silent | ReadError::Io(_) => {
                return debug!(%address, %error, "a connection broke");
            }
        };
        let count = TransportCounters::count(counter);
        if is_noteworthy(count) {
            warn!(%address, count, %error, "closed a connection");
        }
    }
}

/// Writes `bytes`, a hello if there must be one, and then what is queued for `peer`, until the
/// connection breaks.
pub(super) async fn speak<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut bytes: Vec<u8>,
    queue: &Queue,
    peer: NodeId,
) -> io::Error {
    loop {
        if let Err(error) = write(writer, &bytes).await {
            return error;
        }
        bytes.clear();
        queue.note_written();
        match timeout(ALIVE_PAUSE, queue.pop()).await {
            Ok(Some(packet)) => append(Frame::Packet(packet), peer, &mut bytes),
            Ok(None) => append(Frame::Goodbye, peer, &mut bytes),
            Err(_) => append(Frame::Alive, peer, &mut bytes),
        }
        while let Some(packet) = queue.try_pop() {
            append(Frame::Packet(packet), peer, &mut bytes);
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

fn append(frame: Frame, peer: NodeId, bytes: &mut Vec<u8>) {
    if let Err(error) = frame::encode(&frame, bytes) {
        warn!(%peer, %error, "a message that cannot be sent was dropped");
    }
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it ended in the middle of a frame")]
    Truncated,
    #[error("nothing was heard for {SILENCE_LIMIT:?}")]
    Silent,
    #[error(transparent)]
    Io(io::Error),
}

/// The frames of one connection.
pub(super) struct Reader<R> {
    stream: R,
    decoder: Decoder,
    chunk: Box<[u8]>,
    /// What of the chunk the decoder has not taken yet.
    rest: Range<usize>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        let chunk = vec![0; READ_LEN].into_boxed_slice();
        Self { stream, decoder: Decoder::default(), chunk, rest: 0..0 }
    }

    /// The next frame, `None` at a proper end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
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

    /// The next frame, if it comes within [`SILENCE_LIMIT`]. Only time counts in which this node
    /// listened and nothing was there: its own pauses are nobody's silence.
    async fn next_in_time(&mut self, silent: &AtomicBool) -> Result<Option<Frame>, ReadError> {
        if let Ok(next) = timeout(CLAIM_LIMIT, self.next()).await {
            return next;
        }
        silent.store(true, Ordering::Relaxed);
        match timeout(SILENCE_LIMIT - CLAIM_LIMIT, self.next()).await {
            Ok(next) => {
                silent.store(false, Ordering::Relaxed);
                next
            }
            Err(_) if self.decoder.is_mid_frame() => Err(ReadError::Truncated),
            Err(_) => Err(ReadError::Silent),
        }
    }
}
