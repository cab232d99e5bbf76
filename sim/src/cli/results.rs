//! Files that results are written to. They are opened before anything runs, so that an hour of
//! seeds is not lost to a folder that does not exist.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::CliError;

/// A file that is written line by line, each line at once, so that whatever ends this process leaves
/// whole lines. The first error is kept for the end, so that it does not cost the run.
pub struct Lines {
    path: PathBuf,
    file: File,
    error: Option<std::io::Error>,
}

impl Lines {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let file = File::create(path);
        let file = file.map_err(|cause| CliError::Unwritable { path: path.to_owned(), cause })?;
        Ok(Self { path: path.to_owned(), file, error: None })
    }

    /// Writes one line, by one call to the system.
    pub fn write(&mut self, mut line: String) {
        if self.error.is_none() {
            line.push('\n');
            self.error = self.file.write_all(line.as_bytes()).err();
        }
    }

    /// Whether all was written.
    pub fn finish(self) -> Result<(), CliError> {
        match self.error {
            None => Ok(()),
            Some(cause) => Err(CliError::Unwritable { path: self.path, cause }),
        }
    }
}
