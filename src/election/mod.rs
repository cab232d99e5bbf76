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
//! A voter needs no disk: one that forgot its promises keeps silent, asks what the others know of
//! it, and takes part again as a new incarnation (Michael, Ports, Sharma, Szekeres: "Recovering
//! Shared Objects Without Stable Storage", DISC 2017). When too few remember anything, the cluster
//! starts anew in a new generation.
//!
//! What each file holds: [`quorum`] counts majorities; `config` voters, timing and its rule;
//! `message` what nodes say to each other; `envelope` the boxes they say it in; `effect` what the
//! caller has to do; `machine` state and inputs; `hard_state` what is remembered; `settings` and
//! `jitter` constants and chance; `dispatch` what a message has to
//! pass; `doubts` which claims are believed; `vote` polls and votes;
//! `lead` heartbeats and the lease; `clock_watch` the rates of clocks; `known` the crash vector;
//! `rejoin` recovery; `roll` and `cold_start` generations; `handover` the graceful stop; `observers`
//! nodes without a vote; `stall` why nobody leads; `timeless` what model checkers see.

mod clock_watch;
mod cold_start;
mod config;
mod dispatch;
mod doubts;
mod effect;
mod envelope;
mod handover;
mod hard_state;
mod jitter;
mod known;
mod lead;
mod machine;
mod message;
mod observers;
pub mod quorum;
mod rejoin;
mod roll;
mod settings;
mod stall;
#[cfg(test)]
mod testing;
mod timeless;
mod vote;

pub use config::{
    ColdStart, Config, ConfigError, ConfigId, MAX_DRIFT_PPM, MAX_PRIORITY, Timing, steps_apart,
};
pub use effect::{Effect, Event, Ignored, Rejoins, SteppedDown};
pub use hard_state::HardState;
pub use known::CrashVector;
pub use machine::{Election, Input, Role};
pub use message::{Body, Message, Release, View};
pub use observers::MAX_OBSERVERS;
pub use roll::Roll;
pub use stall::{Stall, Wanting};

/// The most voters a cluster can have.
pub const MAX_VOTERS: usize = 15;

/// How far a message's term may lie ahead of a voter's own for it to follow: more elections than any
/// voter misses. So it takes many billions of made-up messages to use the terms up, and a voter that
/// was led further away than that comes back by itself.
pub const MAX_TERM_JUMP: u64 = 1 << 24;

/// How far a generation that a peer claims may lie ahead of the one that a node knows: more cold starts
/// than any cluster sees.
pub const MAX_GENERATION_JUMP: u64 = 1 << 20;

/// The most nodes that a crash vector names beside the voters of its own list: those of earlier
/// lists. More are made up.
pub const MAX_FORMER_VOTERS: usize = 64;
