//! Where a secret comes from. It is read when it is needed, and never shown.

use std::path::PathBuf;

/// The longest secret, in bytes.
const MAX_SECRET_LEN: usize = 8 << 10;

/// Where to read a secret from: not the configuration file, which is shown and copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of this name.
    Env(String),
    /// The first line of this file.
    File(PathBuf),
}

/// A secret that cannot be used. Its value is not told.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not there, is empty, or is no text.
    #[error("the environment variable {0} holds no secret: set it for this process")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read the secret in {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file begins with an empty line, or with one that is too long.
    #[error(
        "{0} holds no secret: its first line must have 1 to {MAX_SECRET_LEN} bytes and no control \
         characters"
    )]
    NoLine(PathBuf),
}

#[cfg(not(madsim))]
impl SecretSource {
    /// Reads it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(crate) fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Env(name) => std::env::var(name)
                .ok()
                .filter(|secret| is_secret(secret))
                .ok_or_else(|| SecretError::NoVariable(name.clone())),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                let line = text.lines().next().unwrap_or_default();
                is_secret(line)
                    .then(|| line.to_owned())
                    .ok_or_else(|| SecretError::NoLine(path.clone()))
            }
        }
    }
}

#[cfg(not(madsim))]
fn is_secret(text: &str) -> bool {
    (1..=MAX_SECRET_LEN).contains(&text.len()) && !text.chars().any(char::is_control)
}
