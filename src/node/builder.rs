//! From a configuration to a running cluster service, with the real clock, network and disk.

use std::fmt::{self, Write};
// chance: a real start needs numbers that no other start had
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;
use tokio::time::timeout;

use super::alone::Alone;
use super::cluster_config::ClusterConfig;
use super::disk::{DiskError, FileDisk};
use super::driver::DriverError;
use super::quorum::Quorum;
use super::tcp::{TcpConfig, TcpTransport};
use super::transport::Transport;
use crate::cluster::{
    Bound, ClusterService, ClusterStatus, LogObserver, Observer, Stopped, Watched,
};
use crate::election::{Config, ConfigError};
use crate::id::NodeId;
use crate::store::{BindError, Fence, Unfenced};
use crate::time::{Clock, SystemClock};

/// How long a starting node waits for its store to say whose it is, before it takes part without.
pub const BIND_LIMIT: Duration = Duration::from_secs(2);

/// Makes a [`ClusterService`]; see [`ClusterService::builder`].
pub struct ServiceBuilder<S = Unfenced> {
    config: ClusterConfig,
    store: Arc<S>,
    observer: Option<Arc<dyn Observer>>,
}

impl ClusterService {
    /// Begins with which cluster, and which node of it; goes on with [`ServiceBuilder::store`] and ends with
    /// [`ServiceBuilder::initialize`].
    pub fn builder(config: ClusterConfig) -> ServiceBuilder {
        ServiceBuilder { config, store: Arc::new(Unfenced), observer: None }
    }
}

impl<S: Fence> ServiceBuilder<S> {
    /// The store whose fence backs the guards: one store for all nodes of the cluster, and all or
    /// none of them have it. It serves this cluster from its first start on, and no other ever. A node
    /// takes part while its store is away, and acts when that has answered; if it then turns out to be
    /// another cluster's, the service ends.
    ///
    /// Without a store there is leadership only, as the guard says: see
    /// [`Leadership::is_fenced`](crate::Leadership::is_fenced).
    pub fn store<F: Fence>(self, store: Arc<F>) -> ServiceBuilder<F> {
        ServiceBuilder { config: self.config, store, observer: self.observer }
    }

    /// Who is told what happens on the node; the log, if nobody is named.
    pub fn observer(self, observer: impl Observer) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }

    /// Starts the node and waits, however long it takes, until it has joined its cluster: it is
    /// operational and knows a leader, which may be itself.
    ///
    /// # Errors
    /// It did not start, or failed. Nothing of it goes on.
    pub async fn initialize(self) -> Result<ClusterService<S>, InitializeError> {
        let (service, _) = self.begin().await?;
        service.joined().await?;
        Ok(service)
    }

    /// As [`initialize`](Self::initialize), but gives up after `limit`.
    ///
    /// # Errors
    /// As there; or the node has not joined in time, and was ended again. What it promised the others
    /// until then holds, and is in its data directory if it has one.
    pub async fn initialize_within(
        self,
        limit: Duration,
    ) -> Result<ClusterService<S>, InitializeError> {
        let voters = self.config.election().voters;
        let fenced = self.store.is_fence();
        let (service, heard) = self.begin().await?;
        tokio::select! {
            biased;
            joined = service.joined() => {
                joined?;
            }
            () = service.clock().sleep(limit) => {
                let (status, heard) = (service.status(), heard.get());
                // So that its port and its data directory are free again.
                let _ = service.shutdown().await;
                return Err(NotJoined { limit, status, voters, heard, fenced }.into());
            }
        }
        Ok(service)
    }

    /// Starts the node and does not wait: for a process that has something to do, or to show, before
    /// its node has joined. See [`ClusterService::joined`].
    ///
    /// # Errors
    /// It did not start.
    pub async fn start(self) -> Result<ClusterService<S>, InitializeError> {
        Ok(self.begin().await?.0)
    }

    async fn begin(self) -> Result<(ClusterService<S>, Heard), InitializeError> {
        if cfg!(madsim) {
            return Err(InitializeError::SimulationBuild);
        }
        let config = self.config.election();
        config.validate()?;
        let observer =
            self.observer.unwrap_or_else(|| Arc::new(LogObserver::new(config.voters.clone())));
        let disk = self.config.data.as_deref().map(FileDisk::open).transpose()?;
        let (listen, cluster) = (self.config.listens(), self.config.cluster);
        let fence = Arc::new(Bound::to(Arc::clone(&self.store), cluster.clone()));
        let stores = Stores { store: self.store, fence, patience: self.config.store_patience };
        if self.config.standalone {
            stores.bind().await?;
            return quorum(config, Alone, disk, stores, observer).await;
        }
        let network = TcpConfig {
            cluster: cluster.clone(),
            me: config.me,
            listen,
            voters: self.config.voters,
            observers: self.config.observers,
            process: random_number(),
        };
        let transport = TcpTransport::bind(network).await;
        let transport = transport.map_err(|source| InitializeError::Network { listen, source })?;
        // Last, because it is for ever: a store is not bound by a node that cannot start.
        stores.bind().await?;
        quorum(config, transport, disk, stores, observer).await
    }
}

