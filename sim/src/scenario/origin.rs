//! Where a line of a scenario stands in its file: what a report names when the line came to nothing.

use std::fmt;
use std::ops::Range;

/// Where a line stands in its file, and what is written there.
///
/// It is no part of what a scenario says: two scenarios that differ in nothing else are equal, and
/// are shown alike.
#[derive(Clone, Default)]
pub struct Origin {
    /// The number of the line in the file, from 1; zero for one that was never read from a file.
    pub line: u32,
    /// What is written there, as one line.
    pub text: String,
}

impl Origin {
    /// What stands at `at` in `source`.
    pub(super) fn of(source: &str, at: Range<usize>) -> Self {
        let before = source.get(..at.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let written = source.get(at).unwrap_or_default();
        let text = written.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), text }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
    }
}
