//! The components that work on a node's behalf and are waited for when it stops: dispatcher, jobs,
//! workers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

use super::coordinator::Terms;
use super::guard::Leadership;
use super::mail::Mail;
use super::observe::Observer;
use super::refusal::Refusals;
use super::status::ClusterStatus;
use super::watched::Watched;

/// What a component is given to work with.
#[derive(Clone)]
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
    /// To the same component on other nodes, and from there.
    pub mail: Arc<Mail>,
    /// What leases between nodes rest on.
    pub terms: Terms,
    /// Who wants to know what happens.
    pub observer: Arc<dyn Observer>,
    /// Where to tell what was said against the token of the guard.
    pub(crate) refusals: Arc<Refusals>,
}

impl<C: fmt::Debug> fmt::Debug for Post<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clock, stop, terms) = (&self.clock, self.stop.get(), &self.terms);
        f.debug_struct("Post")
            .field("clock", clock)
            .field("stop", &stop)
            .field("terms", terms)
            .finish_non_exhaustive()
    }
}

/// A component that was not attached, because one of that name is at work. Nothing was started.
///
/// Two would act under the same token, and neither the fence nor a recipient could tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("this service runs a {name} already, and two would act under the same token: {remedy}")]
pub struct AlreadyAttached {
    /// The name.
    pub name: Cow<'static, str>,
    /// What to do instead.
    pub remedy: &'static str,
}

#[derive(Debug, Clone, Default)]
struct Roster {
    /// Who has not ended.
    at_work: BTreeSet<Cow<'static, str>>,
    panicked: Option<Cow<'static, str>>,
    closed: bool,
}

/// The components of one service.
#[derive(Debug, Default)]
pub(super) struct Crew {
    roster: Arc<Watched<Roster>>,
    handles: Mutex<Vec<AbortHandle>>,
}

impl Crew {
    /// Keeps a place for a component; nothing if one of its name is at work.
    pub(super) fn seat(&self, name: Cow<'static, str>) -> Option<Seat> {
        let free = self.roster.update(|roster| roster.at_work.insert(name.clone()));
        // Not made if it is taken: its end would free the place of the one that has it.
        let seat = || Seat { name, roster: Arc::clone(&self.roster), began: false };
        free.then(seat)
    }

    /// Starts a component, unless the service has ended.
    pub(super) fn start(&self, mut seat: Seat, work: impl Future<Output = ()> + Send + 'static) {
        // Held until its handle is there: whoever closes the roster then finds it.
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if self.roster.with(|roster| roster.closed) {
            return;
        }
        seat.began = true;
        let task = tokio::spawn(async move {
            let _seat = seat;
            work.await;
        });
        handles.retain(|handle| !handle.is_finished());
        handles.push(task.abort_handle());
    }

    /// Completes when all components have ended.
    pub(super) async fn gone(&self) {
        self.roster.wait_for(|roster| roster.at_work.is_empty().then_some(())).await;
    }

    /// Completes when a component has panicked, with its name.
    pub(super) async fn panicked(&self) -> Cow<'static, str> {
        self.roster.wait_for(|roster| roster.panicked.clone()).await
    }

    /// Ends all components where they stand, and takes no others.
    pub(super) fn dismiss(&self) {
        self.roster.update(|roster| roster.closed = true);
        for handle in self.handles.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            handle.abort();
        }
    }
}

/// The place of one component, which is free again when it ends, however it ends.
pub(crate) struct Seat {
    name: Cow<'static, str>,
    roster: Arc<Watched<Roster>>,
    began: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.update(|roster| {
            roster.at_work.remove(&self.name);
            if self.began && std::thread::panicking() {
                roster.panicked = Some(self.name.clone());
            }
        });
    }
}
