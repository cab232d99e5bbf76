//! What is wrong with a scenario file: each problem with its place, what was expected there, and
//! the remedy. All problems of a file are collected, so that one look mends it.

use std::ops::Range;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read the scenario {path}: {cause}")]
    #[diagnostic(help(
        "name a scenario file, such as scenarios/calm.toml; `cargo sim list` shows them"
    ))]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file was read, and its contents are wrong.
    #[error(
        "{file} is not a usable scenario: {} problem{}",
        problems.len(),
        if problems.len() == 1 { "" } else { "s" }
    )]
    Unusable {
        /// The file.
        file: String,
        /// Its text.
        #[source_code]
        source_code: NamedSource<String>,
        /// What is wrong, in the order of the file.
        #[related]
        problems: Vec<Problem>,
    },
}

impl ScenarioError {
    pub(super) fn unusable(file: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.offset());
        Self::Unusable {
            file: file.to_owned(),
            source_code: NamedSource::new(file, text.to_owned()).with_language("toml"),
            problems,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What was expected at the place.
    pub label: String,
    /// The place.
    #[label("{label}")]
    pub at: SourceSpan,
    /// Another place that has a part in it.
    #[label("the other one")]
    pub other: Option<SourceSpan>,
    /// The remedy.
    #[help]
    pub help: String,
}

/// The problems found so far, and the text they are in.
pub(super) struct Problems<'t> {
    pub text: &'t str,
    pub found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a problem. The message and the help are sentences, the label is shown at the place.
    pub fn add(
        &mut self,
        at: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Problem {
            message: message.into(),
            label: label.into(),
            at: at.into(),
            other: None,
            help: help.into(),
        });
    }

    /// Shows another place with the problem that was noted last.
    pub fn beside(&mut self, other: Range<usize>) {
        if let Some(last) = self.found.last_mut() {
            last.other = Some(other.into());
        }
    }

    /// The place of `part` within the string literal `contents` at `at`; all of it if the literal
    /// has escapes, so that offsets do not carry over.
    pub fn part(&self, at: &Range<usize>, contents: &str, part: &str) -> Range<usize> {
        let offset = (part.as_ptr() as usize).wrapping_sub(contents.as_ptr() as usize);
        if offset > contents.len() {
            return at.clone();
        }
        let start = at.start + 1 + offset;
        let range = start..start + part.len();
        if self.text.get(range.clone()) == Some(part) { range } else { at.clone() }
    }
}

/// "did you mean …?", or all that is known if nothing is near.
pub(super) fn suggest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearness = |name: &str| {
        strsim::normalized_damerau_levenshtein(word, name).max(
            // A name cut short, or lengthened, is near as well.
            if word.len() > 2 && (name.starts_with(word) || word.starts_with(name)) {
                0.75
            } else {
                0.0
            },
        )
    };
    // The first of equally near names wins, so that the answer is the same every time.
    let mut best: Option<(&str, f64)> = None;
    for name in &known {
        let near = nearness(name);
        if near >= 0.5 && best.is_none_or(|(_, so_far)| near > so_far) {
            best = Some((name, near));
        }
    }
    match best {
        Some((name, _)) => format!("did you mean \"{name}\"?"),
        None => format!("expected one of: {}", known.join(", ")),
    }
}
