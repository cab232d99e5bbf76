//! A whole node: driver, activation and dispatcher, from start to graceful stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::warn;

use super::disk::Disk;
use super::driver::{Driver, DriverError};
use super::transport::Transport;
use crate::cluster::{
    Activation, ClusterStatus, ElectionCommand, LeaseState, Observer, Registrar, Watched,
};
use crate::delivery::{Dispatcher, DispatcherConfig, Sink};
use crate::election::Config;
use crate::jobs::{Jobs, Scheduler};
use crate::probe::mutant;
use crate::store::{JobRuns, Store};
use crate::time::Clock;

/// How long a graceful stop waits for the message in flight.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How many commands to the election may wait. Each is sent once for a lease, so few suffice.
const COMMAND_QUEUE: usize = 8;

/// How many requests to the store about its roll may wait: the election repeats them.
const ROLL_QUEUE: usize = 1;

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
    /// What is done by schedule.
    pub jobs: Jobs<C>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl<T: Transport, C: Clock, D: Disk, S: Store + JobRuns, K: Sink> Node<T, C, D, S, K> {
    /// Runs until `stop` turns true, then stops gracefully: the message in flight and the jobs that
    /// run are finished, at most [`STOP_LIMIT`], then leadership is handed over.
    ///
    /// # Errors
    /// The driver failed, or a task panicked. What was claimed stays claimed, for a later holder to
    /// put in doubt.
    pub async fn run(self, stop: Arc<Watched<bool>>) -> Result<(), NodeError> {
        let (command_sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let (rolls, requests) = mpsc::channel(ROLL_QUEUE);
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
            rolls,
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
            commands: command_sender.clone(),
            observer: self.observer,
        };
        let registrar = Registrar {
            store: Arc::clone(&self.store),
            requests,
            commands: command_sender.clone(),
        };
        let scheduler = (!self.jobs.is_empty()).then(|| {
            let (store, guard, stop) = (Arc::clone(&self.store), Arc::clone(&guard), Arc::clone(&stop));
            Scheduler::new(store, self.clock.clone(), self.jobs, guard, stop)
        });
        let dispatcher = Dispatcher::new(
            self.store,
            self.sink,
            self.clock.clone(),
            self.dispatcher,
            guard,
            status,
            Arc::clone(&stop),
        );
        let early_stop = Arc::clone(&stop);
        let stop_limit = async {
            stop.wait_for(|stop| stop.then_some(())).await;
            self.clock.sleep(STOP_LIMIT).await;
        };

        let mut driver = tokio::spawn(driver.run());
        let mut activation = tokio::spawn(activation.run());
        let registrar = AbortOnDrop(tokio::spawn(registrar.run()));
        let mut dispatcher = tokio::spawn(async move {
            let scheduler = scheduler.map(|s| AbortOnDrop(tokio::spawn(s.run())));
            dispatcher.run().await;
            if let Some(mut scheduler) = scheduler
                && (&mut scheduler.0).await.is_err()
            {
                // Its own panic is this task's, too.
                std::panic::resume_unwind(Box::new("the scheduler panicked"));
            }
        });
        let mut acts_in_flight = false;
        if mutant!(ReleasedBeforeWorkStopped) {
            let (stop, commands) = (Arc::clone(&early_stop), command_sender.clone());
            tokio::spawn(async move {
                stop.wait_for(|stop| stop.then_some(())).await;
                let _ = commands.send(ElectionCommand::Leave).await;
            });
        }
        // Dispatcher and scheduler end by themselves only after the stop signal.
        let ended = tokio::select! {
            biased;
            ended = &mut driver => Err(ended),
            _ = &mut activation => return Err(NodeError::Panicked("activation")),
            ended = &mut dispatcher => Ok(ended),
            () = stop_limit => {
                warn!("a message in flight outlasts the limit: a later leader will find it in doubt");
                dispatcher.abort();
                acts_in_flight = true;
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
        activation.abort();
        if acts_in_flight {
            // What it sent may still have an effect: the lease must run out, not be released.
            driver.abort();
            return Ok(());
        }
        let _ = command_sender.send(ElectionCommand::Leave).await;
        drop(registrar);
        driver.await.map_err(|_| NodeError::Panicked("driver"))?.map_err(NodeError::from)
    }
}

/// A task that ends with its handle.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
