//! `cargo sim shrink`: the smallest plan that breaks what a seed breaks, kept as a scenario.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal};
use std::path::Path;
// chance: it decides when progress is told
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::ShrinkArguments;
use super::error::{self, CliError};
use super::signals::stop_on_signal;
use super::{Exit, Subject, find, jobs, note, say, say_line};
use crate::faults::generate;
use crate::oracles;
use crate::report::regression_file::{self, sizes};
use crate::report::summary::replay_command;
use crate::report::text::{Paint, grouped, span, wrap, wrap_items};
use crate::run::{RunOptions, Verdict};
use crate::search::SeedReport;
use crate::search::shrink::{Nothing, RUNS_MAX, Shrink, Shrunk, Tried};

/// How often a line tells of the progress where there is no terminal.
const TELL: Duration = Duration::from_secs(10);

/// Shrinks the plan of one seed and writes what is left.
pub fn shrink(arguments: &ShrinkArguments) -> miette::Result<Exit> {
    let seed = match arguments.seed.as_deref() {
        Some(text) => Some(text.trim().parse().map_err(|_| CliError::Seed(text.to_owned()))?),
        None => None,
    };
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let property = arguments.property.as_deref().map(property).transpose()?;
    let jobs = jobs(arguments.jobs)?;
    let root = find::root();
    let subject = find::find(&root, &arguments.scenario)?;
    let Some(seed) = seed.or(subject.scenario.seed) else {
        return Err(CliError::NoSeed(subject.reference).into());
    };
    // Known before minutes are spent on it.
    let folder = root.join(regression_file::FOLDER);
    match &arguments.out {
        Some(path) => writable(path)?,
        None => folder_for(&folder)?,
    }
    let paint = Paint::for_stdout();
    let Subject { reference, scenario } = &subject;
    let plan = generate(scenario, seed);
    let options = RunOptions { mutant, ..RunOptions::default() };
    let stop = stop_on_signal()?;
    let (limit, time) = (RUNS_MAX, None);
    let shrink = Shrink { plan: &plan, options, property, jobs, limit, time, stop: stop.clone() };
    let mut progress = Progress::new(reference, seed, RUNS_MAX);
    let shrunk = shrink.run(&mut |tried| progress.show(tried));
    progress.finish();
    let shrunk = match shrunk {
        Ok(shrunk) => shrunk,
        Err(nothing) => return Err(nothing_to_shrink(&subject, seed, property, &nothing).into()),
    };

    let name = regression_file::file_name(reference, mutant, &shrunk);
    let (path, found_as) = match &arguments.out {
        Some(path) => (path.clone(), path.display().to_string()),
        None => (folder.join(&name), name.trim_end_matches(".toml").to_owned()),
    };
    let text = regression_file::text(reference, mutant, &shrunk, &found_as);
    say(&summary(&shrunk, paint));
    say(&format!("\n{text}\n"));
    keep(&path, &text)?;
    say_line(&format!("  written    {}", path.display()));
    let replay = replay_command(&found_as, seed, mutant);
    say_line(&format!("  replay     {replay}"));
    Ok(if stop.is_wished() { Exit::Stopped } else { Exit::Ok })
}

/// The property of that name.
fn property(name: &str) -> Result<&'static str, CliError> {
    let known = || oracles::ALL.iter().map(|oracle| oracle.property);
    known().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
        CliError::UnknownProperty { name: name.to_owned(), help: error::nearest(name, known()) }
    })
}

fn nothing_to_shrink(
    subject: &Subject,
    seed: u64,
    property: Option<&'static str>,
    nothing: &Nothing,
) -> CliError {
    let seen = SeedReport::of(&nothing.outcome);
    let mut broken: Vec<&str> = seen.broken().collect();
    if matches!(seen.verdict, Verdict::Panicked(_)) {
        broken.push("a panic");
    }
    let wanted = property.unwrap_or("nothing that could be shrunk");
    let held = match (broken.as_slice(), property) {
        ([], None) => "breaks no property".to_owned(),
        ([], Some(property)) => format!("does not break {property}, nor any other property"),
        (broken, _) => format!("breaks {}, not {wanted}", broken.join(", ")),
    };
    CliError::NothingToShrink { reference: subject.reference.clone(), seed, held }
}

