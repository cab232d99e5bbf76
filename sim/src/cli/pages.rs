//! The pages of failing seeds, beside the page of their run.

use std::path::Path;

use fencepost::probe::Mutant;

use super::{Subject, find};
use crate::faults::generate;
use crate::report::finding::Finding;
use crate::report::html::replay::Replay;
use crate::report::html::run::Pages;
use crate::report::plan_file::stem;
use crate::run::{RunOptions, run_plan};
use crate::search::{SeedReport, fresh};

/// The most pages of one run: each costs a run, and half a megabyte.
const PAGES_MAX: usize = 30;

/// Runs every failing seed that is kept again and writes its page into the folder of `beside`. Tells
/// which there are, and what went wrong.
pub fn write(root: &Path, beside: &Path, findings: &[Finding]) -> (Pages, Vec<String>) {
    let (mut pages, mut notes) = (Pages::new(), Vec::new());
    let failures = findings
        .iter()
        .flat_map(|finding| finding.report.failures.iter().map(move |seed| (finding, seed)));
    for (finding, seed) in failures {
        if pages.len() == PAGES_MAX {
            notes.push(format!("only the first {PAGES_MAX} seeds that failed have pages"));
            break;
        }
        let subject = match find(root, &finding.reference) {
            Ok(subject) => subject,
            Err(why) => {
                notes.push(format!("no page of {}: {why}", finding.reference));
                continue;
            }
        };
        match one(&subject, finding.mutant, seed, beside) {
            Ok(name) => {
                let key = (subject.reference, finding.mutant.map(Mutant::name), seed.seed);
                pages.insert(key, name);
            }
            Err(why) => {
                notes
                    .push(format!("no page of seed {} of {}: {why}", seed.seed, finding.reference));
            }
        }
    }
    (pages, notes)
}

/// Writes one page and returns its name.
fn one(
    subject: &Subject,
    mutant: Option<Mutant>,
    seed: &SeedReport,
    beside: &Path,
) -> Result<String, String> {
    let plan = generate(&subject.scenario, seed.seed);
    let options = RunOptions { mutant, ..RunOptions::default() };
    let run = || run_plan(&plan, &options);
    let outcome = fresh::run_alone(&subject.scenario.name, seed.seed, run);
    // A panic leaves no history, and its hash says nothing.
    if !outcome.history.is_empty() && outcome.history.hash() != seed.hash {
        return Err(
            "this version runs it differently from the one that wrote the results".to_owned()
        );
    }
    let name = format!("{}.html", stem(&subject.reference, seed.seed, mutant));
    let reference = &subject.reference;
    let page = Replay { reference, mutant, plan: &plan, outcome: &outcome }.page();
    let path = beside.with_file_name(&name);
    std::fs::write(&path, page)
        .map_err(|cause| format!("cannot write {}: {cause}", path.display()))?;
    Ok(name)
}
