//! What the parts of a cluster service share: the cells that they publish through, and how it ended.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::bond::Bond;
use super::coordinator::{ElectionCommand, Terms};
use super::crew::Crew;
use super::guard::Leadership;
use super::mail::Mail;
use super::observe::Observer;
use super::refusal::Refusals;
use super::status::ClusterStatus;
use super::watched::Watched;
use crate::store::BindError;
use crate::time::Clock;

/// The service has ended, or is about to: there will be no leadership on this node any more. Guards
/// have ended; what the application did under them stands as the store and the recipients have it.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum Stopped {
    /// It was shut down, or dropped.
    #[error("the cluster service was shut down")]
    ShutDown,
    /// Its coordinator failed. A lease that this node held runs out by itself.
    #[error("the cluster service has ended, because its coordinator failed: {0}")]
    Coordinator(Arc<dyn Error + Send + Sync>),
    /// Its store answered at last, and is not this cluster's.
    #[error("the cluster service has ended: {0}")]
    Store(BindError),
    /// A part of it, or a component attached to it, panicked, which is a bug. A lease that this node
    /// held runs out by itself.
    #[error("the cluster service has ended, because its {0} panicked, which is a bug")]
    Panicked(Cow<'static, str>),
}

/// One service, as its parts see it.
pub(super) struct Shared<C> {
    pub(super) clock: C,
    pub(super) status: Arc<Watched<ClusterStatus>>,
    pub(super) guard: Arc<Watched<Option<Leadership<C>>>>,
    pub(super) commands: mpsc::Sender<ElectionCommand>,
    /// Set when the node begins to stop.
    pub(super) stop: Arc<Watched<bool>>,
    /// Set when all has ended.
    pub(super) end: Arc<Watched<Option<Stopped>>>,
    pub(super) crew: Crew,
    pub(super) mail: Arc<Mail>,
    pub(super) terms: Terms,
    pub(super) observer: Arc<dyn Observer>,
    /// What was said against this node's token.
    pub(super) refusals: Arc<Refusals>,
    /// Whether the store is known to be this cluster's.
    pub(super) bond: Arc<Watched<Bond>>,
}

impl<C: Clock> Shared<C> {
    /// Completes when the node begins to stop.
    pub(super) async fn stopping(&self) -> Stopped {
        self.stop.wait_for(|stop| stop.then_some(())).await;
        self.end.get().unwrap_or(Stopped::ShutDown)
    }

    /// The guard, if this node may act and does not stop.
    pub(super) fn leadership(&self) -> Option<Leadership<C>> {
        self.guard.with(|guard| self.for_application(guard.as_ref()))
    }

    /// Waits for the guard.
    pub(super) async fn latch(&self) -> Result<Leadership<C>, Stopped> {
        tokio::select! {
            biased;
            stopped = self.stopping() => Err(stopped),
            guard = self.guard.wait_for(|guard| self.for_application(guard.as_ref())) => Ok(guard),
        }
    }

    /// Whoever waited for a guard may have waited too long: it is looked at once more.
    fn for_application(&self, guard: Option<&Leadership<C>>) -> Option<Leadership<C>> {
        guard.map(|guard| guard.until(&self.stop)).filter(|guard| guard.check().is_ok())
    }
}
