//! From a lease to a guard: the fence is raised first, and only then may anybody act.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::guard::{Leadership, LeaseState};
use super::observe::{NodeEvent, Observer};
use super::watched::Watched;
use crate::id::{Generation, Identity, Term};
use crate::probe::reach;
use crate::store::{Activated, Store};
use crate::time::Clock;

/// For how long a leader that cannot reach the store goes on trying before it lets another try.
pub const ACTIVATION_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait between two attempts to raise the fence.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What the application's side asks of the election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionCommand {
    /// The store's floor is at or above this leader's term.
    Outranked {
        /// The floor.
        floor: Term,
    },
    /// Give leadership up.
    Resign,
}

/// Turns each lease into a guard by raising the store's fence to the lease's token.
pub struct Activation<S, C: Clock> {
    /// This life of this node.
    pub me: Identity,
    /// The store that holds the fence.
    pub store: Arc<S>,
    /// This node's clock.
    pub clock: C,
    /// The lease, as the election driver publishes it.
    pub lease: Arc<Watched<LeaseState>>,
    /// Where guards are handed out.
    pub guard: Arc<Watched<Option<Leadership<C>>>>,
    /// To the election driver.
    pub commands: mpsc::Sender<ElectionCommand>,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl<S: Store, C: Clock> Activation<S, C> {
    /// Runs for as long as the node does.
    pub async fn run(self) {
        loop {
            let lease = self.lease.wait_for(|lease| lease.held.then_some(*lease)).await;
            let leadership =
                Leadership::new(lease.token, Arc::clone(&self.lease), self.clock.clone());
            tokio::select! {
                biased;
                () = leadership.cancelled() => {}
                () = self.hold(&leadership) => {}
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
    async fn hold(&self, leadership: &Leadership<C>) {
        let began = self.clock.now();
        loop {
            match self.store.activate(Generation::NONE, leadership.token(), self.me).await {
                Ok(Activated::Raised) => break,
                Ok(Activated::Behind { floor, .. }) => {
                    info!(token = %leadership.token(), %floor, "the floor is ahead: campaigning again");
                    self.command(ElectionCommand::Outranked { floor: floor.into() }).await;
                    return;
                }
                Err(error) => {
                    reach!("activation_retried");
                    warn!(token = %leadership.token(), %error, "cannot raise the fence yet");
                }
            }
            if self.clock.now() >= began + ACTIVATION_PATIENCE {
                warn!("the store stays out of reach: resigning, so that another node can try");
                self.command(ElectionCommand::Resign).await;
                return;
            }
            self.clock.sleep(RETRY_PAUSE).await;
        }
        if leadership.check().is_ok() {
            let holder = self.me;
            self.observer.observe(&NodeEvent::GuardIssued { token: leadership.token(), holder });
            self.guard.set(Some(leadership.clone()));
            std::future::pending::<()>().await;
        }
    }

    async fn command(&self, command: ElectionCommand) {
        // The driver outlives this task except while the node stops; then nobody needs to know.
        let _ = self.commands.send(command).await;
    }
}
