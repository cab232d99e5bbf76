//! Where scenarios are: in `scenarios/` of the current folder, else of the workspace that this was
//! built from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fencepost::probe::Mutant;

use super::error::{CliError, nearest};
use crate::scenario::Scenario;

/// Folders in which bare names are looked for, in this order.
const FOLDERS: &[&str] = &["scenarios", "scenarios/mutants", REGRESSIONS];

/// Where shrunk plans of bugs are kept.
const REGRESSIONS: &str = "scenarios/regressions";

/// A scenario and what to call it on the command line.
#[derive(Debug, Clone)]
pub struct Subject {
    /// A bare name or a path, whatever finds it again.
    pub reference: String,
    /// The scenario.
    pub scenario: Scenario,
}

/// The workspace.
pub fn root() -> PathBuf {
    let here = Path::new(".");
    if here.join(FOLDERS[0]).is_dir() {
        return PathBuf::new();
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(here);
    if built.join(FOLDERS[0]).is_dir() { built.to_owned() } else { PathBuf::new() }
}

/// The scenario of that name, or in that file.
///
/// # Errors
/// There is none, or it is unusable.
pub fn find(root: &Path, name: &str) -> miette::Result<Subject> {
    if name.ends_with(".toml") || name.contains(std::path::MAIN_SEPARATOR) {
        let scenario = Scenario::load(Path::new(name))?;
        return Ok(Subject { reference: name.to_owned(), scenario });
    }
    let known = known(root, FOLDERS)?;
    let Some(path) = known.get(name) else {
        let help = nearest(name, known.keys().map(String::as_str));
        return Err(CliError::UnknownScenario { name: name.to_owned(), help }.into());
    };
    Ok(Subject { reference: name.to_owned(), scenario: Scenario::load(path)? })
}

/// All of `scenarios/*.toml`, sorted by name.
///
/// # Errors
/// There are none, or one of them is unusable.
pub fn all_scenarios(root: &Path) -> miette::Result<Vec<Subject>> {
    let found = load(root, &FOLDERS[..1])?;
    if found.is_empty() {
        return Err(CliError::NoScenarios(root.join(FOLDERS[0])).into());
    }
    Ok(found)
}

/// All of `scenarios/regressions/*.toml`, sorted by name: the shrunk plans of bugs that were found.
///
/// # Errors
/// One of them is unusable.
pub fn regressions(root: &Path) -> miette::Result<Vec<Subject>> {
    load(root, &[REGRESSIONS])
}

/// All scenarios, in whatever folder, that say they kill that mutant.
///
/// # Errors
/// A scenario is unusable.
pub fn mutant_scenarios(root: &Path, mutant: Mutant) -> miette::Result<Vec<Subject>> {
    let mut found = load(root, FOLDERS)?;
    found.retain(|subject| subject.scenario.expect.kills.contains(&mutant));
    Ok(found)
}

/// Every scenario of every folder.
///
/// # Errors
/// A scenario is unusable.
pub fn every_scenario(root: &Path) -> miette::Result<Vec<Subject>> {
    load(root, FOLDERS)
}

fn load(root: &Path, folders: &[&str]) -> miette::Result<Vec<Subject>> {
    let known = known(root, folders)?;
    let subject = |(reference, path): (String, PathBuf)| {
        Ok(Subject { reference, scenario: Scenario::load(&path)? })
    };
    known.into_iter().map(subject).collect()
}

/// Bare names and their files. Of files with the same name, the one in the first folder counts, as
/// it does for [`find`].
fn known(root: &Path, folders: &[&str]) -> Result<BTreeMap<String, PathBuf>, CliError> {
    let mut known = BTreeMap::new();
    for folder in folders {
        let path = root.join(folder);
        if !path.is_dir() {
            continue;
        }
        let entries = path.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>);
        for entry in entries.map_err(|cause| CliError::Folder { path, cause })? {
            let file = entry.path();
            let toml = file.extension().is_some_and(|extension| extension == "toml");
            if let (true, Some(name)) = (toml, file.file_stem().and_then(|stem| stem.to_str())) {
                known.entry(name.to_owned()).or_insert(file);
            }
        }
    }
    Ok(known)
}
