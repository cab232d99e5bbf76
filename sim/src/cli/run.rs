//! `cargo sim run`: many seeds of some scenarios.

use std::io::IsTerminal;
use std::path::PathBuf;
// chance: it decides when no more seeds are started
use std::time::{Duration, Instant};

use fencepost::probe::Mutant;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::arguments::RunArguments;
use super::conclusion::{Conclusion, finish};
use super::error::{self, CliError};
use super::results::Lines;
use super::seeds::{seeds, shard};
use super::shrink::Progress as Progressing;
use super::signals::stop_on_signal;
use super::{Exit, FEW_SEEDS, Subject, find, jobs, note, say, say_line};
use crate::faults::generate;
use crate::report::finding::Finding;
use crate::report::jsonl;
use crate::report::plan_file;
use crate::report::summary::{failure, header, line, shrink_command, vacuous};
use crate::report::text::{Paint, grouped, span, wrap};
use crate::run::{RunOptions, Verdict};
use crate::scenario::units::parse_duration;
use crate::search::shrink::{Shrink, Shrunk};
use crate::search::verdict::FAILURES_KEPT;
use crate::search::{Batch, BatchReport, Part, Progress, SeedReport, Seeds};

/// How many smaller plans are tried for the first seed that fails: some seconds' worth, because it
/// was not asked for.
const SHRINK_RUNS: u32 = 300;

/// How long the first seed that fails is shrunk at most, of the time that `--for` gives: a minute, and no
/// more than a quarter.
const SHRINK_TIME: Duration = Duration::from_secs(60);
const SHRINK_SHARE: u32 = 4;

/// What was asked for, all of it checked.
struct Request {
    root: PathBuf,
    subjects: Vec<Subject>,
    /// None: the few seeds that are the default, or the seed of a plan.
    seeds: Option<Seeds>,
    time: Option<Duration>,
    jobs: usize,
    mutant: Option<Mutant>,
    part: Part,
    /// Whether the first seed that fails is shrunk.
    shrink: bool,
}

/// Runs what the arguments name. Nothing runs before all of them are known to be good.
pub fn run(arguments: &RunArguments) -> miette::Result<Exit> {
    let request = Request::new(arguments)?;
    let conclusion = Conclusion::new(&arguments.ending)?;
    let mut jsonl = arguments.jsonl.as_deref().map(Lines::create).transpose()?;
    let paint = Paint::for_stdout();
    say(&format!("{}\n{}\n", request.announcement(), header(paint)));

    let mut findings = Vec::new();
    let mut shrink = request.shrink;
    let started = Instant::now();
    for (index, subject) in request.subjects.iter().enumerate() {
        let Subject { reference, scenario } = subject;
        // What one scenario took less, or more, the others share.
        let others = u32::try_from(request.subjects.len() - index).unwrap_or(u32::MAX);
        let time = request.time.map(|time| time.saturating_sub(started.elapsed()) / others);
        let spare = time.filter(|_| shrink).map(|time| SHRINK_TIME.min(time / SHRINK_SHARE));
        let report = request.one(subject, time, spare, jsonl.as_mut(), paint);
        // What only a whole batch must reach is asked of all its shards together.
        let whole = request.part.shard.is_whole() && !report.stopped;
        let verdict = match whole {
            true => report.verdict(scenario),
            false => report.verdict_of_seeds(scenario),
        };
        say_line(&line(reference, &report, &verdict, paint));
        say(&vacuous(&report, &verdict));
        let more = report.failed.saturating_sub(report.failures.len() as u64);
        if more > 0 {
            say_line(&format!("  and {} more seeds failed", grouped(more)));
        }
        let now = shrink && !request.part.stop.is_wished();
        if let (true, Some(seed)) = (now, report.failures.first()) {
            shrink = false;
            say(&request.shrunk(subject, seed, spare));
        }
        let (reference, mutant) = (reference.clone(), request.mutant);
        findings.push(Finding { reference, mutant, report, verdict });
        if request.part.stop.is_wished() {
            break;
        }
    }
    let stopped = findings.len() < request.subjects.len()
        || findings.iter().any(|finding| finding.report.stopped);
    let exit = conclusion.conclude(&findings, &[], stopped, paint);
    Ok(exit.worse(jsonl.map_or(Exit::Ok, finish)))
}

