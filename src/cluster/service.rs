//! The handle that an application holds: what it may ask of its cluster, and how it leaves.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::activation::{ACTIVATION_PATIENCE, Activation};
use super::bond::{Bond, Bound};
use super::coordinator::Coordinator;
use super::crew::{AlreadyAttached, Post, Seat};
use super::guard::Leadership;
use super::mail::Mail;
use super::observe::Observer;
use super::select::Selection;
use super::shared::{Shared, Stopped};
use super::status::ClusterStatus;
use super::supervise::{AbortOnDrop, supervise};
use super::trouble::Trouble;
use super::watch::StatusWatch;
use super::watched::Watched;
use crate::election::Role;
use crate::store::{Fence, Unfenced};
use crate::time::{Clock, SystemClock};

/// How many commands to the election may wait. Each is sent once for a lease, so few suffice.
const COMMAND_QUEUE: usize = 8;

/// A node's part in its cluster. Made by [`ClusterService::builder`].
///
/// `S` is the store whose fence backs the guards; without one, there is leadership only.
///
#[cfg_attr(madsim, doc = "```ignore")]
#[cfg_attr(not(madsim), doc = "```")]
/// use fencepost::{ClusterConfig, ClusterService};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A cluster of one, for a first try: the same code, and no network.
/// let cluster = ClusterService::builder(ClusterConfig::standalone()).initialize().await?;
///
/// let guard = cluster.latch().await?;
/// while guard.check().is_ok() {
///     println!("acting with token {}", guard.token());
/// #   break;
/// }
/// // A guard that is still held counts as an act under way.
/// drop(guard);
/// cluster.shutdown().await?;
/// # Ok(())
/// # }
/// ```
///
/// Stop it with [`shutdown`](Self::shutdown). When it is dropped instead, its tasks end where they
/// stand, guards end, and the lease is not handed over but runs out: other nodes wait for that.
pub struct ClusterService<S = Unfenced, C: Clock = SystemClock> {
    shared: Arc<Shared<C>>,
    store: Arc<S>,
    _supervisor: AbortOnDrop<()>,
}

impl<S: Fence, C: Clock> ClusterService<S, C> {
    /// Starts to take part, and does not wait: the node joins when it can.
    ///
    /// [`ClusterService::builder`] is the common way; this is for other coordinators, clocks and
    /// worlds. To be called within the async runtime that the service shall live in.
    pub fn start(
        coordinator: impl Coordinator<Clock = C>,
        store: Arc<S>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let fence = Arc::new(Bound::already(Arc::clone(&store)));
        Self::start_bound(coordinator, store, fence, observer, ACTIVATION_PATIENCE)
    }

    /// The same, over a store that may have to be asked first whose it is, by `fence`, and for which a
    /// leader waits so long.
    pub(crate) fn start_bound(
        coordinator: impl Coordinator<Clock = C>,
        store: Arc<S>,
        fence: Arc<Bound<S>>,
        observer: Arc<dyn Observer>,
        patience: Duration,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
        let shared = Arc::new(Shared {
            clock: coordinator.clock(),
            status: coordinator.status(),
            guard: Arc::new(Watched::new(None)),
            commands,
            stop: Arc::default(),
            end: Arc::default(),
            crew: Default::default(),
            mail: coordinator.mail(),
            terms: coordinator.terms(),
            observer: Arc::clone(&observer),
            refusals: Arc::default(),
            bond: Arc::clone(fence.bond()),
        });
        let activation = Activation {
            me: shared.status.with(|status| status.current),
            store: fence,
            clock: shared.clock.clone(),
            lease: coordinator.lease(),
            guard: Arc::clone(&shared.guard),
            commands: shared.commands.clone(),
            observer,
            refusals: Arc::clone(&shared.refusals),
            patience,
            trouble: Trouble::of("leader", "the store"),
        };
        let supervisor = supervise(coordinator, receiver, activation, Arc::clone(&shared));
        Self { shared, store, _supervisor: AbortOnDrop(tokio::spawn(supervisor)) }
    }
}

