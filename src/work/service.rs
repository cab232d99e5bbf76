//! Work distribution as a part of a cluster service.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::debug;

use super::acting::Acting;
use super::guard::WorkGuard;
use super::leading::Leading;
use super::message::{WorkBody, WorkMessage};
use crate::cluster::{AlreadyAttached, ClusterService, Letter, Trouble};
use crate::id::NodeId;
use crate::store::{Assignments, Fence, MAX_UNITS, WorkName};
use crate::time::Clock;

/// How many messages wait for each of the two ends.
const QUEUE_LEN: usize = 64;

/// A work: what is to be shared among the participants. The same on all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its name, which is that of its assignments in the store.
    pub name: WorkName,
    /// How many units it has: 1 to [`MAX_UNITS`]. More than there will ever be participants, so that
    /// shares are nearly equal.
    pub units: u32,
}

/// A work that is not distributed. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum DistributeError {
    /// It has no units, or too many.
    #[error("{work} has {units} units: give it 1 to {MAX_UNITS}")]
    Units {
        /// The work.
        work: WorkName,
        /// How many.
        units: u32,
    },
    /// This service distributes a work of that name already.
    #[error("{work} is distributed already: give each work a name of its own")]
    NameTaken {
        /// The name.
        work: WorkName,
    },
    /// A part of what was to be done with it is attached already.
    #[error(transparent)]
    AlreadyAttached(#[from] AlreadyAttached),
}

impl<S: Fence + Assignments, C: Clock> ClusterService<S, C> {
    /// Shares the units of a work among all participants, this node included, and runs `run` for each
    /// unit that this node is given.
    ///
    /// Whenever `run` acts, it must hold the guard that it was given and look at it before; what it
    /// writes to the store shows [`WorkGuard::permit`]. When a unit is taken away, its guard ends, and
    /// the run has [`STOP_LIMIT`](crate::cluster::STOP_LIMIT) to come to its end before it is
    /// dropped at its next await. A run that returns earlier is started again after a moment, as
    /// long as the unit is this node's.
    ///
    /// A unit goes to another node only after its run here has ended, or after its permission has run
    /// out: see [`crate::work`].
    ///
    /// # Errors
    /// The work cannot be distributed as it is.
    pub fn distribute<F, W>(&self, work: Work, run: F) -> Result<(), DistributeError>
    where
        F: FnMut(WorkGuard<C>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let name = work.name.clone();
        if !(1..=MAX_UNITS).contains(&work.units) {
            return Err(DistributeError::Units { work: name, units: work.units });
        }
        let letters = self.mail().open(&name);
        let mut letters =
            letters.ok_or_else(|| DistributeError::NameTaken { work: name.clone() })?;
        let seat = self.seat(format!("work {name}"), "give each work a name of its own")?;
        let store = Arc::clone(self.store());
        self.attach_at(seat, |post| async move {
            let (to_leader, questions) = mpsc::channel(QUEUE_LEN);
            let (to_worker, answers) = mpsc::channel(QUEUE_LEN);
            let units = work.units;
            let trouble = Trouble::of("work", "the store");
            let leading =
                Leading { post: post.clone(), work: work.clone(), store, trouble, questions }.run();
            let acting = Acting { post, work, answers, run }.work();
            let sorting = async {
                while let Some(letter) = letters.recv().await {
                    sort(letter, units, &to_leader, &to_worker);
                }
            };
            tokio::pin!(leading, sorting);
            let mut leads = true;
            tokio::pin!(acting);
            loop {
                tokio::select! {
                    biased;
                    () = &mut sorting => return,
                    () = &mut leading, if leads => leads = false,
                    () = &mut acting => return,
                }
            }
        });
        Ok(())
    }
}

/// Gives a letter to the end that it is for. What makes no sense, or does not fit, is dropped.
fn sort(
    letter: Letter,
    units: u32,
    to_leader: &mpsc::Sender<(NodeId, WorkBody)>,
    to_worker: &mpsc::Sender<(NodeId, WorkBody)>,
) {
    let Letter { from, work, body } = letter;
    let message = WorkMessage::decode(&body).filter(|message| message.units == units);
    let Some(WorkMessage { body, .. }) = message else {
        return debug!(%from, %work, "a letter that is no message, or about other units");
    };
    let to = match &body {
        WorkBody::Renew { .. } => to_leader,
        WorkBody::Grant { .. } => to_worker,
    };
    if to.try_send((from, body)).is_err() {
        debug!(%from, %work, "a message too many was dropped");
    }
}
