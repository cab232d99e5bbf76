//! How `run` and `report` end: the sums over all scenarios, the reach points, and files for others.

use std::path::PathBuf;

use fencepost::probe::REACH_POINTS;

use super::arguments::EndingArguments;
use super::error::{CliError, nearest};
use super::mutants::read_table;
use super::pages::{self, Written};
use super::results::Lines;
use super::{Exit, find, note, say, say_line};
use crate::report::finding::Finding;
use crate::report::html::run::RunPage;
use crate::report::junit;
use crate::report::outages::OutageTable;
use crate::report::reach::{ReachTable, Required};
use crate::report::text::{Paint, wrap};
use crate::report::total::Total;
use crate::report::zoo::Table;

/// What was asked for, checked, and its files opened.
pub struct Conclusion {
    junit: Option<Lines>,
    html: Option<Lines>,
    /// The page's file, if the pages of failing seeds are to be written beside it.
    pages: Option<PathBuf>,
    zoo: Option<Table>,
    /// Whether to show the table of outages, and the file that it is to be written to.
    outages: Option<Option<Lines>>,
    reach: bool,
    required: Option<Required>,
}

impl Conclusion {
    /// Checks what the arguments ask for.
    pub fn new(arguments: &EndingArguments) -> Result<Self, CliError> {
        let required = arguments.require_reach.as_deref().map(required).transpose()?;
        let junit = arguments.junit.as_deref().map(Lines::create).transpose()?;
        let zoo = arguments.zoo.as_deref().map(read_table).transpose()?;
        let outages = match arguments.outages.as_deref() {
            None => None,
            Some(file) if file.as_os_str() == "-" => Some(None),
            Some(file) => Some(Some(Lines::create(file)?)),
        };
        let html = arguments.html.as_deref().map(Lines::create).transpose()?;
        let pages = arguments.html.clone().filter(|_| arguments.pages);
        Ok(Self { junit, html, pages, zoo, outages, reach: arguments.reach, required })
    }

    /// Tells what all scenarios come to; `notes` are for the page. What a whole search must reach is not
    /// asked of one that was `stopped`.
    pub fn conclude(
        self,
        findings: &[Finding],
        notes: &[String],
        stopped: bool,
        paint: Paint,
    ) -> Exit {
        let (mut exit, mut total) = (Exit::Ok, Total::default());
        let (mut table, mut outages) = (ReachTable::default(), OutageTable::default());
        for Finding { reference, mutant, report, verdict } in findings {
            total.add(reference, *mutant, report, verdict);
            table.add(reference, &report.stats);
            outages.add(reference, *mutant, report);
            exit = exit.worse(Exit::from(verdict));
        }
        match self.outages {
            None => {}
            Some(None) => say(&format!("\n{}", outages.text(paint))),
            Some(Some(mut file)) => {
                file.write(outages.markdown().trim_end().to_owned());
                exit = exit.worse(finish(file));
            }
        }
        if self.reach {
            say(&format!("\n{}", table.text(paint)));
        }
        let required = self.required.filter(|_| !stopped);
        let missed = required.as_ref().map_or_else(Vec::new, |required| table.missed(required));
        if !missed.is_empty() {
            exit = exit.worse(Exit::Vacuous);
            say_line("");
        }
        for point in &missed {
            let means = REACH_POINTS.iter().find(|(name, _)| name == point);
            let means = means.map_or("", |(_, means)| means);
            say_line(&wrap("  vacuous  ", &format!("never reached {point}: {means}")));
        }
        let gate = required.as_ref().map(|required| (required, missed.as_slice()));
        let document = self.junit.is_some().then(|| junit::document(findings, gate));
        if let Some(mut file) = self.html {
            let write = |beside: PathBuf| pages::write(&find::root(), &beside, findings);
            let Written { pages, notes: more, lost } = self.pages.map(write).unwrap_or_default();
            exit = exit.worse(if lost { Exit::BadInput } else { Exit::Ok });
            let notes = [notes, more.as_slice()].concat();
            let page =
                RunPage { findings, notes: &notes, missed: &missed, zoo: self.zoo.as_ref(), pages };
            file.write(page.page());
            exit = exit.worse(finish(file));
            more.iter().for_each(|text| note(&wrap("note: ", text)));
        }
        total.miss(missed);
        say(&format!("\n{}", total.screen(paint, self.reach)));
        if stopped {
            exit = exit.worse(Exit::Stopped);
        }
        if let Some((mut file, document)) = self.junit.zip(document) {
            file.write(document.trim_end().to_owned());
            exit = exit.worse(finish(file));
        }
        exit
    }
}

/// Closes a file of results; tells if that failed.
pub fn finish(file: Lines) -> Exit {
    match file.finish() {
        Ok(()) => Exit::Ok,
        Err(error) => {
            note(&format!("{:?}", miette::Report::new(error)));
            Exit::BadInput
        }
    }
}

/// The reach points that `--require-reach` names.
pub fn required(text: &str) -> Result<Required, CliError> {
    if text.trim() == "all" {
        return Ok(Required::all());
    }
    let point = |name: &str| {
        let name = name.trim();
        let known = || REACH_POINTS.iter().map(|(known, _)| *known);
        known().find(|known| *known == name).ok_or_else(|| CliError::UnknownReach {
            name: name.to_owned(),
            help: nearest(name, known().chain(["all"])),
        })
    };
    text.split(',').map(point).collect::<Result<_, _>>().map(Required)
}
