//! `cargo sim report`: the results of several runs as one.

use super::arguments::ReportArguments;
use super::conclusion::Conclusion;
use super::{Exit, note, say, say_line};
use crate::report::finding::Finding;
use crate::report::merge::Merged;
use crate::report::summary::{failure, header, line, vacuous};
use crate::report::text::{Paint, grouped, wrap};

/// Reads the files, tells what could not be used, and judges the rest.
pub fn report(arguments: &ReportArguments) -> miette::Result<Exit> {
    let conclusion = Conclusion::new(&arguments.ending)?;
    let paint = Paint::for_stdout();
    let mut merged = Merged::default();
    for file in &arguments.file {
        merged.read(file);
    }
    let mut notes = merged.notes();
    for text in &notes {
        note(&wrap("note: ", text));
    }
    let problems = merged.problems();
    notes.extend(problems.iter().cloned());
    for problem in &problems {
        note(&wrap("error: ", problem));
    }
    let mut exit = if problems.is_empty() { Exit::Ok } else { Exit::BadInput };

    let files = match arguments.file.as_slice() {
        [one] => one.display().to_string(),
        many => format!("{} files", many.len()),
    };
    say(&format!("{}\n{}\n", wrap("", &format!("results of {files}")), header(paint)));
    let mut findings = Vec::new();
    for batch in merged.into_batches() {
        let (reference, mutant) = (batch.batch.reference.clone(), batch.mutant());
        let verdict = batch.verdict();
        let report = batch.report;
        for seed in &report.failures {
            say(&failure(&reference, mutant, seed, None, paint));
        }
        say_line(&line(&reference, &report, &verdict, paint));
        say(&vacuous(&report, &verdict));
        let more = report.failed.saturating_sub(report.failures.len() as u64);
        if more > 0 {
            say_line(&format!("  and {} more seeds failed", grouped(more)));
        }
        findings.push(Finding { reference, mutant, report, verdict });
    }
    if findings.is_empty() {
        say_line("  no results");
        exit = exit.worse(Exit::Vacuous);
    }
    Ok(exit.worse(conclusion.conclude(&findings, &notes, false, paint)))
}
