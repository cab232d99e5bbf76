//! `cargo sim corpus` and `cargo sim unfuzz`: scenarios for a fuzzer, and what it found back again.

use std::path::Path;

use super::arguments::{CorpusArguments, UnfuzzArguments};
use super::error::{self, CliError};
use super::{Exit, Subject, every_scenario, find, root, say, say_line};
use crate::faults::generate;
use crate::run::{RunOptions, Verdict, run_plan};
use crate::scenario::{Expect, print};
use crate::search::bytes::{bytes_of, plan_of};
use crate::search::fresh;

/// How many plans of each scenario the corpus begins with.
const SEEDS: u64 = 3;

/// Writes the plans of scenarios as files of bytes.
pub fn corpus(arguments: &CorpusArguments) -> miette::Result<Exit> {
    let subjects: Vec<Subject> = match &arguments.scenario[..] {
        [] => every_scenario(&root())?,
        names => names.iter().map(|name| find(&root(), name)).collect::<Result<_, _>>()?,
    };
    std::fs::create_dir_all(&arguments.folder).map_err(unwritable(&arguments.folder))?;
    let (mut written, mut refused) = (0, 0);
    for Subject { scenario, .. } in &subjects {
        for seed in 1..=SEEDS {
            let bytes = bytes_of(&generate(scenario, seed));
            if plan_of(&bytes).is_none() {
                refused += 1;
                continue;
            }
            let name: String = scenario.name.chars().map(file_char).collect();
            let path = arguments.folder.join(format!("{name}-{seed}"));
            std::fs::write(&path, bytes).map_err(unwritable(&path))?;
            written += 1;
        }
    }
    let folder = arguments.folder.display();
    say_line(&format!("{written} plans in {folder}; {refused} that bytes cannot say left out"));
    Ok(Exit::Ok)
}

/// Writes a fuzzer's file as a scenario that expects what its plan breaks.
pub fn unfuzz(arguments: &UnfuzzArguments) -> miette::Result<Exit> {
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let path = arguments.file.clone();
    let bytes = std::fs::read(&path).map_err(|cause| CliError::Unreadable { path, cause })?;
    let plan = plan_of(&bytes).ok_or_else(|| CliError::NoPlan(arguments.file.clone()))?;
    let options = RunOptions { mutant, log: false };
    let run = || run_plan(&plan, &options);
    let outcome = fresh::run_alone(&plan.scenario, plan.seed, run);
    let mut expect = Expect::default();
    let mut said = match outcome.verdict {
        Verdict::Violated(violations) => {
            let first = &violations[0];
            expect.violates = violations.iter().map(|violation| violation.property).collect();
            expect.violates.sort_unstable();
            expect.violates.dedup();
            format!("{} at {}: {}", first.property, first.at, first.what)
        }
        Verdict::Panicked(message) => format!("panics: {message}"),
        Verdict::Vacuous(reasons) => format!("breaks nothing and is vacuous: {}", reasons[0]),
        Verdict::Overrun(message) => format!("breaks nothing: {message}"),
        Verdict::Ok => "breaks nothing".to_owned(),
    };
    if let Some(mutant) = mutant {
        said = format!("with the mutant {}: {said}", mutant.name());
        // A file expects something of the code as it is; of a planted bug it says that it kills it.
        expect = Expect { kills: vec![mutant], ..Expect::default() };
    }
    let said = said.replace(['\n', '\r'], " ");
    let text = format!("# Found by fuzzing. {said}\n{}", print(&plan, &expect));
    match &arguments.out {
        Some(path) => {
            std::fs::write(path, text).map_err(unwritable(path))?;
            say_line(&format!("{}: {said}", path.display()));
        }
        None => say(&text),
    }
    Ok(Exit::Ok)
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> CliError + use<> {
    let path = path.to_owned();
    move |cause| CliError::Unwritable { path, cause }
}

/// What a file's name may hold everywhere.
fn file_char(char: char) -> char {
    if char.is_ascii_alphanumeric() { char } else { '-' }
}

#[cfg(test)]
mod tests {
    use fencepost::probe::Mutant;

    use super::*;
    use crate::scenario::Scenario;

    /// From a scenario to a corpus, and from a file of it to a scenario that knows its bug.
    #[test]
    fn a_corpus_comes_from_scenarios_and_leads_back_to_them() {
        let folder = std::env::temp_dir().join(format!("fencepost-{}-fuzz", std::process::id()));
        let scenario = vec!["no-fence-check".to_owned()];
        corpus(&CorpusArguments { folder: folder.clone(), scenario }).unwrap();
        let file = folder.join("no-fence-check-1");
        let out = folder.join("found.toml");
        let mutant = Some("no_fence_check".to_owned());
        let arguments = UnfuzzArguments { file: file.clone(), out: Some(out.clone()), mutant };
        unfuzz(&arguments).unwrap();
        let found = Scenario::load(&out).unwrap();
        assert_eq!(found.expect.kills, [Mutant::NoFenceCheck]);
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(Some(generate(&found, found.seed.unwrap())), plan_of(&bytes));

        let missing = UnfuzzArguments { file: folder.join("none"), ..arguments };
        let error = unfuzz(&missing).expect_err("there is no such file").to_string();
        assert!(error.starts_with("cannot read") && error.contains("none"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
