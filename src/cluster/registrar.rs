//! The roll call of a cold start, carried out in the store.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::activation::ElectionCommand;
use crate::id::{Boot, Generation};
use crate::store::Store;

/// What the election asks of the store. Losing one is harmless: it asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollRequest {
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
pub struct Registrar<S> {
    /// The store.
    pub store: Arc<S>,
    /// From the election driver.
    pub requests: mpsc::Receiver<RollRequest>,
    /// To the election driver.
    pub commands: mpsc::Sender<ElectionCommand>,
}

impl<S: Store> Registrar<S> {
    /// Runs until the driver ends.
    pub async fn run(mut self) {
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
                    let _ = self.commands.send(ElectionCommand::Roll(Arc::new(roll))).await;
                }
                // An unknown outcome needs no care: the roll that stands is read again.
                Err(error) => warn!(%error, "the store does not answer about its roll"),
            }
        }
    }
}
