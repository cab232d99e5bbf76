//! `cargo sim determinism`: is every seed the same run again, alone in a new process, of this binary
//! and of others? And `trace`, which those processes are started with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use fencepost::probe::Mutant;

use super::arguments::{DeterminismArguments, TraceArguments};
use super::error::{self, CliError};
use super::seeds::seeds;
use super::signals::stop_on_signal;
use super::{Exit, FEW_SEEDS, Subject, find, jobs, note, say, say_line};
use crate::report::summary::replay_command;
use crate::report::text::{Paint, grouped, wrap};
use crate::run::{RunOptions, RunOutcome, run_seed};
use crate::search::determinism::{Difference, alone, compare, figures, write_trace};
use crate::search::{Batch, Part, Progress, Seeds, Stop, fresh};

/// How many seeds that differ are told of each scenario.
const TOLD: usize = 5;

/// How much is shown of an event.
const SHOWN: usize = 400;

/// Runs each seed here, among others, and again alone in new processes.
pub fn determinism(arguments: &DeterminismArguments) -> miette::Result<Exit> {
    let root = find::root();
    let seeds = match arguments.seeds.as_deref() {
        Some(text) => seeds(text, false)?,
        None => Seeds::up_to(FEW_SEEDS),
    };
    let jobs = jobs(arguments.jobs)?;
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let subjects = match arguments.scenario.as_slice() {
        [] => find::all_scenarios(&root)?,
        names => names.iter().map(|name| find::find(&root, name)).collect::<miette::Result<_>>()?,
    };
    let itself = std::env::current_exe()
        .map_err(|cause| CliError::NoTrace { path: "this program".into(), cause })?;
    let mut binaries = vec![itself];
    for path in &arguments.against {
        binaries.push(knows_trace(path)?);
    }
    let check = Check { binaries, seeds, jobs, mutant, stop: stop_on_signal()? };

    let paint = Paint::for_stdout();
    let scenarios = match subjects.as_slice() {
        [one] => one.reference.clone(),
        many => format!("each of {} scenarios", many.len()),
    };
    let others = match check.binaries.len() {
        1 => "a new process".to_owned(),
        many => format!("new processes of {many} binaries"),
    };
    let about = format!("{seeds} of {scenarios}, here and alone in {others}, {jobs} at a time");
    say_line(&wrap("", &about));
    say_line(&paint.faint(&columns("scenario", ["seeds", "processes", "events", "differ"])));
    let (mut different, mut seen, mut stopped) = (0, 0, false);
    for subject in &subjects {
        let found = check.scenario(subject);
        for text in found.told.values().take(TOLD) {
            say(text);
        }
        let numbers = [found.seeds, found.processes, found.events, found.different].map(grouped);
        let numbers = numbers.each_ref().map(String::as_str);
        say_line(&columns(&subject.reference, numbers));
        different += found.different;
        seen += found.seeds;
        if found.stopped {
            stopped = true;
            break;
        }
    }
    let (exit, sentence) = match (different, stopped) {
        (0, false) => {
            let text = format!("\nok: {} seeds gave the same run each time", grouped(seen));
            (Exit::Ok, paint.good(&text))
        }
        (0, true) => (Exit::Stopped, paint.empty("\nstopped: not all seeds have run")),
        (many, _) => {
            let text = format!("\n{} runs were not the same run again", grouped(many));
            (Exit::Violated, paint.bad(&text))
        }
    };
    say_line(&sentence);
    Ok(exit)
}

/// Writes the trace of one seed: what the other process does.
pub fn trace(arguments: &TraceArguments) -> miette::Result<Exit> {
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let Subject { reference, scenario } = find::find(&find::root(), &arguments.scenario)?;
    let options = RunOptions { mutant, ..RunOptions::default() };
    let seed = arguments.seed;
    let run = || run_seed(&scenario, seed, &options);
    let outcome = fresh::run_alone(&scenario.name, seed, run);
    let figures = figures(&reference, &scenario, mutant, &outcome);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // A reader that knows enough goes away.
    let _ = write_trace(&mut out, &figures, &outcome.history);
    Ok(Exit::Ok)
}

