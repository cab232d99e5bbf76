//! The table of planted bugs: what finds each, how soon, and which layer held all the same. Kept as
//! JSON lines, of which `cargo sim mutants` makes the Markdown and its nightly gate.

pub mod gate;
pub mod layers;
pub mod markdown;
pub mod row;
#[cfg(test)]
mod tests;

pub use row::{Extent, Layers, Own, Row, Table, Unusable};
