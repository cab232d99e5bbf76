//! The frames on the wire: bounded in length, decoded piece by piece as bytes arrive.
//!
//! A frame is a 32-bit big-endian length and that many bytes of payload: postcard of one [`Frame`].
//! A connection begins with a [`Frame::Hello`] that carries the protocol's magic and version, so
//! that something else at the other end is recognized at once. Nothing here trusts the sender:
//! memory grows with the bytes that arrived and never with what a length claims.

use serde::{Deserialize, Serialize};

use super::transport::Packet;
use crate::cluster::{Letter, MAX_LETTER_LEN};
use crate::election::{Body, MAX_VOTERS, Message};
use crate::id::NodeId;
use crate::store::WorkName;

/// The longest payload of a frame.
pub const MAX_FRAME_LEN: usize = 64 * 1024;

/// The length in front of each payload.
pub const HEADER_LEN: usize = 4;

/// The longest name of a cluster, in bytes.
pub const MAX_CLUSTER_NAME_LEN: usize = 64;

/// The most participants in a view on the wire: with the longest names they still fit a frame.
pub const MAX_PARTICIPANTS: usize = 1024;

/// The most nodes in a crash vector on the wire. It names voters of earlier lists as well, so there
/// may be more of them than voters.
pub const MAX_KNOWN: usize = 1024;

/// The version of the protocol that this build speaks.
pub const VERSION: u8 = 5;

const MAGIC: [u8; 4] = *b"FPST";

/// What travels on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of a connection: who calls whom. A claim, not a proof.
    Hello {
        /// The cluster that the caller means.
        cluster: String,
        /// The caller.
        from: NodeId,
        /// Whom it believes to call.
        to: NodeId,
        /// A random number of the calling process: tells two of them apart that claim one name.
        process: u64,
        /// Whether the caller is an observer and wants its messages over this very connection.
        observer: bool,
    },
    /// What a node has to say to another.
    Packet(Packet),
    /// The sender is there and has nothing to say.
    Alive,
    /// The sender is about to end, as it was asked to, and may well come back.
    Goodbye,
}

/// [`Frame`] as it is encoded. Magic and version follow the variant's number directly and are read
/// before the rest, so that another version's hello is told apart from garbage.
#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    Hello {
        magic: [u8; 4],
        version: u8,
        cluster: &'a str,
        from: NodeId,
        to: NodeId,
        process: u64,
        observer: bool,
    },
    Message(Box<Message>),
    Alive,
    Letter {
        from: NodeId,
        work: &'a str,
        body: &'a [u8],
    },
    Goodbye,
}

/// Bytes that are no frame, or a frame that must not be sent. The connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is above the limit.
    #[error("a frame of {claimed} bytes; at most {MAX_FRAME_LEN} are allowed")]
    TooLong {
        /// The length as the header claims it.
        claimed: u64,
    },
    /// The payload does not decode.
    #[error("a frame that does not decode: {0}")]
    Malformed(&'static str),
    /// The payload decodes, and more bytes follow.
    #[error("a frame with {extra} bytes behind its content")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// A hello without the magic: the other end speaks something else.
    #[error("a hello that does not speak this protocol")]
    NotOurProtocol,
    /// A hello of another version of the protocol.
    #[error("a hello of protocol version {theirs}; this build speaks {VERSION}")]
    OtherVersion {
        /// The other end's version.
        theirs: u8,
    },
    /// A view with too many participants.
    #[error("a view of {count} participants; at most {MAX_PARTICIPANTS} are allowed")]
    TooManyParticipants {
        /// How many.
        count: usize,
    },
    /// A crash vector of too many nodes.
    #[error("a crash vector of {count} nodes; at most {MAX_KNOWN} are allowed")]
    TooManyKnown {
        /// How many.
        count: usize,
    },
    /// A roll of too many boots.
    #[error("a roll of {count} boots; at most {MAX_VOTERS} are allowed")]
    TooManyBoots {
        /// How many.
        count: usize,
    },
    /// A list of too many voters.
    #[error("a list of {count} voters; at most {MAX_VOTERS} are allowed")]
    TooManyVoters {
        /// How many.
        count: usize,
    },
    /// A letter that is too long.
    #[error("a letter of {len} bytes; at most {MAX_LETTER_LEN} are allowed")]
    LetterTooLong {
        /// The length of its body.
        len: usize,
    },
    /// The name of a cluster is too long.
    #[error("a cluster name of {len} bytes; at most {MAX_CLUSTER_NAME_LEN} are allowed")]
    ClusterNameTooLong {
        /// Its length.
        len: usize,
    },
}

/// Appends a frame to `out`, whole or not at all.
///
/// # Errors
/// It exceeds one of the limits that [`Decoder`] enforces.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) -> Result<(), FrameError> {
    check_limits(frame)?;
    let wire = match frame {
        &Frame::Hello { ref cluster, from, to, process, observer } => {
            let (magic, version) = (MAGIC, VERSION);
            Wire::Hello { magic, version, cluster, from, to, process, observer }
        }
        Frame::Packet(Packet::Election(message)) => Wire::Message(message.clone()),
        Frame::Packet(Packet::Letter(Letter { from, work, body })) => {
            Wire::Letter { from: *from, work: work.as_str(), body }
        }
        Frame::Alive => Wire::Alive,
        Frame::Goodbye => Wire::Goodbye,
    };
    let payload = postcard::to_stdvec(&wire).expect("a frame has no unserializable part");
    if payload.len() > MAX_FRAME_LEN {
        return Err(FrameError::TooLong { claimed: payload.len() as u64 });
    }
    let len = u32::try_from(payload.len()).expect("at most the limit");
    out.extend(len.to_be_bytes());
    out.extend(payload);
    Ok(())
}

