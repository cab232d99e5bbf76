//! The seam below `ClusterService`: whoever says who leads.
//!
//! The embedded quorum is one, [`crate::node::Quorum`]. Another must keep the same promises: at most
//! one node is leased a term at a time, counted on the node's own monotonic clock, and terms of one
//! generation never repeat. What it cannot promise, the store's fence still does.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::guard::LeaseState;
use super::mail::Mail;
use super::outage::Why;
use super::status::ClusterStatus;
use super::watched::Watched;
use crate::id::{Boot, Generation, Term};
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

    /// Where letters to other nodes are posted, and those that came are found.
    fn mail(&self) -> Arc<Mail>;

    /// Why it knows of no leader, while it does not; for people.
    fn why(&self) -> Why {
        Why::default()
    }

    /// What leases between two of its nodes rest on. The boot is this process', and never changes.
    fn terms(&self) -> Terms;

    /// Takes part until [`ElectionCommand::Leave`]. When it is dropped before, or when nobody can send
    /// commands any more, a lease that it holds must run out by itself: nobody has said that the last
    /// act under it is over.
    ///
    /// # Errors
    /// It cannot take part any longer. A lease that it held runs out by itself.
    fn run(
        self,
        commands: mpsc::Receiver<ElectionCommand>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What leases rest on, whoever grants them: how long they last, and how far clocks may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// This process: another one of the same node has another nonce.
    pub boot: Boot,
    /// L: how long a permission lasts on its holder's clock, from its own question.
    pub lease: Duration,
    /// A: how long whoever granted it must wait on its own clock, from its answer, before it can
    /// count on its end.
    pub promise: Duration,
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
    /// Nobody acts under the leadership of `term` any more, nor can begin to: release its lease, hand
    /// over at once, and go on taking part.
    HandOver {
        /// The term.
        term: Term,
    },
    /// The node stops, and has stopped acting: release the lease and hand over.
    Leave,
}
