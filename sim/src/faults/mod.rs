//! Faults: the plan that lists them, and how a seed is rendered to one.

mod draw;
mod fault;
pub mod generate;
pub mod inject;
mod job;
pub mod kind;
mod line;
pub mod lines;
pub mod lists;
pub(crate) mod overlap;
pub(crate) mod pick;
pub mod plan;
mod start;
#[cfg(test)]
mod tests;

pub use generate::{generate, render};
pub use plan::{Fault, Plan, PlannedFault, Start, Target, Trigger};
