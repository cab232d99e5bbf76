//! The simulated world: what madsim lacks, as plugins, and the nodes that live in it.
//!
//! `timer` schedules callbacks on madsim's time; `clocks` gives each node clocks of its own;
//! `links` is the network; `disks` the durable slots; `rpc` questions and answers over the links;
//! `service` what can be wrong with one;
//! `database` and `sinks` the two services, each a node of its own; `voters` the nodes under test, `jobs` what they
//! do by schedule, `work` what they share;
//! `recorder` writes the history; `place` says who lives where; `build` puts it all together.

mod anchors;
mod build;
pub mod clocks;
pub mod database;
pub mod disks;
pub mod jobs;
pub mod lies;
pub mod links;
pub mod operator;
pub mod place;
pub mod recorder;
pub mod rpc;
pub mod service;
pub mod sinks;
pub mod timer;
pub mod voters;
pub mod work;

pub use build::World;
