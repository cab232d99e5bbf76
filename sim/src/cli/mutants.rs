//! `cargo sim mutants`: is every planted bug found, as the property that it breaks?

use fencepost::probe::Mutant;

use super::arguments::MutantsArguments;
use super::seeds::bounded;
use super::{Exit, HUNT_SEEDS, Subject, error, find, jobs, say_line};
use crate::report::summary::replay_command;
use crate::report::text::{Paint, wrap};
use crate::search::{Hunt, HuntReport, SeedReport, Seeds, elsewhere};

/// Hunts the named mutants, or all.
pub fn mutants(arguments: &MutantsArguments) -> miette::Result<Exit> {
    let mutants: Vec<Mutant> = match arguments.name.as_slice() {
        [] => Mutant::ALL.to_vec(),
        names => names.iter().map(|name| error::mutant(name)).collect::<Result<_, _>>()?,
    };
    let seeds = match arguments.seeds.as_deref() {
        Some(text) => bounded(text)?,
        None => Seeds::up_to(HUNT_SEEDS),
    };
    let jobs = jobs(arguments.jobs)?;
    let root = find::root();
    let mut hunts = Vec::new();
    for mutant in mutants {
        hunts.push((mutant, find::mutant_scenarios(&root, mutant)?));
    }

    let paint = Paint::for_stdout();
    let mut problems = 0_u32;
    say_line(&format!("{seeds} of every scenario that kills the mutant, until one fails"));
    say_line(&paint.faint(&columns(["mutant", "scenario", "seed", "tried", "CPU s", "property"])));
    for (mutant, subjects) in &hunts {
        match elsewhere(*mutant).filter(|_| subjects.is_empty()) {
            Some(found) => {
                say_line(&paint.faint(&wrap("", &format!("{}: {found}", mutant.name()))))
            }
            None if subjects.is_empty() => {
                problems += 1;
                let text = format!("{}: no scenario says that it kills this mutant", mutant.name());
                say_line(&paint.bad(&wrap("  ", &text)));
            }
            None => {}
        }
        for Subject { reference, scenario } in subjects {
            let report = Hunt { mutant: *mutant, scenario, seeds, jobs }.run();
            say_line(&table_line(reference, &report));
            if let Some(found) = report.found() {
                let command = replay_command(reference, found.seed, Some(*mutant));
                say_line(&format!("    {command}"));
            }
            if let Some(problem) = report.problem() {
                problems += 1;
                say_line(&paint.bad(&wrap("    ", &problem)));
            }
        }
    }
    if problems > 0 {
        say_line(&paint.bad(&format!("\n{problems} hunts went wrong")));
        return Ok(Exit::Violated);
    }
    say_line(&paint.good("\nok: every mutant was found, and the same seeds are clean without it"));
    Ok(Exit::Ok)
}

fn table_line(reference: &str, report: &HuntReport) -> String {
    let found = report.found();
    columns([
        report.mutant.name(),
        reference,
        &found.map_or("-".to_owned(), |seed| seed.seed.to_string()),
        &report.tried().to_string(),
        &format!("{:.2}", report.with.cpu.as_secs_f64()),
        &found.map_or("-".to_owned(), |seed| properties(report.mutant, seed)),
    ])
}

/// First what the mutant is meant to break, then what came of it.
fn properties(mutant: Mutant, found: &SeedReport) -> String {
    let meant = |property: &&str| mutant.breaks().contains(property);
    let (meant, also): (Vec<_>, Vec<_>) = found.broken().partition(meant);
    let also = if also.is_empty() { String::new() } else { format!(" (and {})", also.join(", ")) };
    meant.join(", ") + &also
}

fn columns([mutant, scenario, seed, tried, cpu, property]: [&str; 6]) -> String {
    format!("{mutant:<28} {scenario:<22} {seed:>6} {tried:>6} {cpu:>8}  {property}")
}
