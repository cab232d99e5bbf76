//! The quorum election: a sans-IO state machine.
//!
//! No async, no clock, no socket, no randomness of its own: [`Election::handle`] takes the time and
//! one input and appends [`Effect`]s, so that the same code runs on real machines, in the simulator
//! and inside a model checker. The protocol is Raft's election (Ongaro, "Consensus: Bridging
//! Theory and Practice", 2014: §3.4 elections, §9.6 pre-vote) with leader leases counted from the
//! moment of sending (Gray and Cheriton, "Leases", SOSP 1989, §3; Lampson, "How to Build a Highly
//! Available System Using Consensus", 1996, on the promise that outlasts the lease) and without a
//! log: terms are the product.
//!
//! What each file holds: [`quorum`] counts majorities; `config` the timing and its rule; `message`
//! what nodes say to each other; `effect` what the caller has to do; `machine` state and dispatch;
//! `vote` polls and votes; `lead` heartbeats and the lease.

mod config;
mod effect;
mod lead;
mod machine;
mod message;
pub mod quorum;
mod vote;

pub use config::{Config, ConfigError, MAX_DRIFT_PPM, Timing};
pub use effect::{Effect, Event, Ignored, SteppedDown};
pub use machine::{Election, HardState, Input, Role};
pub use message::{Body, Message, View};

/// The most voters a cluster can have.
pub const MAX_VOTERS: usize = 15;

/// How far a message's term may lie ahead of our own. A floor learned from a store can lift a term
/// by any number of elections that ever happened; nothing honest lifts it by more than this.
pub const MAX_TERM_JUMP: u64 = 1 << 32;
