//! From a lease to a guard: the fence is raised first, and only then may anybody act.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::coordinator::ElectionCommand;
use super::guard::{Leadership, LeaseState};
use super::observe::{NodeEvent, Observer};
use super::watched::Watched;
use crate::id::{Generation, Identity, NodeId, Token};
use crate::probe::{mutant, reach};
use crate::store::{Activated, Fence, StoreError};
use crate::time::Clock;

/// For how long a leader that cannot reach the store goes on trying before it lets another try.
pub const ACTIVATION_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait between two attempts to raise the fence.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Turns each lease into a guard by raising the store's fence to the lease's token.
pub(super) struct Activation<S, C: Clock> {
    /// This node.
    pub(super) me: NodeId,
    /// The store that holds the fence.
    pub(super) store: Arc<S>,
    /// This node's clock.
    pub(super) clock: C,
    /// The lease, as the election driver publishes it.
    pub(super) lease: Arc<Watched<LeaseState>>,
    /// Where guards are handed out.
    pub(super) guard: Arc<Watched<Option<Leadership<C>>>>,
    /// To the election driver.
    pub(super) commands: mpsc::Sender<ElectionCommand>,
    /// Who wants to know.
    pub(super) observer: Arc<dyn Observer>,
}

impl<S: Fence, C: Clock> Activation<S, C> {
    /// Runs for as long as the node does.
    pub(super) async fn run(self) {
        loop {
            let lease = self.lease.wait_for(|lease| lease.held.then_some(*lease)).await;
            let fenced = self.store.is_fence();
            let leadership =
                Leadership::new(lease.token, fenced, Arc::clone(&self.lease), self.clock.clone());
            let outlasts = mutant!(StaleWaiter) || mutant!(DelayedResetObeyed);
            tokio::select! {
                biased;
                () = leadership.cancelled(), if !outlasts => {}
                () = self.hold(&leadership, lease) => {}
            }
            self.guard.set(None);
            // A lease that ran out is not cleared before the driver wakes: wait for its word.
            let over = |lease: &LeaseState| {
                (!lease.held || lease.token != leadership.token()).then_some(())
            };
            self.lease.wait_for(over).await;
        }
    }

    /// Raises the fence, hands the guard out, and then waits to be cancelled.
    async fn hold(&self, leadership: &Leadership<C>, lease: LeaseState) {
        let began = self.clock.now();
        let (token, generation) = (leadership.token(), lease.generation);
        let holder = Identity { node: self.me, incarnation: lease.incarnation };
        loop {
            let patience = began + ACTIVATION_PATIENCE;
            let answer = tokio::select! {
                biased;
                answer = self.store.activate(generation, token, holder) => Some(answer),
                () = self.clock.sleep_until(patience) => None,
            };
            match answer {
                Some(Ok(Activated::Raised)) => break,
                Some(Ok(Activated::Behind { floor, generation: stored })) => {
                    tell_refused(token, generation, floor, stored);
                    let generation = stored;
                    let (term, floor) = (token.into(), floor.into());
                    self.command(ElectionCommand::Outranked { term, floor, generation }).await;
                    return;
                }
                Some(Err(error)) => {
                    match &error {
                        StoreError::Unknown(_) => reach!("activation_retried"),
                        StoreError::Unavailable(_) => reach!("activation_failed"),
                    }
                    warn!(token = %leadership.token(), %error, "cannot raise the fence yet");
                }
                None => {}
            }
            if self.clock.now() >= patience {
                warn!("the store stays out of reach: resigning, so that another node can try");
                self.command(ElectionCommand::Resign { term: token.into() }).await;
                return;
            }
            self.clock.sleep(RETRY_PAUSE).await;
        }
        if leadership.check().is_ok() || mutant!(StaleWaiter) {
            self.issue(leadership, holder, token);
            leadership.cancelled().await;
        }
    }

    fn issue(&self, leadership: &Leadership<C>, holder: Identity, token: Token) {
        self.observer.observe(&NodeEvent::GuardIssued { token, holder });
        self.guard.set(Some(leadership.clone()));
    }

    async fn command(&self, command: ElectionCommand) {
        // The driver outlives this task except while the node stops; then nobody needs to know.
        let _ = self.commands.send(command).await;
    }
}

/// A floor above the token is learned and outdone. A store whose generation is older is another store, or
/// one that was set back, and no leader of this generation will ever act over it.
fn tell_refused(token: Token, ours: Generation, floor: Token, stored: Generation) {
    if stored < ours {
        warn!(
            %token, %ours, %stored,
            "the store is older than this cluster: nobody can act until the right store is back, or \
             until all nodes were stopped and their data directories deleted",
        );
    } else {
        info!(%token, %floor, generation = %stored, "the store does not take this token");
    }
}
