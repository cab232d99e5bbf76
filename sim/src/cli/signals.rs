//! Ctrl-C: the first one asks the search to end, the second one ends the process.

use std::sync::OnceLock;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Exit;
use super::error::CliError;
use crate::search::Stop;

// chance: it says that nothing more is started, and no run sees it
static STOP: OnceLock<Stop> = OnceLock::new();

/// A wish to stop, which SIGINT and SIGTERM express from now on. SIGTERM is what a cluster or a build
/// server sends before it kills.
pub fn stop_on_signal() -> Result<Stop, CliError> {
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset, sets it, and the second one ends.
        let code = i32::from(Exit::Stopped.code());
        flag::register_conditional_shutdown(signal, code, stop.flag())
            .and_then(|_| flag::register(signal, stop.flag()))
            .map_err(CliError::Signals)?;
    }
    // A process runs one command; the tests of the arguments run many, and close no output.
    let _ = STOP.set(stop.clone());
    Ok(stop)
}

/// Wishes that the command ends soon, as the first Ctrl-C does.
pub fn wish_to_stop() {
    if let Some(stop) = STOP.get() {
        stop.wish();
    }
}
