//! The table that figures are kept in, and the one that they are compared with.

use std::path::{Path, PathBuf};

use crate::cli::arguments::MutantsArguments;
use crate::cli::error::CliError;
use crate::cli::say_line;
use crate::report::text::{Paint, wrap};
use crate::report::zoo::gate::{self, FACTOR};
use crate::report::zoo::{Row, Table, markdown};

/// What is measured, and what was.
pub struct Kept {
    /// All rows, those that were measured before among them.
    table: Table,
    /// What this run has measured.
    measured: Table,
    /// Where they are kept: two files, without their endings.
    stem: Option<PathBuf>,
    before: Option<Table>,
}

impl Kept {
    /// Reads what is there, before hours are spent on what cannot be written.
    pub fn open(arguments: &MutantsArguments) -> Result<Self, CliError> {
        let before = arguments.against.as_deref().map(read).transpose()?;
        let stem = arguments.table.clone();
        let table = match stem.as_deref().map(lines) {
            Some(path) if path.exists() => read(&path)?,
            _ => Table::default(),
        };
        let kept = Self { table, measured: Table::default(), stem, before };
        kept.write()?;
        Ok(kept)
    }

    /// Takes a row, and writes all: what has been measured is not lost to what comes.
    pub fn put(&mut self, row: Row) -> Result<(), CliError> {
        self.measured.put(row.clone());
        self.table.put(row);
        self.write()
    }

    /// Says what takes longer than before, and how many that are.
    pub fn compare(&self, paint: Paint) -> u32 {
        let Some(before) = &self.before else { return 0 };
        let worse = gate::worse(before, &self.measured);
        for line in &worse {
            say_line(&paint.bad(&wrap("  ", &format!("{line}: more than {FACTOR} times"))));
        }
        u32::try_from(worse.len()).unwrap_or(u32::MAX)
    }

    fn write(&self) -> Result<(), CliError> {
        let Some(stem) = &self.stem else { return Ok(()) };
        let write = |path: PathBuf, text: String| {
            std::fs::write(&path, text).map_err(|cause| CliError::Unwritable { path, cause })
        };
        write(lines(stem), self.table.print())?;
        write(stem.with_extension("md"), markdown::page(&self.table))
    }
}

fn lines(stem: &Path) -> PathBuf {
    stem.with_extension("jsonl")
}

/// Reads a table that was kept.
///
/// # Errors
/// The file cannot be read, or is none.
pub fn read(path: &Path) -> Result<Table, CliError> {
    let bad = |why: String| CliError::NoTable { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    Table::parse(&text).map_err(|error| bad(error.to_string()))
}
