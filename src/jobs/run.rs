//! The life of one run: the action under the guard, then its end in the store.
//!
//! The guard's end drops the action and records nothing: whoever leads next finds the run without
//! an end and records it as interrupted. A panic of an action is a failure of its run and of
//! nothing else.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::job::{ActionFuture, JobContext, JobError};
use crate::cluster::Watched;
use crate::probe::reach;
use crate::store::{Checked, Finished, JobRuns, RunEnd, StoreError};
use crate::time::Clock;

/// The runs of one leadership. Dropped, they end.
#[derive(Debug, Default)]
pub(super) struct Runs {
    tasks: Vec<JoinHandle<()>>,
    /// How many have ended.
    ended: Arc<Watched<u64>>,
}

impl Runs {
    /// Starts a run that the store has recorded.
    pub fn start<S: JobRuns, C: Clock>(
        &mut self,
        action: ActionFuture,
        context: JobContext<C>,
        store: Arc<S>,
        clock: C,
        retry: Duration,
    ) {
        self.tasks.retain(|task| !task.is_finished());
        let ended = Arc::clone(&self.ended);
        self.tasks.push(tokio::spawn(async move {
            live(action, &context, &*store, &clock, retry).await;
            ended.update(|ended| *ended += 1);
        }));
    }

    /// How many have ended so far.
    pub fn count_ended(&self) -> u64 {
        self.ended.get()
    }

    /// Completes when more than `seen` have ended.
    pub async fn more_ended(&self, seen: u64) {
        self.ended.wait_for(|ended| (*ended > seen).then_some(())).await;
    }

    /// Waits until all have ended.
    pub async fn all_ended(&mut self) {
        for task in &mut self.tasks {
            // One that panicked outside its action has ended, too.
            if let Err(error) = task.await {
                warn!(%error, "a run ended without its end in the store");
            }
        }
        self.tasks.clear();
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn live<S: JobRuns, C: Clock>(
    action: ActionFuture,
    context: &JobContext<C>,
    store: &S,
    clock: &C,
    retry: Duration,
) {
    let result = tokio::select! {
        biased;
        () = context.guard.cancelled() => {
            reach!("job_cancelled");
            info!(job = %context.job, run = context.id(), "cancelled: leadership has ended");
            return;
        }
        result = caught(action) => result,
    };
    let end = match result {
        Ok(()) => RunEnd::Done,
        Err(JobError { reason }) => {
            warn!(job = %context.job, run = context.id(), reason, "a run failed");
            RunEnd::Failed { reason }
        }
    };
    finish(context, store, clock, retry, end).await;
}

/// The action, with a panic as a failure.
async fn caught(mut action: ActionFuture) -> Result<(), JobError> {
    // Nothing of the action is used after a panic.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| action.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            let reason = said.map_or("panicked".to_owned(), |said| format!("panicked: {said}"));
            Poll::Ready(Err(JobError::new(reason)))
        }
    })
    .await
}

/// Writes down how the run ended, until the store has answered.
///
/// Not an act that needs the guard: the store's fence decides whether it still counts.
async fn finish<S: JobRuns, C: Clock>(
    context: &JobContext<C>,
    store: &S,
    clock: &C,
    retry: Duration,
    end: RunEnd,
) {
    loop {
        let finished =
            store.finish_run(context.token(), &context.job, context.instant, end.clone()).await;
        match finished {
            Ok(Checked::Passed(Finished::Recorded)) => {
                return debug!(run = context.id(), ?end, "run ended");
            }
            Ok(Checked::Fenced { floor }) => {
                return info!(run = context.id(), %floor, "the end of a run came too late");
            }
            Ok(Checked::Passed(Finished::NotRunning)) => {
                return warn!(
                    run = context.id(),
                    "a run ended that the store does not know to run"
                );
            }
            Err(error) => {
                if let StoreError::Unknown(_) = &error {
                    reach!("job_end_outcome_unknown");
                }
                debug!(run = context.id(), %error, "the end of a run is unanswered");
            }
        }
        if context.check().is_err() {
            return;
        }
        tokio::select! {
            biased;
            () = context.guard.cancelled() => {}
            () = clock.sleep(retry) => {}
        }
    }
}
