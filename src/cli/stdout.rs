//! Standard output: what others wrote is shown as one line of text, and a reader that has gone is no
//! failure.

use std::io::{ErrorKind, Write};

use miette::{Context, IntoDiagnostic};

use super::Failure;

/// Writes to standard output. Whoever reads this through a pipe may have had enough.
pub(super) fn print(out: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error)
            .into_diagnostic()
            .wrap_err("cannot write to standard output")
            .map_err(Failure::AtRun),
        _ => Ok(()),
    }
}

/// A text from elsewhere, without what would move a terminal's cursor or end the line.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
