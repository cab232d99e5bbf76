//! The log of a replay: every line carries the simulated time and the node.

use std::fmt;
use std::io::IsTerminal;

use madsim::time::TimeHandle;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

/// Simulated time and node, in front of each line.
struct TimeAndNode {
    /// By madsim's number of the node; 0 is the testbed itself.
    names: Vec<String>,
}

impl FormatTime for TimeAndNode {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let Some(time) = TimeHandle::try_current() else { return write!(w, "{:>20}", "") };
        let number: usize = madsim::plugin::node().to_string().parse().unwrap_or(0);
        let name = self.names.get(number).map_or("?", String::as_str);
        write!(w, "{:>12.6} s {name:<5}", time.elapsed().as_secs_f64())
    }
}

/// Runs the simulation with its log on standard output. `names` are those of the machines, in the
/// order in which the world creates them.
pub fn with_log<T>(names: impl Iterator<Item = String>, run: impl FnOnce() -> T) -> T {
    let names = std::iter::once("world".to_owned()).chain(names).collect();
    let subscriber = tracing_subscriber::fmt()
        .with_timer(TimeAndNode { names })
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        // A reader that went away (`| head`) is no reason to complain at every line.
        .log_internal_errors(false)
        .finish()
        .with(level());
    tracing::subscriber::with_default(subscriber, run)
}

/// What is logged: our own crates, at the level that `FENCEPOST_LOG` names.
fn level() -> Targets {
    let level = std::env::var("FENCEPOST_LOG").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::DEBUG);
    Targets::new().with_target("fencepost", level).with_target("fencepost_sim", level)
}
