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

/// The pages that there are.
#[derive(Debug, Default)]
pub struct Written {
    /// By whose they are.
    pub pages: Pages,
    /// What went wrong.
    pub notes: Vec<String>,
    /// Whether one could not be written.
    pub lost: bool,
}

/// Runs every failing seed that is kept again and writes its page into the folder of `beside`.
pub fn write(root: &Path, beside: &Path, findings: &[Finding]) -> Written {
    let Written { mut pages, mut notes, mut lost } = Written::default();
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
            Err(NoPage { why, is_lost }) => {
                lost |= is_lost;
                notes
                    .push(format!("no page of seed {} of {}: {why}", seed.seed, finding.reference));
            }
        }
    }
    Written { pages, notes, lost }
}

/// Why there is no page.
struct NoPage {
    why: String,
    /// It could not be written.
    is_lost: bool,
}

/// Writes one page and returns its name.
fn one(
    subject: &Subject,
    mutant: Option<Mutant>,
    seed: &SeedReport,
    beside: &Path,
) -> Result<String, NoPage> {
    let plan = generate(&subject.scenario, seed.seed);
    let options = RunOptions { mutant, ..RunOptions::default() };
    let run = || run_plan(&plan, &options);
    let outcome = fresh::run_alone(&subject.scenario.name, seed.seed, run);
    // A panic leaves no history, and its hash says nothing.
    if !outcome.history.is_empty() && outcome.history.hash() != seed.hash {
        let why = "this version runs it differently from the one that wrote the results";
        return Err(NoPage { why: why.to_owned(), is_lost: false });
    }
    let name = format!("{}.html", stem(&subject.reference, seed.seed, mutant));
    let reference = &subject.reference;
    let page = Replay { reference, mutant, plan: &plan, outcome: &outcome }.page();
    let path = beside.with_file_name(&name);
    let unwritten =
        |cause| NoPage { why: format!("cannot write {}: {cause}", path.display()), is_lost: true };
    std::fs::write(&path, page).map_err(unwritten)?;
    Ok(name)
}
