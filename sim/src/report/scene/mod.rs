//! What pictures of a run are made of: lanes, kinds of events, arrows, spans of time, and the thread of
//! events that a violation is about. The page and the terminal draw the same scene.

mod arrows;
mod group;
mod lanes;
mod shown;
mod spans;
mod thread;

#[cfg(test)]
mod tests;

pub use arrows::{Arrow, arrows};
pub use group::{Group, brief};
pub use lanes::Lanes;
pub use shown::Shown;
pub use spans::{Layer, Span, spans};
pub use thread::{focus, is_about_acting, thread};