impl<S, C: Clock> ClusterService<S, C> {
    /// What this node believes about its cluster, now. Never blocks. Information, no permission: for
    /// that, see [`leadership`](Self::leadership).
    pub fn status(&self) -> ClusterStatus {
        self.shared.status.get()
    }

    /// Follows the status. Whoever is slow misses what lies between, and holds nobody up.
    ///
    #[cfg_attr(madsim, doc = "```ignore")]
    #[cfg_attr(not(madsim), doc = "```")]
    /// # use fencepost::{ClusterConfig, ClusterService};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cluster = ClusterService::builder(ClusterConfig::standalone()).initialize().await?;
    /// let mut changes = cluster.watch();
    /// # cluster.shutdown().await?;
    /// while let Some(status) = changes.next().await {
    ///     println!("term {}: the leader is {:?}", status.term, status.leader);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> StatusWatch {
        StatusWatch::new(Arc::clone(&self.shared.status), Arc::clone(&self.shared.end))
    }

    /// Waits until this node takes part: it is operational and knows a leader.
    ///
    /// # Errors
    /// The service has stopped.
    pub async fn joined(&self) -> Result<ClusterStatus, Stopped> {
        let joined = self.shared.status.wait_for(|status| {
            let takes_part = status.role != Role::Rejoining && status.leader.is_some();
            takes_part.then(|| status.clone())
        });
        tokio::select! {
            biased;
            stopped = self.shared.stopping() => Err(stopped),
            status = joined => Ok(status),
        }
    }

    /// The guard, if this node may act now.
    pub fn leadership(&self) -> Option<Leadership<C>> {
        self.shared.leadership()
    }

    /// Waits until this node may act: Curator's LeaderLatch. An observer waits for ever.
    ///
    /// Leadership stays here until it is lost or the service is shut down; to give it up after a piece
    /// of work, see [`select`](Self::select).
    ///
    /// # Errors
    /// The service has stopped.
    pub async fn latch(&self) -> Result<Leadership<C>, Stopped> {
        self.shared.latch().await
    }

    /// Runs `work` each time this node leads, and gives leadership up when it returns, so that other
    /// nodes go first: Curator's LeaderSelector.
    ///
    /// The work is cancelled, at its next await, when its guard ends: leadership was lost, or the
    /// node stops. What must not be cut off there belongs into a task of its own, with a clone of the
    /// guard: a shutdown waits for it.
    ///
    /// Leadership is handed over at once if nobody else on this node holds its guard when the work
    /// returns. If somebody does, a component or a clone, what was begun under the guard may still be
    /// under way: it ends, and its lease is left to run out before another node may act.
    ///
    /// Leadership is the node's, not the work's: of two selections, or beside attached components,
    /// the first one that returns gives it up for all.
    ///
    #[cfg_attr(madsim, doc = "```ignore")]
    #[cfg_attr(not(madsim), doc = "```")]
    /// # use fencepost::{ClusterConfig, ClusterService};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cluster = ClusterService::builder(ClusterConfig::standalone()).initialize().await?;
    /// # let (done, mut turns) = tokio::sync::mpsc::channel(1);
    /// let selection = cluster.select(move |guard| {
    ///     let done = done.clone();
    ///     async move {
    ///         println!("my turn, with token {}", guard.token());
    ///         let _ = done.send(guard.token()).await;
    ///     }
    /// });
    /// let (first, second) = (turns.recv().await, turns.recv().await);
    /// assert!(first < second);
    /// # drop(selection);
    /// # cluster.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn select<F, W>(&self, work: F) -> Selection
    where
        F: FnMut(Leadership<C>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Selection::start(Arc::clone(&self.shared), work)
    }

    /// Runs a component as a part of this node: it watches for the guard by itself, and a shutdown
    /// waits until it has ended. If it panics, the service ends. On a service that has ended, nothing
    /// is run. It begins when the store has answered for the first time, or the node stops.
    ///
    /// Its name is for error messages, and says what it does: a token is for one of a kind.
    ///
    /// # Errors
    /// A component of that name has not ended yet. Nothing was started.
    pub fn attach<W>(
        &self,
        name: &'static str,
        component: impl FnOnce(Post<C>) -> W,
    ) -> Result<(), AlreadyAttached>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let seat = self.seat(name, "name each after what it does, or wait until the first ends")?;
        self.attach_at(seat, component);
        Ok(())
    }

    /// Keeps the place of a component, so that no other of its name is attached.
    pub(crate) fn seat(
        &self,
        name: impl Into<Cow<'static, str>>,
        remedy: &'static str,
    ) -> Result<Seat, AlreadyAttached> {
        let name = name.into();
        self.shared.crew.seat(name.clone()).ok_or(AlreadyAttached { name, remedy })
    }

    /// Runs the component whose place was kept.
    pub(crate) fn attach_at<W>(&self, seat: Seat, component: impl FnOnce(Post<C>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (bond, stop) = (Arc::clone(&self.shared.bond), Arc::clone(&self.shared.stop));
        let work = component(self.post());
        self.shared.crew.start(seat, async move {
            // Nobody acts over a store that may be another cluster's.
            tokio::select! {
                biased;
                () = stop.wait_for(|stop| stop.then_some(())) => {}
                () = bond.wait_for(|bond| (*bond == Bond::Bound).then_some(())) => {}
            }
            work.await;
        });
    }

    /// What a component is given to work with.
    pub(crate) fn post(&self) -> Post<C> {
        let shared = &self.shared;
        Post {
            clock: shared.clock.clone(),
            guard: Arc::clone(&shared.guard),
            status: Arc::clone(&shared.status),
            stop: Arc::clone(&shared.stop),
            mail: Arc::clone(&shared.mail),
            terms: shared.terms,
            observer: Arc::clone(&shared.observer),
            refusals: Arc::clone(&shared.refusals),
        }
    }

    /// The store that backs the guards.
    pub fn store(&self) -> &Arc<S> {
        &self.store
    }

    /// What components of other nodes say to those of this one.
    pub(crate) fn mail(&self) -> &Arc<Mail> {
        &self.shared.mail
    }

    /// The clock that leases count on.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }

    /// Completes when the service has ended, with the reason.
    pub async fn ended(&self) -> Stopped {
        self.shared.end.wait_for(Option::clone).await
    }

    /// Stops gracefully: guards end, so that nothing new begins; what is under way comes to its end;
    /// then leadership is handed over, and the node says goodbye.
    ///
    /// Under way are attached components that have not ended, and all clones of a guard that have not
    /// been dropped. They have [`STOP_LIMIT`](super::STOP_LIMIT); if that is not enough, components
    /// are ended where they stand, and the lease is not handed over but runs out. Calling it again
    /// waits for the same end; when it is dropped, the stop goes on.
    ///
    /// # Errors
    /// The service ended otherwise, before or while it was stopping.
    pub async fn shutdown(&self) -> Result<(), Stopped> {
        self.shared.stop.set(true);
        match self.ended().await {
            Stopped::ShutDown => Ok(()),
            failed => Err(failed),
        }
    }

    /// Takes part until `signal` completes, then shuts down. Returns early if the service fails.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn run_until(&self, signal: impl Future<Output = ()>) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            _ = self.ended() => {}
            () = signal => {}
        }
        self.shutdown().await
    }
}

impl<S, C: Clock> fmt::Debug for ClusterService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, end) = (self.status(), self.shared.end.get());
        f.debug_struct("ClusterService")
            .field("status", &status)
            .field("end", &end)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, madsim))]
mod tests;
