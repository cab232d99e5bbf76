//! What runs behind a cluster service, from its start to its end: the coordinator, the activation and
//! whatever was attached.
//!
//! The order of a graceful stop is the point: first the last act, then the release (L3). What does not
//! end in time may still have an effect, so then the lease is not released but left to run out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tracing::warn;

use super::activation::Activation;
use super::coordinator::{Coordinator, ElectionCommand};
use super::outage::tell_outages;
use super::shared::{Shared, Stopped};
use crate::probe::mutant;
use crate::store::Fence;
use crate::time::Clock;

/// How long a graceful stop waits for what is under way: components that were attached, and whoever
/// holds a guard.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait for a task that was told to end where it stands.
const ABORT_LIMIT: Duration = Duration::from_millis(100);

/// A task that ends with its handle.
#[derive(Debug)]
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a service until it is asked to stop, or fails. However this ends, dropped or not, nothing of
/// it goes on.
pub(super) async fn supervise<O: Coordinator, S: Fence>(
    coordinator: O,
    commands: mpsc::Receiver<ElectionCommand>,
    activation: Activation<S, O::Clock>,
    shared: Arc<Shared<O::Clock>>,
) {
    let mut end = End { shared: Arc::clone(&shared), how: Stopped::ShutDown };
    if let Err(stopped) = run(coordinator, commands, activation, shared).await {
        end.how = stopped;
    }
}

async fn run<O: Coordinator, S: Fence>(
    coordinator: O,
    commands: mpsc::Receiver<ElectionCommand>,
    activation: Activation<S, O::Clock>,
    shared: Arc<Shared<O::Clock>>,
) -> Result<(), Stopped> {
    let _told = AbortOnDrop(tokio::spawn(tell_outages(Arc::clone(&shared), coordinator.why())));
    let mut coordinator = AbortOnDrop(tokio::spawn(coordinator.run(commands)));
    let shared = &*shared;
    let outcome = attend::<O, S>(&mut coordinator, activation, shared).await;
    if !coordinator.0.is_finished() {
        // Its port and its disk are free when the end is told, unless the disk is stuck.
        coordinator.0.abort();
        tokio::select! {
            biased;
            _ = &mut coordinator.0 => {}
            () = shared.clock.sleep(ABORT_LIMIT) => {}
        }
    }
    outcome
}

/// Waits for the end of all, in the order of a graceful stop, or for the first part that fails.
async fn attend<O: Coordinator, S: Fence>(
    coordinator: &mut AbortOnDrop<Result<(), O::Error>>,
    activation: Activation<S, O::Clock>,
    shared: &Shared<O::Clock>,
) -> Result<(), Stopped> {
    let fence = Arc::clone(&activation.store);
    let mut activation = AbortOnDrop(tokio::spawn(activation.run()));
    tokio::select! {
        biased;
        ended = &mut coordinator.0 => return outcome::<O>(ended),
        error = fence.refused(&shared.clock) => return Err(Stopped::Store(error)),
        _ = &mut activation.0 => return Err(Stopped::Panicked("activation".into())),
        name = shared.crew.panicked() => return Err(Stopped::Panicked(name)),
        _ = shared.stopping() => {}
    }
    if mutant!(ReleasedBeforeWorkStopped) {
        let _ = shared.commands.send(ElectionCommand::Leave).await;
    }
    tokio::select! {
        biased;
        ended = &mut coordinator.0 => return outcome::<O>(ended),
        name = shared.crew.panicked() => return Err(Stopped::Panicked(name)),
        () = last_act(shared, &mut activation) => {}
        () = shared.clock.sleep(STOP_LIMIT) => {
            warn!(
                limit = ?STOP_LIMIT,
                "what is under way outlasts the limit: the lease is left to run out, and a message in \
                 flight will be found in doubt",
            );
            return Ok(());
        }
    }
    let _ = shared.commands.send(ElectionCommand::Leave).await;
    tokio::select! {
        biased;
        ended = &mut coordinator.0 => outcome::<O>(ended),
        () = shared.clock.sleep(STOP_LIMIT) => {
            warn!(limit = ?STOP_LIMIT, "the coordinator does not end, and is dropped: is its disk stuck?");
            Ok(())
        }
    }
}

/// Waits until nobody acts any more under this node's leadership, and nobody can begin to.
async fn last_act<C: Clock>(shared: &Shared<C>, activation: &mut AbortOnDrop<()>) {
    shared.crew.gone().await;
    // Held from before the activation lets go of its own until it was counted: a turn that ends at this
    // moment must not find fewer holders than there are.
    let before = shared.guard.update(Option::take);
    activation.0.abort();
    let _ = (&mut activation.0).await;
    let last = shared.guard.update(Option::take);
    for guard in [before, last].into_iter().flatten() {
        guard.alone().await;
    }
}

fn outcome<O: Coordinator>(ended: Result<Result<(), O::Error>, JoinError>) -> Result<(), Stopped> {
    match ended {
        Ok(result) => result.map_err(|error| Stopped::Coordinator(Arc::new(error))),
        Err(_) => Err(Stopped::Panicked("coordinator".into())),
    }
}

/// Tells everybody that the service has ended, when it is dropped.
struct End<C: Clock> {
    shared: Arc<Shared<C>>,
    how: Stopped,
}

impl<C: Clock> Drop for End<C> {
    /// The end is told last: who hears of it finds nobody leading or acting. How it came about is
    /// known before the stop that it causes.
    fn drop(&mut self) {
        let Self { shared, how } = self;
        // It leads no more, whatever the coordinator was able to say.
        shared.status.update(|status| {
            if status.believes_to_lead() {
                status.leader = None;
            }
        });
        shared.guard.set(None);
        shared.crew.dismiss();
        shared.end.set(Some(how.clone()));
        shared.stop.set(true);
    }
}
