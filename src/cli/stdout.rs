//! Standard output: what others wrote is shown as one line of text, and a reader that has gone is no
//! failure.

use std::io::{self, ErrorKind, Write};

use miette::{Context, IntoDiagnostic};

use super::Failure;

/// What is said of a failure.
pub(super) const FAILED: &str = "cannot write to standard output";

/// Writes to standard output. Whoever reads this through a pipe may have had enough.
pub(super) fn print(out: &str) -> Result<(), Failure> {
    print_on(out).map(drop)
}

/// The same, of a part. Tells whether anybody reads on.
pub(super) fn print_on(out: &str) -> Result<bool, Failure> {
    match try_print(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).into_diagnostic().wrap_err(FAILED).map_err(Failure::AtRun),
    }
}

/// The same, for a command that has something left to say if it fails.
pub(super) fn try_print(out: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush())
}

/// A text from elsewhere, without what would move a terminal's cursor or end the line.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
