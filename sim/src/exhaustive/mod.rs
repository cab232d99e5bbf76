//! The exhaustive check: every order in which messages, crashes and campaigns can come, within
//! bounds, against the production [`fencepost::election::Election`] itself.
//!
//! A scope bounds how many voters, terms, crashes and cold starts there are; within it the search
//! leaves nothing out. Whatever the model does not distinguish, it allows: see `packet` for the
//! network, `node` for time, `actions` for what can happen, `model` for who may come first.
//!
//! What each file holds: `scope` the scopes and the planted bugs that they find; `flaw` the
//! properties; `node` one voter and what a step does to it; `judge` what a step shows to be wrong by
//! itself; `history` what it shows in the light of the past; `packet` and `network` what is under
//! way; `stuck` whether somebody can always come to lead; `step` and `actions` what can happen; `model` the graph; `check` the search; `trace` the way
//! to a violation; `arena` values by number.

mod actions;
mod arena;
mod check;
mod flaw;
mod history;
mod judge;
mod model;
mod network;
mod node;
mod outcome;
mod packet;
mod scope;
mod step;
mod store;
mod stuck;
mod trace;

#[cfg(test)]
mod tests;

pub use check::{Counterexample, Findings, Search};
pub use flaw::Flaw;
pub use scope::{Effort, HARMLESS, Harmless, KILLS, Kill, SCOPES, Scope};
pub use stuck::{Liveness, liveness};
