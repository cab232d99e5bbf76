//! Mistakes in a configuration file, shown where they are.

use std::fmt::Display;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use miette::{Diagnostic, NamedSource, SourceSpan};

use super::hide::Secrets;

/// A configuration that cannot be used. Nothing was started.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    #[diagnostic(help("give the path of a node's TOML file, as in `--config n1.toml`"))]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file has a mistake.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mistake(Box<Mistake>),
}

/// One mistake in a file, with its place and its remedy.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{what}")]
pub struct Mistake {
    what: String,
    label: String,
    #[help]
    help: String,
    #[source_code]
    text: NamedSource<String>,
    #[label("{label}")]
    at: SourceSpan,
}

/// A file that is being read, for its errors to point into.
pub(super) struct Draft<'a> {
    pub(super) text: &'a str,
    pub(super) name: &'a str,
}

impl Draft<'_> {
    pub(super) fn mistake(
        &self,
        at: Range<usize>,
        what: impl Display,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> ConfigFileError {
        // Of a whole table, only its first line is shown.
        let start = at.start.min(self.text.len());
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |len| start + len);
        let end = at.end.clamp(start, line_end);
        let secrets = Secrets::of(self.text);
        ConfigFileError::Mistake(Box::new(Mistake {
            what: secrets.scrub(what.to_string()),
            label: secrets.scrub(label.into()),
            help: help.into(),
            text: NamedSource::new(self.name, secrets.hidden()),
            at: (start, end - start).into(),
        }))
    }

    /// What the TOML reader says, with the remedy that follows from its words.
    pub(super) fn not_toml(&self, error: &toml::de::Error) -> ConfigFileError {
        let message = error.message();
        // `unknown field `x`, expected one of `a`, `b``, as serde puts it: the names are what
        // stands between backticks.
        let mut names = message.split('`').skip(1).step_by(2);
        let first = names.next().unwrap_or_default();
        let (label, help) = if message.starts_with("unknown field") {
            let known: Vec<&str> = names.collect();
            let help = match nearest(first, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            ("not a known key", help)
        } else if message.starts_with("missing field") {
            ("should be here", format!("add `{first}`; examples/three-nodes shows a whole file"))
        } else {
            ("here", "examples/three-nodes shows a whole file".to_owned())
        };
        self.mistake(error.span().unwrap_or(0..0), message, label, help)
    }
}

/// The known name that is most like what was written, if any is alike.
pub(super) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let tolerated = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name)
}
