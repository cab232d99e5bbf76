//! The pages in a real browser: they open without errors, the violation is on the screen, keys and filters
//! do what they say, and what is broken or hostile is told, and never a blank page.
//!
//! Needs Chromium (Debian: `chromium`); without one each test says so and passes.

mod bad;
mod chromium;
mod gallery;
mod large;
mod replay;
mod run;
mod story;