/// That binary, if it is one of the testbed that can be compared with.
fn knows_trace(path: &Path) -> Result<PathBuf, CliError> {
    let refused = |cause| CliError::NoTrace { path: path.to_owned(), cause };
    // A bare name would be looked for among the programs of the system.
    let found = path.canonicalize().map_err(refused)?;
    let mut command = Command::new(&found);
    command.args(["trace", "--help"]).stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status().map_err(refused)?;
    if !status.success() {
        return Err(refused(std::io::Error::other("it is no testbed, or another version")));
    }
    Ok(found)
}

struct Check {
    binaries: Vec<PathBuf>,
    seeds: Seeds,
    jobs: usize,
    mutant: Option<Mutant>,
    stop: Stop,
}

/// What came of one scenario.
#[derive(Default)]
struct Found {
    seeds: u64,
    processes: u64,
    events: u64,
    different: u64,
    told: BTreeMap<u64, String>,
    stopped: bool,
}

impl Check {
    fn scenario(&self, Subject { reference, scenario }: &Subject) -> Found {
        let options = RunOptions { mutant: self.mutant, ..RunOptions::default() };
        let batch = Batch {
            scenario,
            seeds: self.seeds,
            options: options.clone(),
            jobs: self.jobs,
            time_limit: None,
            stop_at_first: false,
        };
        let found = Mutex::new(Found::default());
        let lock = || found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let run = |seed| -> RunOutcome {
            let outcome = fresh::run_caught(seed, || run_seed(scenario, seed, &options));
            let figures = figures(reference, scenario, self.mutant, &outcome);
            for binary in &self.binaries {
                let mut other = alone(binary, reference, seed, self.mutant);
                let compared = compare(&figures, &outcome.history, &mut other);
                let mut found = lock();
                // Ctrl-C ends the other processes, too: that they tell nothing means nothing.
                match compared {
                    Err(Difference::Nothing(_)) if self.stop.is_wished() => {}
                    Ok(()) => found.processes += 1,
                    Err(difference) => {
                        found.processes += 1;
                        found.different += 1;
                        if found.told.len() < TOLD {
                            let text = self.told(reference, seed, binary, &difference);
                            *found.told.entry(seed).or_default() += &text;
                        }
                    }
                }
            }
            outcome
        };
        let part = Part { stop: self.stop.clone(), ..Part::default() };
        let report = batch.explore_part_with(&part, &run, &mut |progress| {
            if let Progress::Stopping(running) = progress {
                note(&format!(
                    "stopping: {running} seeds come to their end; once more to end at once"
                ));
            }
        });
        let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        found.seeds = report.stats.runs;
        found.events = report.stats.events;
        found.stopped = report.stopped || self.stop.is_wished();
        found
    }

    fn told(&self, reference: &str, seed: u64, binary: &Path, difference: &Difference) -> String {
        let paint = Paint::for_stdout();
        let mut out = format!("{} {reference}, seed {seed}\n", paint.bad("DIFFERENT"));
        let mut add = |line: String| out += &format!("{line}\n");
        add(wrap("  ", &format!("alone in {}", binary.display())));
        match difference {
            Difference::Event { index, before, here, there } => {
                add(format!(
                    "  {} events are the same, the next one is not",
                    grouped(*index as u64)
                ));
                if let Some(before) = before {
                    add(wrap("    before  ", &shown(before)));
                }
                let over = || "the history is over".to_owned();
                add(wrap("    here    ", &here.as_deref().map_or_else(over, shown)));
                add(wrap("    there   ", &there.as_deref().map_or_else(over, shown)));
            }
            Difference::Figures(figures) => {
                add("  the events are the same, the figures are not".to_owned());
                for figure in figures {
                    add(wrap("    ", &shown(figure)));
                }
            }
            Difference::Nothing(why) => add(wrap("  it came to no result: ", why)),
        }
        add(format!("  replay  {}", replay_command(reference, seed, self.mutant)));
        out
    }
}

/// The beginning of a text that has no end.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn columns(name: &str, [seeds, processes, events, differ]: [&str; 4]) -> String {
    format!("{name:<28} {seeds:>9} {processes:>10} {events:>15} {differ:>8}")
}
