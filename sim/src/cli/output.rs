//! What the commands write: to standard output, where what cannot be written is an error, and to
//! standard error, where nobody needs to read it.

use std::io::{ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use super::Exit;
use super::signals;

/// What became of standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Fine,
    /// Nobody reads any more: `| head`.
    Closed,
    /// It could not be written: a full disk.
    Lost,
}

// chance: what a stream refused is told at the end, and no run sees it
static OUTPUT: Mutex<Output> = Mutex::new(Output::Fine);

/// Writes to standard output.
///
/// A reader that went away ends the command soon and without a word. Any other failure is told at once,
/// and is the command's in the end; what is under way comes to its end, for the sake of files that are
/// written besides.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(cause) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        lost(&cause);
    }
}

/// [`say`] and a line break.
pub fn say_line(text: &str) {
    say(&format!("{text}\n"));
}

/// Writes a line to standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Standard output failed.
pub fn lost(cause: &std::io::Error) {
    let mut output = OUTPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if *output != Output::Fine {
        return;
    }
    if cause.kind() == ErrorKind::BrokenPipe {
        *output = Output::Closed;
        signals::wish_to_stop();
    } else {
        *output = Output::Lost;
        note(&format!(
            "error: cannot write to standard output: {cause}\n  help: write to a file or a terminal that \
             has room; what else this command writes is written"
        ));
    }
}

/// How the command ends that would end like this, had all been written.
pub fn ending(exit: Exit) -> Exit {
    match *OUTPUT.lock().unwrap_or_else(PoisonError::into_inner) {
        Output::Fine => exit,
        // That it was stopped is the reader's wish.
        Output::Closed if exit == Exit::Violated => exit,
        Output::Closed => Exit::Unread,
        Output::Lost => exit.worse(Exit::BadInput),
    }
}
