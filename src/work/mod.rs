//! Work distribution: the units of a work, each given to one participant at a time.
//!
//! A *work* has a name and a number of *units*. The leader *assigns* each unit to a participant, with
//! an *epoch* that rises whenever the unit changes hands; the store keeps the assignments, under the
//! leader's token. A participant acts on a unit only under a permission that lasts, like a lease,
//! from its own question to the leader: see `worker`. The leader moves a unit only when nobody
//! can be acting on it any more: see `distributor`. So at most one permission for a unit is valid at
//! a time while clock rates keep within the bound; beyond it the store's own check of token and
//! epoch is what counts.
//!
//! `balance` says who shall have what, `message` what leader and workers say to each other;
//! `distributor` and `worker` are the two ends, without async, clock or network of their own.
//! `leading` and `acting` run them on a node, over its mail and its store; `guard` is what the
//! application's code is given, and `service` attaches it all to a cluster service.

mod acting;
mod balance;
mod distributor;
mod guard;
mod leading;
mod message;
mod service;
#[cfg(test)]
mod tests;
mod worker;

pub use balance::balance;
pub use distributor::{Distributor, Order};
pub use guard::{WorkGuard, WorkLost};
pub use message::{Granted, WorkBody, WorkMessage};
pub use service::{DistributeError, Work};
pub use worker::{Leader, Worker, WorkerEffect};
