//! JSON for scripts: objects of one line.

use std::fmt::Write as _;

use fencepost::WallTime;

/// A time in milliseconds since the Unix epoch.
pub(super) fn time(wall: WallTime) -> String {
    wall.unix_ms.to_string()
}

pub(super) fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".to_owned())
}

/// A text as a JSON string.
pub(super) fn text(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