impl Request {
    fn new(arguments: &RunArguments) -> miette::Result<Self> {
        let root = find::root();
        let time = match arguments.time.as_deref() {
            Some(text) => match parse_duration(text) {
                Ok(time) if time.is_zero() => {
                    return Err(CliError::Time(format!("\"{text}\" is no time at all")).into());
                }
                Ok(time) => Some(time),
                Err(reason) => return Err(CliError::Time(reason).into()),
            },
            None => None,
        };
        let seeds =
            arguments.seeds.as_deref().map(|text| seeds(text, time.is_some())).transpose()?;
        let shard = arguments.shard.as_deref().map(shard).transpose()?.unwrap_or_default();
        let jobs = jobs(arguments.jobs)?;
        let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
        let subjects = match arguments.scenario.as_slice() {
            [] => {
                let mut all = find::all_scenarios(&root)?;
                all.extend(find::regressions(&root)?);
                all
            }
            names => {
                names.iter().map(|name| find::find(&root, name)).collect::<miette::Result<_>>()?
            }
        };
        let part = Part { shard, stop: stop_on_signal()?, ..Part::default() };
        let shrink = !arguments.no_shrink;
        Ok(Self { root, subjects, seeds, time, jobs, mutant, part, shrink })
    }

    /// The seeds of one scenario. With a time limit and no range, they do not end.
    fn seeds_of(&self, subject: &Subject) -> Seeds {
        match (self.seeds, subject.scenario.seed, self.time) {
            (Some(seeds), _, _) => seeds,
            (None, Some(seed), None) => Seeds::only(seed),
            (None, seed, Some(_)) => Seeds::from(seed.unwrap_or(1)),
            (None, None, None) => Seeds::up_to(FEW_SEEDS),
        }
    }

    /// What is about to run, so that a hang or a crash cannot lose it.
    fn announcement(&self) -> String {
        // Plans have a seed of their own, and there may be many of them.
        let own = |subject: &&Subject| {
            self.seeds.is_none() && self.time.is_none() && subject.scenario.seed.is_some()
        };
        let (plans, others): (Vec<&Subject>, Vec<&Subject>) = self.subjects.iter().partition(own);
        let mut parts = Vec::new();
        if let Some(first) = others.first() {
            let seeds = self.seeds_of(first);
            parts.push(match others.as_slice() {
                [one] => format!("{seeds} of {}", one.reference),
                many => format!("{seeds} of each of {} scenarios", many.len()),
            });
        }
        match plans.as_slice() {
            [] => {}
            [one] => parts.push(format!("{} of {}", self.seeds_of(one), one.reference)),
            many => parts.push(format!("the own seeds of {} plans", many.len())),
        }
        let mut text = format!("{}, {} at a time", parts.join(" and "), self.jobs);
        if !self.part.shard.is_whole() {
            text += &format!(", shard {}", self.part.shard);
        }
        if let Some(time) = self.time {
            text += &format!(", for {}", span(time.as_secs_f64()));
        }
        if let Some(mutant) = self.mutant {
            text += &format!(", with the bug {} planted", mutant.name());
        }
        wrap("", &text)
    }

