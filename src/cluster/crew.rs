//! The components that work on a node's behalf and are waited for when it stops: dispatcher, jobs,
//! workers.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

use super::guard::Leadership;
use super::status::ClusterStatus;
use super::watched::Watched;

/// What a component is given to work with.
#[derive(Debug, Clone)]
pub struct Post<C> {
    /// The node's clock.
    pub clock: C,
    /// The guard, while this node may act. It outlasts the stop signal, so that an act under way can
    /// come to its end: a component must begin nothing new once `stop` is set.
    pub guard: Arc<Watched<Option<Leadership<C>>>>,
    /// What the node believes about its cluster. No permission.
    pub status: Arc<Watched<ClusterStatus>>,
    /// Set when the node begins to stop.
    pub stop: Arc<Watched<bool>>,
}

#[derive(Debug, Clone, Default)]
struct Roster {
    /// How many have not ended.
    at_work: usize,
    panicked: Option<&'static str>,
    closed: bool,
}

/// The components of one service.
#[derive(Debug, Default)]
pub(super) struct Crew {
    roster: Arc<Watched<Roster>>,
    handles: Mutex<Vec<AbortHandle>>,
}

impl Crew {
    /// Starts a component, unless the service has ended.
    pub(super) fn hire(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let hired = self.roster.update(|roster| {
            roster.at_work += usize::from(!roster.closed);
            !roster.closed
        });
        if !hired {
            return;
        }
        let shift = Shift { name, roster: Arc::clone(&self.roster) };
        let task = tokio::spawn(async move {
            let _shift = shift;
            work.await;
        });
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(task.abort_handle());
    }

    /// Completes when all components have ended.
    pub(super) async fn gone(&self) {
        self.roster.wait_for(|roster| (roster.at_work == 0).then_some(())).await;
    }

    /// Completes when a component has panicked, with its name.
    pub(super) async fn panicked(&self) -> &'static str {
        self.roster.wait_for(|roster| roster.panicked).await
    }

    /// Ends all components where they stand, and takes no others.
    pub(super) fn dismiss(&self) {
        self.roster.update(|roster| roster.closed = true);
        for handle in self.handles.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            handle.abort();
        }
    }
}

/// One component at work, however it ends.
struct Shift {
    name: &'static str,
    roster: Arc<Watched<Roster>>,
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.roster.update(|roster| {
            roster.at_work -= 1;
            if std::thread::panicking() {
                roster.panicked = Some(self.name);
            }
        });
    }
}
