//! The plan of a failing seed as a scenario file that `replay` takes.

use std::path::{Path, PathBuf};

use fencepost::probe::Mutant;

use super::regression_file;
use super::summary::replay_command;
use crate::faults::generate;
use crate::run::Verdict;
use crate::scenario::{Expect, Scenario, print};
use crate::search::SeedReport;
use crate::search::shrink::Shrunk;

/// The folder, below the workspace; git ignores it.
pub const FOLDER: &str = "reports/run";

/// Writes the plan of a seed and returns the path.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    root: &Path,
    scenario: &Scenario,
    seed: &SeedReport,
    mutant: Option<Mutant>,
) -> std::io::Result<PathBuf> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.toml", stem(&scenario.name, seed.seed, mutant)));
    std::fs::write(&path, text(scenario, seed, mutant, &path))?;
    Ok(path)
}

/// Writes what is left of the plan of a failing seed and returns the path.
///
/// # Errors
/// The file cannot be written.
pub fn write_shrunk(
    root: &Path,
    reference: &str,
    mutant: Option<Mutant>,
    shrunk: &Shrunk,
) -> std::io::Result<PathBuf> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let name = regression_file::file_name(reference, mutant, shrunk);
    let path = folder.join(format!("shrunk-{name}"));
    let text = regression_file::text(reference, mutant, shrunk, &path.display().to_string());
    std::fs::write(&path, text)?;
    Ok(path)
}

/// What the files of a seed are called, without their ending.
pub fn stem(scenario: &str, seed: u64, mutant: Option<Mutant>) -> String {
    // The name of a scenario is free text.
    let simple = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = scenario.chars().map(simple).take(60).collect();
    let mutant = mutant.map(|mutant| format!("-{}", mutant.name())).unwrap_or_default();
    format!("{name}-seed-{seed}{mutant}")
}

fn text(scenario: &Scenario, seed: &SeedReport, mutant: Option<Mutant>, path: &Path) -> String {
    let what = match &seed.verdict {
        Verdict::Violated(violations) => violations.first().map_or_else(String::new, |first| {
            format!("{} at {}: {}", first.property, first.at, first.what)
        }),
        Verdict::Panicked(message) => format!("panic: {message}"),
        Verdict::Overrun(message) => message.clone(),
        Verdict::Vacuous(reasons) => reasons.join("; "),
        Verdict::Ok => "ok".to_owned(),
    };
    let mut out = String::new();
    for line in what.lines() {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        out += &format!("# {line}\n");
    }
    let command = replay_command(&path.display().to_string(), seed.seed, mutant);
    out += &format!("# {command}\n");
    // What the whole batch must reach is not asked of one seed.
    let expect = Expect { violates: scenario.expect.violates.clone(), ..Expect::default() };
    out + &print(&generate(scenario, seed.seed), &expect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::stats::Stats;

    #[test]
    fn what_is_written_is_the_plan_of_the_seed() {
        let text = "name = \"Stale / leader\"\ncluster = { voters = 3, disk = \"kept\" }\n\
                    horizon = \"20s\"\nfaults = [{ at = \"1s..5s\", pause = \"n1\", for = \"2s\" }]";
        let scenario = Scenario::parse("made-up.toml", text).map_err(miette::Report::new).unwrap();
        let verdict = Verdict::Panicked("two\nlines \u{1b}[1m".to_owned());
        let (at_least, stats) = (false, Stats::default());
        let seed = SeedReport { seed: 7, verdict, violations: 0, at_least, stats, hash: 0 };
        let path = Path::new("reports/run/x.toml");
        let written = super::text(&scenario, &seed, Some(Mutant::NoFenceCheck), path);
        assert!(
            written.starts_with("# panic: two\n# lines [1m\n# cargo sim replay reports/run/x.toml")
        );
        let read = Scenario::parse("x.toml", &written).map_err(miette::Report::new).unwrap();
        assert_eq!(read.seed, Some(7));
        assert_eq!(generate(&read, 7), generate(&scenario, 7));
        assert_eq!(stem(&scenario.name, 7, None), "stale---leader-seed-7");
    }
}
