//! `fencepost node`: one node as a process, from its configuration to its graceful end.

use std::sync::Arc;

use miette::{Context, IntoDiagnostic, Report, miette};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::Failure;
use fencepost::delivery::sinks::AnySink;
use fencepost::node::config::NodeConfig;
use fencepost::store::{BindError, SqliteOutbox, SqliteStore};
use fencepost::{Clock, ClusterService, SystemClock};

/// Runs until a signal stops it.
pub(super) fn run(config: &NodeConfig) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .into_diagnostic()
        .wrap_err("cannot start the async runtime")
        .map_err(Failure::AtRun)?;
    let outcome = runtime.block_on(serve(config)).map_err(Failure::AtRun);
    // A blocked disk must not keep a stopped node from ending.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: &NodeConfig) -> Result<(), Report> {
    // Before anything else, so that no signal finds the default handler.
    let mut stops = Stops::new().into_diagnostic().wrap_err("cannot listen to signals")?;
    let me = config.election.me;
    let outbox = open_own_outbox(config)?;
    let sink = AnySink::open(&config.sink).into_diagnostic().wrap_err("cannot open the sink")?;
    let store = Arc::new(SqliteStore::new(outbox, || SystemClock.wall()));
    let service = ClusterService::builder(config.cluster_config()).store(store).start().await?;
    match config.listen {
        Some(listen) => info!(node = %me, cluster = config.cluster, %listen, "node starts"),
        None => info!(node = %me, cluster = config.cluster, "observer starts"),
    }
    service.deliver(Arc::new(sink), config.dispatcher());
    tokio::select! {
        biased;
        ended = service.ended() => return Err(ended).into_diagnostic().wrap_err("the node failed"),
        name = stops.next() => info!(signal = name, "stopping; a second signal ends it at once"),
    }
    tokio::select! {
        biased;
        ended = service.shutdown() => ended.into_diagnostic().wrap_err("the node failed while stopping")?,
        name = stops.next() => {
            warn!(signal = name, "ended before it had stopped: a message may be in doubt");
            return Err(miette!("{name} came again while the node was stopping"));
        }
    }
    info!(node = %me, "stopped");
    Ok(())
}

/// The outbox, once it is sure that it is this cluster's and no other's.
fn open_own_outbox(config: &NodeConfig) -> Result<SqliteOutbox, Report> {
    let mut outbox = super::outbox::open(&config.sqlite)?;
    let bound = outbox.bind_cluster(&config.cluster).map_err(|error| match error {
        BindError::OtherCluster { .. } => miette!(
            help = "a store serves one cluster: give this node the name of that cluster, or a store \
                    of its own",
            "{error}"
        ),
        error => Report::from_err(error),
    });
    bound.wrap_err_with(|| format!("cannot use the outbox {}", config.sqlite.display()))?;
    Ok(outbox)
}

/// The signals that ask a process to end.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
