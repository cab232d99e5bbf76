//! What is written in the files of a file sink.
//!
//! The log has one line a message, of four fields with tabs between them:
//! ```text
//! id \t token.round \t payload \t checksum \n
//! ```
//! The payload is printable ASCII: `\\`, `\t`, `\n` and `\r` stand for those bytes, and `\x` with two
//! digits for any other that is not printable. The checksum is the CRC-32 of what stands before its
//! tab, in eight digits. The fence file is one line as well:
//! ```text
//! token.round \t length of the log when that was first seen \t checksum \n
//! ```
//! Those of earlier versions lack the length.

use std::fmt::Write;

use crate::delivery::Stamp;
use crate::store::MessageId;

/// The line of a delivered message.
pub(super) fn line(id: &MessageId, stamp: Stamp, payload: &[u8]) -> Vec<u8> {
    let mut line = format!("{id}\t{stamp}\t");
    line.reserve(payload.len() + 10);
    for &byte in payload {
        match byte {
            b'\\' => line.push_str(r"\\"),
            b'\t' => line.push_str(r"\t"),
            b'\n' => line.push_str(r"\n"),
            b'\r' => line.push_str(r"\r"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => write!(line, "\\x{byte:02x}").expect("a string takes any text"),
        }
    }
    sealed(line)
}

/// The id in a line; `None` if the line is not what [`line`] made, to the last byte.
pub(super) fn id_of(line: &[u8]) -> Option<&str> {
    let (id, rest) = opened(line)?.split_once('\t')?;
    let (stamp, _payload) = rest.split_once('\t')?;
    stamp.parse::<Stamp>().ok()?;
    MessageId::new(id).is_ok().then_some(id)
}

/// What a fence file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The highest stamp seen.
    pub(super) highest: Stamp,
    /// How many bytes the log had when that was first seen, in whole lines: it never has fewer.
    pub(super) log_len: u64,
}

/// The content of the fence file.
pub(super) fn fence(Seen { highest, log_len }: Seen) -> Vec<u8> {
    sealed(format!("{highest}\t{log_len}"))
}

/// What stands in a fence file; `None` if the content is not what [`fence`] made, or made in earlier
/// versions, to the last byte.
pub(super) fn seen_in(content: &[u8]) -> Option<Seen> {
    let text = opened(content)?;
    let (stamp, log_len) = match text.split_once('\t') {
        Some((stamp, len)) => (stamp, len.parse().ok()?),
        None => (text, 0),
    };
    Some(Seen { highest: stamp.parse().ok()?, log_len })
}

fn sealed(mut text: String) -> Vec<u8> {
    let checksum = crc32fast::hash(text.as_bytes());
    writeln!(text, "\t{checksum:08x}").expect("a string takes any text");
    text.into_bytes()
}

fn opened(line: &[u8]) -> Option<&str> {
    let (text, checksum) = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.rsplit_once('\t')?;
    (format!("{:08x}", crc32fast::hash(text.as_bytes())) == checksum).then_some(text)
}
