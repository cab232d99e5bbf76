//! Why a sink was not opened.

use std::path::PathBuf;

use crate::secret::SecretError;
use crate::tls::TlsError;

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
    /// Certificates are missing.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
