//! What is written in the files of a file sink.
//!
//! The log has one line a message, of four fields with tabs between them:
//! ```text
//! id \t token.round \t payload \t checksum \n
//! ```
//! The payload is printable ASCII: `\\`, `\t`, `\n` and `\r` stand for those bytes, and `\x` with two
//! digits for any other that is not printable. The checksum is the CRC-32 of what stands before its
//! tab, in eight digits. The fence file is one such line without id and payload.

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

/// The content of the fence file.
pub(super) fn fence(stamp: Stamp) -> Vec<u8> {
    sealed(stamp.to_string())
}

/// The stamp in a fence file; `None` if the content is not what [`fence`] made, to the last byte.
pub(super) fn stamp_of(content: &[u8]) -> Option<Stamp> {
    opened(content)?.parse().ok()
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
