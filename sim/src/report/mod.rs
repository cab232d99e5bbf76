//! What people get to see of a run.

pub mod diagram;
pub mod event;
pub mod finding;
pub mod html;
pub mod jsonl;
pub mod junit;
pub mod log;
pub mod merge;
pub mod outages;
pub mod plan_file;
pub mod reach;
pub mod regression_file;
pub mod scene;
pub mod stats;
pub mod summary;
pub mod text;
pub mod total;
pub mod zoo;

#[cfg(test)]
mod tests;
