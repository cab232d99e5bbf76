//! `fencepost node`: one node as a process, from its configuration to its graceful end.

use std::fs::{File, TryLockError};
// chance: a real start needs a number that no other start had
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use miette::{Context, IntoDiagnostic, Report, miette};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::Failure;
use fencepost::Clock;
use fencepost::cluster::{LogObserver, Watched};
use fencepost::delivery::FileSink;
use fencepost::jobs::Jobs;
use fencepost::node::config::NodeConfig;
use fencepost::node::tcp::{TcpConfig, TcpTransport};
use fencepost::node::{FileDisk, Node, SystemClock};
use fencepost::store::{BindError, SqliteOutbox, SqliteStore};

/// Runs until a signal stops it.
pub(super) fn run(config: &NodeConfig) -> Result<(), Failure> {
    // Held until the process ends, however it ends.
    let _lock = match &config.data {
        Some(data) => Some(lock_data_directory(data).map_err(Failure::AtRun)?),
        None => None,
    };
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
    let sink = FileSink::open(&config.sink_file)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot open the sink {}", config.sink_file.display()))?;
    let disk = config.data.as_deref().map(FileDisk::open).transpose().into_diagnostic()?;
    let network = TcpConfig {
        cluster: config.cluster.clone(),
        me,
        listen: config.listen,
        voters: config.voters.clone(),
        process: random_number(),
    };
    let transport = TcpTransport::bind(network).await.into_diagnostic().wrap_err_with(|| {
        match config.listen {
            Some(listen) => format!("cannot listen at {listen}"),
            None => "cannot connect to the voters".to_owned(),
        }
    })?;
    match config.listen {
        Some(listen) => info!(node = %me, cluster = config.cluster, %listen, "node starts"),
        None => info!(node = %me, cluster = config.cluster, "observer starts"),
    }

    let node = Node {
        config: config.election.clone(),
        // Nodes that drew the same jitter would campaign against each other for ever.
        seed: random_number(),
        transport,
        clock: SystemClock,
        disk,
        store: Arc::new(SqliteStore::new(outbox, || SystemClock.wall())),
        sink: Arc::new(sink),
        dispatcher: config.dispatcher(),
        jobs: Jobs::default(),
        observer: Arc::new(LogObserver::new(config.election.voters.clone())),
    };
    let stop = Arc::new(Watched::new(false));
    let running = node.run(Arc::clone(&stop));
    tokio::pin!(running);
    tokio::select! {
        biased;
        ended = &mut running => return ended.into_diagnostic().wrap_err("the node failed"),
        name = stops.next() => info!(signal = name, "stopping; a second signal ends it at once"),
    }
    stop.set(true);
    tokio::select! {
        biased;
        ended = &mut running => ended.into_diagnostic().wrap_err("the node failed while stopping")?,
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

/// Differs between nodes and boots: the standard library keys its hasher from the system's
/// randomness, which is all that is needed.
fn random_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Two processes on one data directory would vote twice in one term. A voter without one is alone at
/// the address that it listens at.
fn lock_data_directory(directory: &Path) -> Result<File, Report> {
    let path = directory.join("lock");
    let shown = path.display();
    std::fs::create_dir_all(directory)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot create the data directory {}", directory.display()))?;
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot open the lock file {shown}"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(20).read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(miette!(
                help = "stop it first, or give this node a data directory of its own",
                "another process{} runs on {}",
                if holder.is_empty() { String::new() } else { format!(" (pid {holder})") },
                directory.display(),
            ));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).into_diagnostic().wrap_err_with(|| format!("cannot lock {shown}"));
        }
    }
    // For the message above only; the lock itself ends with the process.
    let noted = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        warn!(%error, "cannot note the process id in {shown}");
    }
    Ok(file)
}
