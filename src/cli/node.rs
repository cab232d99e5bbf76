//! `fencepost node`: one node as a process, from its configuration to its graceful end.

use std::sync::Arc;

use miette::{Context, IntoDiagnostic, Report, miette};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::{Failure, store};
use fencepost::ClusterService;
use fencepost::delivery::sinks::AnySink;
use fencepost::node::config::NodeConfig;
use fencepost::store::{Assignments, PostgresStore, Store, StoreConfig};

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
    match &config.store {
        StoreConfig::Sqlite(path) => {
            store::check_writable(path)?;
            serve_with(store::store_in_file(path), config, &mut stops).await
        }
        StoreConfig::Postgres(database) => {
            let store = PostgresStore::open_later(database);
            let store = store.into_diagnostic().wrap_err("cannot use the outbox in PostgreSQL")?;
            serve_with(store, config, &mut stops).await
        }
    }
}

async fn serve_with(
    store: impl Store + Assignments,
    config: &NodeConfig,
    stops: &mut Stops,
) -> Result<(), Report> {
    let me = config.election.me;
    let sink = AnySink::open(&config.sink).into_diagnostic().wrap_err("cannot open the sink")?;
    let store = Arc::new(store);
    let service = ClusterService::builder(config.cluster_config()).store(store).start().await?;
    match config.listen {
        Some(listen) => info!(node = %me, cluster = config.cluster, %listen, "node starts"),
        None => info!(node = %me, cluster = config.cluster, "observer starts"),
    }
    let (sink, dispatcher) = (Arc::new(sink), config.dispatcher());
    match config.shared_delivery() {
        None => service.deliver(sink, dispatcher)?,
        Some(work) => {
            let shared = service.deliver_shared(sink, dispatcher, work);
            shared.into_diagnostic().wrap_err("cannot share the delivery")?;
        }
    }
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

/// The signals that ask a process to end, and one that does not: a terminal that is closed, or an operator who
/// wants the configuration read again, does not mean that.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => info!(
                    "SIGHUP changes nothing: the configuration is read when the node starts; to change it, \
                     stop the node with SIGTERM and start it again",
                ),
            }
        }
    }
}