fn summary(shrunk: &Shrunk, paint: Paint) -> String {
    let Shrunk { aim, before, after, runs, stopped, cpu, wall } = shrunk;
    let mut out = format!("{}\n", paint.strong(&format!("{aim}, before and after")));
    out += &(wrap_items("  sizes      ", sizes(&before.plan, &after.plan)) + "\n");
    let tries = format!("{} tries", grouped((*runs).into()));
    let cpu = format!("{} of CPU time", span(cpu.as_secs_f64()));
    let wall = format!("{} passed", span(wall.as_secs_f64()));
    out += &(wrap_items("  search     ", [tries, cpu, wall]) + "\n");
    for (label, seen) in [("before", &before.seen), ("after", &after.seen)] {
        let at = seen.at.map_or_else(String::new, |at| format!("{at}: "));
        let what: String =
            seen.what.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out += &(wrap(&format!("  {label:<11}"), &format!("{at}{what}")) + "\n");
    }
    if *stopped {
        let why = if *runs < RUNS_MAX { "as was wished" } else { "the most there are" };
        let tries = grouped((*runs).into());
        let text = format!("after {tries} tries, {why}: there may be a smaller plan");
        out += &(paint.empty(&wrap("  stopped    ", &text)) + "\n");
    }
    out
}

/// Whether a file of that name could be written, without a trace if it was not there.
fn writable(path: &Path) -> Result<(), CliError> {
    let unwritable = |cause| CliError::Unwritable { path: path.to_owned(), cause };
    let is_new = !path.exists();
    OpenOptions::new().append(true).create(true).open(path).map_err(unwritable)?;
    if is_new {
        std::fs::remove_file(path).map_err(unwritable)?;
    }
    Ok(())
}

fn folder_for(folder: &Path) -> Result<(), CliError> {
    let unwritable = |cause| CliError::Unwritable { path: folder.to_owned(), cause };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    writable(&folder.join(format!(".shrink-{}", std::process::id())))
}

/// Writes the file, but never over another one.
fn keep(path: &Path, text: &str) -> Result<(), CliError> {
    let unwritable = |cause| CliError::Unwritable { path: path.to_owned(), cause };
    match std::fs::read_to_string(path) {
        Ok(there) if there == text || there.is_empty() => {}
        Ok(_) => return Err(CliError::Occupied(path.to_owned())),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {}
        Err(cause) => return Err(unwritable(cause)),
    }
    std::fs::write(path, text).map_err(unwritable)
}

/// How far the search is, on standard error.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    told: Instant,
}

impl Progress {
    /// Says that it goes on, with at most so many tries.
    pub fn new(reference: &str, seed: u64, most: u32) -> Self {
        let what = format!("shrinking seed {seed} of {reference}");
        let most = grouped(most.into());
        note(&format!("{what}: at most {most} tries; Ctrl-C keeps the smallest plan so far"));
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} {spinner} {pos} tries, {msg}");
            bar.set_style(style.expect("a valid template"));
            bar.set_prefix(what.clone());
            bar
        });
        Self { bar, what, told: Instant::now() }
    }

    /// Tells of it now and then.
    pub fn show(&mut self, tried: Tried) {
        let size = &tried.size;
        let sizes =
            format!("{} faults, {} messages, {} nodes", size.faults, size.messages, size.nodes);
        match &self.bar {
            Some(bar) => {
                bar.set_position(tried.runs.into());
                bar.set_message(sizes);
            }
            None if self.told.elapsed() >= TELL => {
                self.told = Instant::now();
                note(&format!("{}: {} tries, {sizes}", self.what, tried.runs));
            }
            None => {}
        }
    }

    /// It is over.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
