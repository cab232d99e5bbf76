//! Ctrl-C: the first one asks the search to end, the second one ends the process.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Exit;
use super::error::CliError;
use crate::search::Stop;

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
    Ok(stop)
}
