//! How soon the swarm finds each planted bug, and what the layers below it let through.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fencepost::probe::Mutant;

use super::table::Kept;
use crate::cli::arguments::MutantsArguments;
use crate::cli::error::CliError;
use crate::cli::{Subject, find, say_line};
use crate::faults::generate;
use crate::report::text::{Paint, grouped, wrap};
use crate::report::zoo::layers::{self, DEEP, Layer};
use crate::report::zoo::row::Swarm;
use crate::report::zoo::{Extent, Layers, Row};
use crate::run::RunOptions;
use crate::scenario::units::parse_duration;
use crate::search::Stop;
use crate::search::shrink::Shrink;
use crate::search::{Seeds, Tallied, Tally};

/// The scenario that knows nothing of any bug.
const SWARM: &str = "swarm";

/// A bug of which so many starts have found nothing, and none has found it, is given up.
const IN_VAIN: usize = 2;

/// How many plans are tried to make the first find small: a measure of what shrinking does in a
/// minute, not the smallest plan there is.
const SHRINK_RUNS: u32 = 2_000;

/// What was asked for.
pub struct Search {
    swarm: Option<Subject>,
    starts: u64,
    budget: Duration,
    layers: Option<u64>,
    jobs: usize,
}

impl Search {
    pub fn of(arguments: &MutantsArguments, root: &Path, jobs: usize) -> miette::Result<Self> {
        let wanted = arguments.swarm || arguments.layers.is_some();
        let budget = parse_duration(&arguments.budget).map_err(CliError::Budget)?;
        if budget.is_zero() || arguments.starts == 0 {
            let nothing = "nothing is searched without a start and some time".to_owned();
            return Err(CliError::Budget(nothing).into());
        }
        let swarm = if wanted { Some(find::find(root, SWARM)?) } else { None };
        let starts = if arguments.swarm { arguments.starts } else { 0 };
        Ok(Self { swarm, starts, budget, layers: arguments.layers, jobs })
    }

    /// Measures, tells, keeps, and says how many things went wrong.
    pub fn run(&self, mutants: &[Mutant], kept: &mut Kept, paint: Paint) -> Result<u32, CliError> {
        let Some(swarm) = &self.swarm else { return Ok(0) };
        if self.starts > 0 {
            say_line(&format!("\n{} starts of {SWARM}, {:?} each", self.starts, self.budget));
            let head = ["mutant", "found", "seeds", "worst", "CPU s", "worst", "as"];
            say_line(&paint.faint(&columns(head.map(str::to_owned))));
            for &mutant in mutants {
                let row = self.search(mutant, swarm);
                say_line(&line(mutant, &row));
                kept.put(Row { swarm: Some(row), ..Row::of(mutant) })?;
            }
        }
        let mut through = 0;
        if let Some(seeds) = self.layers {
            say_line(&format!("\nWhat got through, in {seeds} seeds of {SWARM}"));
            for &mutant in mutants {
                let Some(row) = self.layers(mutant, swarm, seeds) else { continue };
                let (text, is_wrong) = verdict(mutant, &row);
                through += u32::from(is_wrong);
                say_line(&if is_wrong { paint.bad(&text) } else { text });
                kept.put(Row { layers: Some(row), ..Row::of(mutant) })?;
            }
        }
        Ok(through)
    }

    fn search(&self, mutant: Mutant, swarm: &Subject) -> Swarm {
        let mut starts: Vec<Tallied> = Vec::new();
        for start in 0..self.starts {
            starts.push(self.tally(mutant, swarm, start).run());
            if starts.len() == IN_VAIN && starts.iter().all(|start| start.found.is_none()) {
                break;
            }
        }
        let mut row = Swarm::of(mutant, &starts, self.budget);
        row.shrunk = starts.iter().find_map(|start| start.found.as_ref()).and_then(|found| {
            let plan = generate(&swarm.scenario, found.seed);
            let options = RunOptions { mutant: Some(mutant), ..RunOptions::default() };
            let (property, jobs, limit, stop) = (None, self.jobs, SHRINK_RUNS, Stop::default());
            let shrink = Shrink { plan: &plan, options, property, jobs, limit, time: None, stop };
            let shrunk = shrink.run(&mut |_| {}).ok()?;
            Some(Extent::of(&shrunk.after.plan))
        });
        row
    }

    fn layers(&self, mutant: Mutant, swarm: &Subject, seeds: u64) -> Option<Layers> {
        if layers::of(mutant) == Layer::Beside {
            return None;
        }
        let report = self.tally(mutant, swarm, 0).batch(Seeds::up_to(seeds), false);
        let of = |property: &&str| report.broken.get(property).copied().unwrap_or_default();
        let deep: BTreeMap<String, u64> =
            DEEP.iter().map(|property| ((*property).to_owned(), of(property))).collect();
        Some(Layers { seeds: report.stats.runs, violated: report.failed, deep })
    }

    fn tally<'a>(&self, mutant: Mutant, swarm: &'a Subject, start: u64) -> Tally<'a> {
        let (budget, jobs) = (self.budget, self.jobs);
        Tally { mutant, scenario: &swarm.scenario, start, budget, jobs }
    }
}

/// What is said of a bug's layers, and whether it got through a layer that it left alone.
fn verdict(mutant: Mutant, row: &Layers) -> (String, bool) {
    let deep: Vec<String> =
        row.deep.iter().map(|(property, seeds)| format!("{property} {seeds}")).collect();
    let broke = |property: &str| row.deep.get(property).is_some_and(|seeds| *seeds > 0);
    let is_wrong = layers::of(mutant) == Layer::Above && (broke("F1") || broke("D1"));
    let says = format!("{} seeds broke something, {}", row.violated, deep.join(", "));
    (wrap(&format!("{:<28} ", mutant.name()), &says), is_wrong)
}

fn line(mutant: Mutant, row: &Swarm) -> String {
    let shown: Vec<String> =
        row.shown.iter().map(|(property, count)| format!("{property} {count}")).collect();
    columns([
        mutant.name().to_owned(),
        format!("{}/{}", row.found, row.starts),
        grouped(row.seeds.0),
        grouped(row.seeds.1),
        format!("{:.2}", row.cpu_s.0),
        format!("{:.2}", row.cpu_s.1),
        shown.join(", "),
    ])
}

fn columns([mutant, found, seeds, worst, cpu, longest, shown]: [String; 7]) -> String {
    format!("{mutant:<28} {found:>5} {seeds:>8} {worst:>8} {cpu:>7} {longest:>7}  {shown}")
}