fn check_limits(frame: &Frame) -> Result<(), FrameError> {
    match frame {
        Frame::Hello { cluster, .. } if cluster.len() > MAX_CLUSTER_NAME_LEN => {
            Err(FrameError::ClusterNameTooLong { len: cluster.len() })
        }
        Frame::Hello { .. } | Frame::Alive | Frame::Goodbye => Ok(()),
        Frame::Packet(Packet::Election(message)) => check_lists(&message.body),
        Frame::Packet(Packet::Letter(letter)) => match letter.body.len() {
            len if len > MAX_LETTER_LEN => Err(FrameError::LetterTooLong { len }),
            _ => Ok(()),
        },
    }
}

/// Of everything in a message that has a length.
fn check_lists(body: &Body) -> Result<(), FrameError> {
    let (count, limit, refusal): (_, _, fn(usize) -> FrameError) = match body {
        Body::Heartbeat { view, .. } => (view.participants.len(), MAX_PARTICIPANTS, |count| {
            FrameError::TooManyParticipants { count }
        }),
        Body::VoteReply { known, .. } | Body::Registered { known, .. } => {
            (known.len(), MAX_KNOWN, |count| FrameError::TooManyKnown { count })
        }
        Body::RollCall { roll } => {
            (roll.boots.len(), MAX_VOTERS, |count| FrameError::TooManyBoots { count })
        }
        Body::Voters { voters, .. } => {
            (voters.len(), MAX_VOTERS, |count| FrameError::TooManyVoters { count })
        }
        Body::PreVote
        | Body::PreVoteReply { .. }
        | Body::VoteRequest { .. }
        | Body::HeartbeatAck { .. }
        | Body::NewerTerm { .. }
        | Body::TakeOver { .. }
        | Body::Leaving
        | Body::Rejoining { .. }
        | Body::Known { .. }
        | Body::Register { .. }
        | Body::NewerGeneration
        | Body::Superseded { .. }
        | Body::Observing => return Ok(()),
    };
    if count > limit { Err(refusal(count)) } else { Ok(()) }
}

fn decode(payload: &[u8]) -> Result<Frame, FrameError> {
    // The number of the variant `Hello`, then magic and version.
    if let [0, rest @ ..] = payload {
        let (magic, rest) = rest.split_at_checked(MAGIC.len()).ok_or(FrameError::NotOurProtocol)?;
        if magic != MAGIC {
            return Err(FrameError::NotOurProtocol);
        }
        match rest.first() {
            Some(&VERSION) => {}
            Some(&theirs) => return Err(FrameError::OtherVersion { theirs }),
            None => return Err(FrameError::NotOurProtocol),
        }
    }
    let (wire, extra) = postcard::take_from_bytes::<Wire<'_>>(payload).map_err(|error| {
        FrameError::Malformed(match error {
            postcard::Error::DeserializeUnexpectedEnd => "it ends before its content does",
            _ => "its content is no message",
        })
    })?;
    if !extra.is_empty() {
        return Err(FrameError::TrailingBytes { extra: extra.len() });
    }
    let frame = match wire {
        Wire::Hello { cluster, from, to, process, observer, .. } => {
            Frame::Hello { cluster: cluster.to_owned(), from, to, process, observer }
        }
        Wire::Message(message) => Frame::Packet(Packet::Election(message)),
        Wire::Letter { from, work, body } => {
            let work = WorkName::new(work)
                .map_err(|_| FrameError::Malformed("a letter about nothing that has a name"))?;
            Frame::Packet(Packet::Letter(Letter { from, work, body: body.into() }))
        }
        Wire::Alive => Frame::Alive,
        Wire::Goodbye => Frame::Goodbye,
    };
    check_limits(&frame)?;
    Ok(frame)
}

/// Turns a stream of bytes into frames. After an error it yields that error for good, because the
/// stream cannot be found back into.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Arrived and not yet decoded, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    failed: Option<FrameError>,
}

impl Decoder {
    /// The most bytes that a decoder holds.
    pub const CAPACITY: usize = HEADER_LEN + MAX_FRAME_LEN;

    /// Takes bytes that arrived, as many as fit [`Decoder::CAPACITY`], and tells how many. When it
    /// does not take all, [`Decoder::next`] has something to say, and makes room.
    #[must_use = "bytes that were not taken must be pushed again"]
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        if self.failed.is_some() {
            return bytes.len();
        }
        let taken = bytes.len().min(Self::CAPACITY - self.unread().len());
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let needed = self.buffer.len() + taken;
        if needed > self.buffer.capacity() {
            // Doubling as usual, but never past what can be needed.
            let capacity = needed.max(2 * self.buffer.capacity()).min(Self::CAPACITY);
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The next frame, `None` if it has not arrived as a whole.
    ///
    /// # Errors
    /// The bytes are no frame. All later calls say the same.
    #[allow(clippy::should_implement_trait)] // not an iterator: `None` is not the end
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.take_frame() {
            Ok(frame) => Ok(frame),
            Err(error) => {
                self.buffer = Vec::new();
                self.start = 0;
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((header, rest)) = self.unread().split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let claimed = u32::from_be_bytes(*header);
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        if len > MAX_FRAME_LEN {
            return Err(FrameError::TooLong { claimed: u64::from(claimed) });
        }
        let Some(payload) = rest.get(..len) else { return Ok(None) };
        let frame = decode(payload)?;
        self.start += HEADER_LEN + len;
        Ok(Some(frame))
    }

    /// Whether a frame has begun to arrive and is not complete: an end of the stream here is a
    /// truncation.
    pub fn is_mid_frame(&self) -> bool {
        self.failed.is_none() && !self.unread().is_empty()
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

#[cfg(test)]
mod tests;
