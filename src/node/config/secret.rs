//! Secrets in a configuration file: named, never written down.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigFileError, Draft};
use crate::secret::SecretSource;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretTable {
    env: Option<String>,
    file: Option<PathBuf>,
}

impl Draft<'_> {
    /// Where a secret is. Relative paths start at `directory`.
    pub(super) fn secret(
        &self,
        table: &Spanned<SecretTable>,
        directory: &Path,
    ) -> Result<SecretSource, ConfigFileError> {
        match table.get_ref() {
            SecretTable { env: Some(name), file: None } if !name.is_empty() => {
                Ok(SecretSource::Env(name.clone()))
            }
            SecretTable { env: None, file: Some(path) } => {
                Ok(SecretSource::File(directory.join(path)))
            }
            _ => Err(self.mistake(
                table.span(),
                "a secret comes from one place",
                "here",
                "write { env = \"A_VARIABLE\" } or { file = \"a path\" }",
            )),
        }
    }
}