/// The store, as its components see it and as the fence that is asked first whose it is.
struct Stores<S> {
    store: Arc<S>,
    fence: Arc<Bound<S>>,
    patience: Duration,
}

impl<S: Fence> Stores<S> {
    /// Binds the store. One that does not answer soon is asked on and on by the service: a node takes
    /// part without it, and acts when it is there.
    async fn bind(&self) -> Result<(), BindError> {
        match timeout(BIND_LIMIT, self.fence.ask()).await {
            Ok(Err(refused)) if !matches!(refused, BindError::Store(_)) => Err(refused),
            _ => Ok(()),
        }
    }
}

/// The voters that a node has heard before it knew a leader.
type Heard = Arc<Watched<Vec<NodeId>>>;

async fn quorum<T: Transport, S: Fence>(
    config: Config,
    transport: T,
    disk: Option<FileDisk>,
    Stores { store, fence, patience }: Stores<S>,
    observer: Arc<dyn Observer>,
) -> Result<(ClusterService<S>, Heard), InitializeError> {
    // Nodes that drew the same jitter would campaign against each other for ever.
    let seed = random_number();
    let (rolls, told) = (Arc::clone(&fence), Arc::clone(&observer));
    let quorum = Quorum::start(config, seed, transport, SystemClock, disk, rolls, told).await?;
    let heard = quorum.heard();
    Ok((ClusterService::start_bound(quorum, store, fence, observer, patience), heard))
}

/// Differs between nodes and boots: the standard library keys its hasher from the system's
/// randomness, which is all that is needed.
fn random_number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A node did not join its cluster. Nothing of it goes on, and it may be started again.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum InitializeError {
    /// The configuration is invalid. Nothing was started or written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The store serves another cluster. Nothing was sent.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] BindError),
    /// The network cannot be used. Nothing was sent.
    #[error("cannot {}", match listen {
        Some(listen) => format!("listen at {listen}"),
        None => "connect to the voters".to_owned(),
    })]
    #[diagnostic(help(
        "is the address one of this machine, and free? Another process of this node may still run"
    ))]
    Network {
        /// Where it tried to listen; nowhere if it is an observer.
        listen: Option<SocketAddr>,
        /// What is wrong.
        source: io::Error,
    },
    /// It has not joined in time. It was ended again; what it promised the others holds.
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotInTime(#[from] Box<NotJoined>),
    /// It failed before it had joined.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// This program was built for the simulator, which has no network and a time of its own.
    #[error("this is a simulation build, which cannot run a real node")]
    #[diagnostic(help(
        "plain cargo commands build for the simulator in this workspace. For an example: `cargo \
         example latch`; for the server: `cargo serve`. In a workspace of your own there is no such \
         flag, unless it is set there"
    ))]
    SimulationBuild,
}

impl From<NotJoined> for InitializeError {
    fn from(error: NotJoined) -> Self {
        Self::NotInTime(Box::new(error))
    }
}

impl From<DriverError> for InitializeError {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Config(error) => error.into(),
            DriverError::Disk(error) => error.into(),
        }
    }
}

/// How far a node came in the time that it had to join.
#[derive(Debug)]
pub struct NotJoined {
    /// How long it had.
    pub limit: Duration,
    /// What it believed at the end.
    pub status: ClusterStatus,
    /// The configured voters.
    pub voters: Vec<NodeId>,
    /// Those that it heard while it knew no leader.
    pub heard: Vec<NodeId>,
    /// Whether it has a store with a fence.
    pub fenced: bool,
}

impl NotJoined {
    fn silent(&self) -> impl Iterator<Item = &NodeId> {
        let known = |voter: &NodeId| *voter == self.status.current || self.heard.contains(voter);
        self.voters.iter().filter(move |voter| !known(voter))
    }
}

impl fmt::Display for NotJoined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClusterStatus { current, role, term, leader, .. } = &self.status;
        write!(f, "{current} has not joined its cluster within {:?}: ", self.limit)?;
        match leader {
            Some(leader) => write!(f, "it follows {leader} in term {term}, but is {role:?}")?,
            None => write!(f, "it is {role:?} in term {term} and knows no leader")?,
        }
        let silent: Vec<_> = self.silent().collect();
        write!(f, "; of the voters {:?} it has heard {:?}", self.voters, self.heard)?;
        if silent.is_empty() { Ok(()) } else { write!(f, ", and nothing of {silent:?}") }
    }
}

impl std::error::Error for NotJoined {}

impl Diagnostic for NotJoined {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let (all, majority) = (self.voters.len(), self.voters.len() / 2 + 1);
        let mut help = format!("it takes {majority} of {all} voters to elect a leader");
        if !self.fenced {
            let _ = write!(help, ", and without a store all of them, if too few remember anything");
        }
        help += ": are they running, with the same list of voters and the same cluster's name, and \
                 can they be reached at these addresses?";
        Some(Box::new(help))
    }
}
