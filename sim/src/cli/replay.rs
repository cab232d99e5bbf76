//! `cargo sim replay`: one seed again, and all there is to know about it.

use super::arguments::ReplayArguments;
use super::conclusion::finish;
use super::error::{self, CliError};
use super::results::Lines;
use super::{Exit, find, say, say_line};
use crate::faults::{lines, render};
use crate::report::diagram::diagram;
use crate::report::html::replay::Replay;
use crate::report::jsonl;
use crate::report::scene::focus;
use crate::report::summary::{failure, vacuous};
use crate::report::text::{Paint, grouped, span};
use crate::run::{RunOptions, Verdict, run_plan};
use crate::scenario::{Expect, Origin, print};
use crate::search::{BatchReport, BatchVerdict, SeedReport, fresh};

/// Runs one seed on a thread of its own and tells about it.
pub fn replay(arguments: &ReplayArguments) -> miette::Result<Exit> {
    let seed = match arguments.seed.as_deref() {
        Some(text) => Some(text.trim().parse().map_err(|_| CliError::Seed(text.to_owned()))?),
        None => None,
    };
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let subject = find::find(&find::root(), &arguments.scenario)?;
    let scenario = &subject.scenario;
    let seed = seed.or(scenario.seed).unwrap_or(1);
    let html = arguments.html.as_deref().map(Lines::create).transpose()?;
    let rendered = render(scenario, seed);
    let plan = &rendered.plan;
    let paint = Paint::for_stdout();
    if !arguments.json {
        let title = format!("# seed {seed} of {}", subject.reference);
        let plan = print(plan, &Expect::default());
        say(&format!("{}\n{plan}\n", paint.strong(&title)));
    }
    let options = RunOptions { mutant, log: arguments.log };
    let run = || run_plan(plan, &options);
    let mut outcome = fresh::run_alone(&scenario.name, seed, run);
    outcome.lines = lines::of_run(&rendered, &outcome.history);
    // Whoever replays a plan wants to see its faults. What the swarm has drawn is no line of it.
    let origins: Vec<&Origin> = scenario.faults.iter().map(|line| &line.origin).collect();
    let vain = lines::in_vain(&origins, &outcome.lines, 1);
    if outcome.verdict == Verdict::Ok && !vain.is_empty() {
        outcome.verdict = Verdict::Vacuous(vain);
    }
    let report = SeedReport::of(&outcome);
    let mut batch = BatchReport::default();
    batch.add(&report, &scenario.expect);
    let verdict = batch.verdict_of_seeds(scenario);
    let mut exit = Exit::from(&verdict);
    if let Some(mut file) = html {
        let reference = &subject.reference;
        file.write(Replay { reference, mutant, plan, outcome: &outcome }.page());
        exit = exit.worse(finish(file));
    }
    if arguments.json {
        say_line(&jsonl::Lines::of(&subject.reference, scenario, mutant).seed(&report));
        return Ok(exit);
    }
    if !matches!(report.verdict, Verdict::Ok) {
        if let Verdict::Violated(violations) = &outcome.verdict
            && let Some(violation) = focus(violations)
        {
            say_line(&diagram(plan, &outcome.history, violation, paint));
        }
        say(&failure(&subject.reference, mutant, &report, None, paint));
    }
    say(&vacuous(&batch, &verdict));
    say(&counts(&report));
    let word = match verdict {
        BatchVerdict::Ok => paint.good("ok"),
        BatchVerdict::Violated => paint.bad("violated"),
        BatchVerdict::Vacuous(_) => paint.empty("vacuous"),
        BatchVerdict::Overrun(_) => paint.bad("overrun"),
    };
    let expected = verdict == BatchVerdict::Ok && report.verdict != Verdict::Ok;
    say_line(&format!("  verdict    {word}{}", if expected { ", as expected" } else { "" }));
    if let Some(path) = &arguments.html {
        say_line(&format!("  page       {}", path.display()));
    }
    Ok(exit)
}

fn counts(report: &SeedReport) -> String {
    let stats = &report.stats;
    format!(
        "  simulated  {}, {} leader changes, {} guards, {} bounces, {} cuts, {} pauses\n\
         \x20 messages   {} written, {} effects, {} delivered, {} failed, {} in doubt ({} parked)\n\
         \x20 history    {} events, hash {:016x}\n",
        span(stats.simulated_secs()),
        stats.leader_changes,
        stats.guards,
        stats.bounces(),
        stats.cuts,
        stats.pauses,
        stats.enqueued,
        stats.effects,
        stats.delivered,
        stats.failed,
        stats.in_doubt,
        stats.parked,
        grouped(stats.events),
        report.hash
    )
}
