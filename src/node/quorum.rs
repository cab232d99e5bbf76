//! The embedded quorum: the coordinator that needs nothing but its peers.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::disk::Disk;
use super::driver::{Driver, DriverError};
use super::registrar::Registrar;
use super::transport::Transport;
use crate::cluster::{
    AbortOnDrop, ClusterStatus, Coordinator, ElectionCommand, LeaseState, Mail, Observer, Terms,
    Watched, Why,
};
use crate::election::{ColdStart, Config, Timing};
use crate::id::NodeId;
use crate::store::Fence;
use crate::time::Clock;

/// The election with its world, and the store that is asked about the roll of a cold start.
pub struct Quorum<T, C, D, S> {
    driver: Driver<T, C, D>,
    registrar: Registrar<S>,
    terms: Terms,
}

impl<T: Transport, C: Clock, D: Disk, S: Fence> Quorum<T, C, D, S> {
    /// Reads what this node remembers. Whether the cluster starts anew by the store or by all voters
    /// follows from whether `store` has a fence, whatever `config` says.
    ///
    /// `seed` must be random: it must differ between nodes and between the starts of one node.
    ///
    /// # Errors
    /// The configuration is invalid, or the disk cannot be read. Nothing was started or written.
    pub async fn start(
        config: Config,
        seed: u64,
        transport: T,
        clock: C,
        disk: D,
        store: Arc<S>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, DriverError> {
        let cold_start = if store.is_fence() { ColdStart::ByStore } else { ColdStart::ByAllVoters };
        let config = Config { cold_start, ..config };
        let Timing { lease, promise, .. } = config.timing;
        let (registrar, rolls) = Registrar::new(store);
        let driver = Driver::start(config, seed, transport, clock, disk, observer, rolls).await?;
        let terms = Terms { boot: driver.boot(), lease, promise };
        Ok(Self { driver, registrar, terms })
    }

    /// The voters that were heard while no leader was known.
    pub(super) fn heard(&self) -> Arc<Watched<Vec<NodeId>>> {
        Arc::clone(self.driver.heard())
    }
}

impl<T: Transport, C: Clock, D: Disk, S: Fence> Coordinator for Quorum<T, C, D, S> {
    type Clock = C;
    type Error = DriverError;

    fn clock(&self) -> C {
        self.driver.clock().clone()
    }

    fn status(&self) -> Arc<Watched<ClusterStatus>> {
        Arc::clone(self.driver.status())
    }

    fn lease(&self) -> Arc<Watched<LeaseState>> {
        Arc::clone(self.driver.lease())
    }

    fn mail(&self) -> Arc<Mail> {
        Arc::clone(self.driver.mail())
    }

    fn why(&self) -> Why {
        Arc::clone(self.driver.why())
    }

    fn terms(&self) -> Terms {
        self.terms
    }

    async fn run(self, commands: mpsc::Receiver<ElectionCommand>) -> Result<(), DriverError> {
        let _registrar = AbortOnDrop(tokio::spawn(self.registrar.run()));
        self.driver.run(commands).await
    }
}
