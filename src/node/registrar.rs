//! The roll call of a cold start, carried out in the store.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::cluster::is_noteworthy;
use crate::election::Roll;
use crate::id::{Boot, Generation};
use crate::store::Fence;

/// How many requests to the store about its roll may wait: the election repeats them. As many
/// answers may wait for the election.
const ROLL_QUEUE: usize = 1;

/// What the election asks of the store. Losing one is harmless: it asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RollRequest {
    /// The roll that stands.
    Read,
    /// Start the generation after `seen` with these boots.
    Call {
        /// The generation that the store was in.
        seen: Generation,
        /// Who starts it.
        boots: Vec<Boot>,
    },
}

/// Carries out what the election asks of the store, one request at a time, and tells it the answer.
pub(super) struct Registrar<S> {
    store: Arc<S>,
    requests: mpsc::Receiver<RollRequest>,
    answers: mpsc::Sender<Arc<Roll>>,
}

/// The driver's side of a registrar.
pub(super) struct RollCalls {
    pub(super) requests: mpsc::Sender<RollRequest>,
    pub(super) answers: mpsc::Receiver<Arc<Roll>>,
}

impl<S: Fence> Registrar<S> {
    pub(super) fn new(store: Arc<S>) -> (Self, RollCalls) {
        let (to_store, requests) = mpsc::channel(ROLL_QUEUE);
        let (answers, to_election) = mpsc::channel(ROLL_QUEUE);
        let calls = RollCalls { requests: to_store, answers: to_election };
        (Self { store, requests, answers }, calls)
    }

    /// Runs until the driver ends.
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        while let Some(request) = self.requests.recv().await {
            let answer = match &request {
                RollRequest::Read => self.store.roll().await,
                RollRequest::Call { seen, boots } => self.store.call_roll(*seen, boots).await,
            };
            match answer {
                Ok(roll) => {
                    if let RollRequest::Call { boots, .. } = &request
                        && roll.boots == *boots
                    {
                        info!(generation = %roll.generation, ?boots, "the cluster starts anew");
                    }
                    failures = 0;
                    let _ = self.answers.send(Arc::new(roll)).await;
                }
                // An unknown outcome needs no care: the roll that stands is read again.
                Err(error) => {
                    failures += 1;
                    if is_noteworthy(failures) {
                        warn!(
                            %error, failures,
                            "the store does not answer who is operational: this node rejoins, and waits",
                        );
                    }
                }
            }
        }
    }
}
