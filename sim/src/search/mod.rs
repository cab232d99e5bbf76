//! Search: many seeds of one scenario, and planted bugs that must be found.

pub mod bytes;
pub mod elsewhere;
pub mod explore;
pub mod fresh;
pub mod hunt;
pub mod seeds;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use elsewhere::elsewhere;
pub use explore::{Batch, Progress};
pub use hunt::{Hunt, HuntReport};
pub use seeds::Seeds;
pub use verdict::{BatchReport, BatchVerdict, SeedReport};
