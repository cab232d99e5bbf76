//! The seam below `ClusterService`: whoever says who leads.
//!
//! The embedded quorum is one, [`crate::node::Quorum`]. Another must keep the same promises: at most
//! one node is leased a term at a time, counted on the node's own monotonic clock, and terms of one
//! generation never repeat. What it cannot promise, the store's fence still does.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::guard::LeaseState;
use super::status::ClusterStatus;
use super::watched::Watched;
use crate::id::{Generation, Term};
use crate::time::Clock;

/// Elects a leader with its peers, and tells this node what came of it.
pub trait Coordinator: Send + 'static {
    /// The clock that leases count on.
    type Clock: Clock;
    /// Why it ended by itself.
    type Error: Error + Send + Sync + 'static;

    /// That clock.
    fn clock(&self) -> Self::Clock;

    /// Where it publishes what it believes. From its making on there is a status, which names this
    /// node.
    fn status(&self) -> Arc<Watched<ClusterStatus>>;

    /// Where it publishes leases. A lost one is no longer `held` before anything else is done about
    /// its loss; a renewal may move `until` quietly.
    fn lease(&self) -> Arc<Watched<LeaseState>>;

    /// Takes part until [`ElectionCommand::Leave`], or until nobody can send commands any more,
    /// which is taken for the same. When it is dropped before, a lease that it holds must run out
    /// by itself.
    ///
    /// # Errors
    /// It cannot take part any longer. A lease that it held runs out by itself.
    fn run(
        self,
        commands: mpsc::Receiver<ElectionCommand>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What the application's side asks of the election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionCommand {
    /// The store did not let the leader of `term` raise its fence.
    Outranked {
        /// The term.
        term: Term,
        /// The floor.
        floor: Term,
        /// The store's generation.
        generation: Generation,
    },
    /// Give the leadership of `term` up, and let others go first. Its lease is not released: it runs
    /// out.
    Resign {
        /// The term.
        term: Term,
    },
    /// The node stops, and has stopped acting: release the lease and hand over.
    Leave,
}