    /// Runs one scenario, at most for that `time`, of which some is to `spare` if a seed fails.
    fn one(
        &self,
        subject: &Subject,
        time: Option<Duration>,
        spare: Option<Duration>,
        mut jsonl: Option<&mut Lines>,
        paint: Paint,
    ) -> BatchReport {
        let Subject { reference, scenario } = subject;
        let part = Part { spare: spare.unwrap_or_default(), ..self.part.clone() };
        let batch = Batch {
            scenario,
            seeds: self.seeds_of(subject),
            options: RunOptions { mutant: self.mutant, ..RunOptions::default() },
            jobs: self.jobs,
            time_limit: time,
            stop_at_first: false,
        };
        let lines = jsonl::Lines::of(reference, scenario, self.mutant);
        if let Some(jsonl) = &mut jsonl {
            jsonl.write(lines.batch(batch.seeds, self.part.shard));
        }
        let length = (batch.time_limit.is_none() || !batch.seeds.are_endless())
            .then(|| self.part.shard.count(batch.seeds));
        let bar = progress_bar(reference, length);
        let mut failures = 0;
        let report = batch.explore_part(&part, &mut |progress| match progress {
            Progress::Done(seed) => {
                if let Some(jsonl) = &mut jsonl {
                    jsonl.write(lines.seed(seed));
                }
                if seed.fails(&scenario.expect) {
                    failures += 1;
                    if failures <= FAILURES_KEPT {
                        bar.suspend(|| say(&self.failed(subject, seed, paint)));
                    }
                    bar.set_message(format!("{failures} failed"));
                }
                bar.inc(1);
            }
            Progress::Slow(seed, lasts) => bar.suspend(|| {
                let lasts = span(lasts.as_secs_f64());
                note(&format!("note: {reference}, seed {seed} has been running for {lasts}"));
            }),
            Progress::Stopping(running) => bar.suspend(|| {
                note(&format!(
                    "stopping: {running} seeds come to their end; once more to end at once"
                ));
            }),
        });
        bar.finish_and_clear();
        if let Some(jsonl) = jsonl {
            jsonl.write(lines.end(&report));
        }
        report
    }

    /// Tells of a seed that failed, and writes its plan to a file.
    fn failed(&self, subject: &Subject, seed: &SeedReport, paint: Paint) -> String {
        let Subject { reference, scenario } = subject;
        let plan = plan_file::write(&self.root, scenario, seed, self.mutant);
        let mut text = failure(reference, self.mutant, seed, plan.as_deref().ok(), paint);
        if let Err(cause) = plan {
            text += &format!("  plan    not written: {cause}\n");
        }
        text
    }

    /// Makes the plan of a seed that failed smaller, within bounds, and tells what came of it.
    fn shrunk(&self, subject: &Subject, seed: &SeedReport, time: Option<Duration>) -> String {
        let Subject { reference, scenario } = subject;
        let unexpected = |property: &&str| !scenario.expect.violates.contains(property);
        let meant = self.mutant.map_or(&[][..], Mutant::breaks);
        // What made the seed fail, and not what the scenario expects.
        let broken = || seed.broken().filter(unexpected);
        let property = broken().find(|property| meant.contains(property)).or(broken().next());
        if property.is_none() && !matches!(seed.verdict, Verdict::Panicked(_)) {
            return String::new();
        }
        let shrink = Shrink {
            plan: &generate(scenario, seed.seed),
            options: RunOptions { mutant: self.mutant, ..RunOptions::default() },
            property,
            jobs: self.jobs,
            limit: SHRINK_RUNS,
            time,
            stop: self.part.stop.clone(),
        };
        let mut progress = Progressing::new(reference, seed.seed, SHRINK_RUNS);
        let shrunk = shrink.run(&mut |tried| progress.show(tried));
        progress.finish();
        let Ok(shrunk) = shrunk else {
            return wrap("  shrunk  ", "not: alone, the seed does not fail") + "\n";
        };
        let written = plan_file::write_shrunk(&self.root, reference, self.mutant, &shrunk);
        let Shrunk { aim, before, after, runs, stopped, .. } = &shrunk;
        let (many, few) = (before.plan.faults.len(), after.plan.faults.len());
        let mut text = match written {
            Ok(path) => format!("  shrunk  {}\n", path.display()),
            Err(cause) => format!("  shrunk  not written: {cause}\n"),
        };
        let tries = grouped((*runs).into());
        text += &format!("          {aim}: faults {many} → {few}, after {tries} tries\n");
        if *stopped {
            let command = shrink_command(reference, seed.seed, self.mutant);
            text += &format!("  shrink  {command}\n");
        }
        text
    }
}

/// On standard error, and only if that is a terminal.
fn progress_bar(reference: &str, length: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = |template| ProgressStyle::with_template(template).expect("a valid template");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_prefix(reference.to_owned());
    if let Some(length) = length {
        bar.set_length(length);
        bar.set_style(style("{prefix:24!} {wide_bar} {pos}/{len} {per_sec} eta {eta} {msg}"));
    } else {
        bar.set_style(style("{prefix:24!} {spinner} {pos} seeds {per_sec} {elapsed} {msg}"));
    }
    bar
}
