//! What an application sees of the cluster: status for information, the guard for permission.
//!
//! `status` is what a node believes; `guard` is the permission to act; `activation` turns a lease
//! into a guard by raising the store's fence; `registrar`
//! calls the roll of a cold start in the store; `observe` tells the world outside what happened;
//! `watched` is the cell that all of them are published through.

mod activation;
mod guard;
mod observe;
mod registrar;
mod status;
mod watched;

pub use activation::{ACTIVATION_PATIENCE, Activation, ElectionCommand};
pub use guard::{Leadership, LeadershipLost, LeaseState};
pub(crate) use observe::is_noteworthy;
pub use observe::{LogObserver, NodeEvent, Observer};
pub use registrar::{Registrar, RollRequest};
pub use status::ClusterStatus;
pub use watched::Watched;
