//! A whole node: driver, activation and dispatcher, from start to graceful stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::disk::Disk;
use super::driver::{Driver, DriverError};
use super::transport::Transport;
use crate::cluster::{Activation, ClusterStatus, LeaseState, Observer, Watched};
use crate::delivery::{Dispatcher, DispatcherConfig, Sink};
use crate::election::Config;
use crate::store::Store;
use crate::time::Clock;

/// How long a graceful stop waits for the message in flight.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How many commands to the election may wait. Each is sent once for a lease, so few suffice.
const COMMAND_QUEUE: usize = 8;

/// The node ended otherwise than by its stop signal.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The election's driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// One of the node's tasks panicked, which is a bug. Its leadership ends with the process.
    #[error("the {0} panicked")]
    Panicked(&'static str),
}

/// Everything a node is made of.
pub struct Node<T, C, D, S, K> {
    /// Voters and timing.
    pub config: Config,
    /// Seed of the election's jitter; must differ between nodes and boots.
    pub seed: u64,
    /// The network.
    pub transport: T,
    /// The clocks.
    pub clock: C,
    /// Where votes survive.
    pub disk: D,
    /// Fence and outbox.
    pub store: Arc<S>,
    /// Where messages go.
    pub sink: Arc<K>,
    /// How the dispatcher works.
    pub dispatcher: DispatcherConfig,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl<T: Transport, C: Clock, D: Disk, S: Store, K: Sink> Node<T, C, D, S, K> {
    /// Runs until `stop` turns true, then stops gracefully: the dispatcher finishes the message in
    /// flight, at most [`STOP_LIMIT`], then leadership is given up.
    ///
    /// # Errors
    /// The driver failed, or a task panicked. What was claimed stays claimed, for a later holder to
    /// put in doubt.
    pub async fn run(self, stop: Arc<Watched<bool>>) -> Result<(), NodeError> {
        let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let lease = Arc::new(Watched::new(LeaseState::default()));
        let guard = Arc::new(Watched::new(None));
        let driver = Driver::start(
            self.config,
            self.seed,
            self.transport,
            self.clock.clone(),
            self.disk,
            Arc::clone(&self.observer),
            commands,
            Arc::clone(&lease),
        )
        .await?;
        let status: Arc<Watched<ClusterStatus>> = driver.status();
        let activation = Activation {
            me: driver.me(),
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            lease,
            guard: Arc::clone(&guard),
            commands: command_sender,
            observer: self.observer,
        };
        let dispatcher = Dispatcher::new(
            self.store,
            self.sink,
            self.clock.clone(),
            self.dispatcher,
            guard,
            status,
            Arc::clone(&stop),
        );
        let stop_limit = async {
            stop.wait_for(|stop| stop.then_some(())).await;
            self.clock.sleep(STOP_LIMIT).await;
        };

        let mut driver = tokio::spawn(driver.run());
        let mut activation = tokio::spawn(activation.run());
        let mut dispatcher = tokio::spawn(dispatcher.run());
        // The dispatcher ends by itself only after the stop signal.
        let ended = tokio::select! {
            biased;
            ended = &mut driver => Err(ended),
            _ = &mut activation => return Err(NodeError::Panicked("activation")),
            ended = &mut dispatcher => Ok(ended),
            () = stop_limit => {
                warn!("a message in flight outlasts the limit: a later leader will find it in doubt");
                dispatcher.abort();
                Ok(Ok(()))
            }
        };
        match ended {
            Err(Ok(result)) => {
                activation.abort();
                dispatcher.abort();
                return Ok(result?);
            }
            Err(Err(_)) => return Err(NodeError::Panicked("driver")),
            Ok(Err(_)) => return Err(NodeError::Panicked("dispatcher")),
            Ok(Ok(())) => {}
        }
        info!("giving leadership up");
        // With the activation its end of the command channel goes, which stops the driver.
        activation.abort();
        driver.await.map_err(|_| NodeError::Panicked("driver"))?.map_err(NodeError::from)
    }
}
