//! What an application sees of the cluster: status for information, the guard for permission.
//!
//! `service` is the handle that an application holds, and `supervise` runs what is behind it, over
//! any `coordinator` that says who leads. `status` is what a node believes; `guard` is the permission
//! to act, `holder` counts who has it; `activation` turns a lease into a guard by raising the store's
//! fence, keeps it, and gives leadership up where the store does not answer; `bond` asks first whose
//! store it is, and `refusal` is what others hear against a token; `select` and `watch` are ways to wait; `crew` is the work that is attached; `observe` tells
//! the world outside what happened, and `trouble` what goes wrong again and again, and
//! `outage` that nobody leads; `mail` is what components of different nodes say to each other;
//! `watched` is the cell that all of them are published through.

mod activation;
mod bond;
mod coordinator;
mod crew;
mod guard;
mod holder;
#[cfg(test)]
pub(crate) mod lines;
mod mail;
mod observe;
mod outage;
mod refusal;
mod select;
mod service;
mod shared;
mod status;
mod supervise;
#[cfg(all(test, madsim))]
pub(crate) mod testing;
mod trouble;
mod watch;
mod watched;

pub use activation::{ACTIVATION_PATIENCE, FENCE_LOOK_EVERY, PATIENCE_GROWTH};
pub(crate) use bond::Bound;
pub use coordinator::{Coordinator, ElectionCommand, Terms};
pub(crate) use crew::Seat;
pub use crew::{AlreadyAttached, Post};
pub use guard::{Leadership, LeadershipLost, LeaseState};
pub(crate) use holder::Holder;
pub use mail::{Letter, MAX_LETTER_LEN, Mail, Outgoing};
pub(crate) use observe::is_noteworthy;
pub use observe::{LogObserver, NodeEvent, Observer};
pub use outage::{OUTAGE_TOLD_AFTER, Why};
pub(crate) use refusal::{Refusal, Refusals, Refuser};
pub use select::Selection;
pub use service::ClusterService;
pub use shared::Stopped;
pub use status::ClusterStatus;
pub(crate) use supervise::AbortOnDrop;
pub use supervise::STOP_LIMIT;
pub(crate) use trouble::Trouble;
pub use watch::StatusWatch;
pub use watched::Watched;
