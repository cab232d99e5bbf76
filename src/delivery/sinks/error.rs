//! Why a sink was not opened.

use std::path::PathBuf;

use super::SecretError;

/// A sink that was not opened. Nothing was sent, and no message was touched.
#[derive(Debug, thiserror::Error)]
pub enum SinkOpenError {
    /// The files of a file sink.
    #[error("cannot use the file {path}: {source}")]
    File {
        /// The file that messages would go to.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A secret is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file of trusted certificates.
    #[error("cannot use the certificates in {path}: {why}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A value that this sink cannot send.
    #[error("{what} is not usable: {why}")]
    Invalid {
        /// Which setting.
        what: String,
        /// Why not.
        why: String,
    },
}

impl SinkOpenError {
    pub(super) fn invalid(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Invalid { what: what.into(), why: why.to_string() }
    }
}
