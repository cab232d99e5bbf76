//! Search: many seeds of one scenario, planted bugs that must be found, and the smallest plan that
//! fails as a seed does.

pub mod bytes;
pub mod determinism;
pub mod elsewhere;
pub mod explore;
pub mod fresh;
pub mod hunt;
pub mod seeds;
pub mod shard;
pub mod shrink;
pub mod stop;
pub mod tally;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use elsewhere::elsewhere;
pub use explore::{Batch, Part, Progress};
pub use hunt::{Hunt, HuntReport};
pub use seeds::Seeds;
pub use shard::Shard;
pub use stop::Stop;
pub use tally::{Tallied, Tally};
pub use verdict::{BatchReport, BatchVerdict, SEEDS_PER_VACUOUS, SeedReport};
