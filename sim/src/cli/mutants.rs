//! `cargo sim mutants`: is every planted bug found, as the property that it breaks? By its own
//! scenarios; and if asked for, how soon by the swarm, and what the layers below it let through.

mod swarm;
mod table;

use fencepost::probe::Mutant;

use self::table::Kept;
pub use self::table::read as read_table;
use super::arguments::MutantsArguments;
use super::seeds::bounded;
use super::{Exit, HUNT_SEEDS, Subject, error, find, jobs, say_line};
use crate::faults::generate;
use crate::report::summary::replay_command;
use crate::report::text::{Paint, wrap};
use crate::report::zoo::{Extent, Own, Row};
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
    for mutant in &mutants {
        hunts.push((*mutant, find::mutant_scenarios(&root, *mutant)?));
    }
    let mut kept = Kept::open(arguments)?;
    let search = swarm::Search::of(arguments, &root, jobs)?;

    let paint = Paint::for_stdout();
    let mut problems = 0_u32;
    say_line(&format!("{seeds} of every scenario that kills the mutant, until one fails"));
    say_line(&paint.faint(&columns(["mutant", "scenario", "seed", "tried", "CPU s", "property"])));
    for (mutant, subjects) in &hunts {
        if let Err(why) = is_shown(*mutant, subjects) {
            problems += 1;
            say_line(&paint.bad(&wrap("  ", &why)));
        } else if let Some(found) = elsewhere(*mutant).filter(|_| subjects.is_empty()) {
            say_line(&paint.faint(&wrap("", &format!("{}: {found}", mutant.name()))));
        }
        for Subject { reference, scenario } in subjects {
            let report = Hunt { mutant: *mutant, scenario, seeds, jobs }.run();
            say_line(&table_line(reference, &report));
            if let Some(found) = report.found() {
                let command = replay_command(reference, found.seed, Some(*mutant));
                say_line(&format!("    {command}"));
                if reference == mutant.name() {
                    let extent = Extent::of(&generate(scenario, found.seed));
                    let (meant, also) = properties(*mutant, found);
                    let broken = meant.iter().chain(&also).map(|p| (*p).to_owned()).collect();
                    let (scenario, seed) = (reference.clone(), found.seed);
                    let own = Some(Own { scenario, seed, broken, extent });
                    kept.put(Row { own, ..Row::of(*mutant) })?;
                }
            }
            if let Some(problem) = report.problem() {
                problems += 1;
                say_line(&paint.bad(&wrap("    ", &problem)));
            }
        }
    }
    // What no scenario shows, because it breaks nothing, would be searched for in vain for as long as allowed.
    let shown = hunts.iter().filter(|(_, subjects)| !subjects.is_empty());
    let shown: Vec<Mutant> = shown.map(|(mutant, _)| *mutant).collect();
    problems += search.run(&shown, &mut kept, paint)?;
    problems += kept.compare(paint);
    if problems > 0 {
        say_line(&paint.bad(&format!("\n{problems} hunts went wrong")));
        return Ok(Exit::Violated);
    }
    say_line(&paint.good("\nok: every mutant was found, and the same seeds are clean without it"));
    Ok(Exit::Ok)
}

/// Whether something shows the bug: the scenario that is named after it, or what is said elsewhere.
fn is_shown(mutant: Mutant, subjects: &[Subject]) -> Result<(), String> {
    let name = mutant.name();
    if subjects.iter().any(|subject| subject.reference == name) || elsewhere(mutant).is_some() {
        return Ok(());
    }
    Err(format!(
        "{name}: no scenario of its own: scenarios/mutants/{name}.toml, with kills = [\"{name}\"]"
    ))
}

fn table_line(reference: &str, report: &HuntReport) -> String {
    let found = report.found();
    let shown = found.map_or("-".to_owned(), |seed| {
        let (meant, also) = properties(report.mutant, seed);
        let also = if also.is_empty() { String::new() } else { format!(" ({})", also.join(", ")) };
        meant.join(", ") + &also
    });
    columns([
        report.mutant.name(),
        reference,
        &found.map_or("-".to_owned(), |seed| seed.seed.to_string()),
        &report.tried().to_string(),
        &format!("{:.2}", report.with.cpu.as_secs_f64()),
        &shown,
    ])
}

/// What the mutant is meant to break, and what came of it.
fn properties(mutant: Mutant, found: &SeedReport) -> (Vec<&'static str>, Vec<&'static str>) {
    found.broken().partition(|property| mutant.breaks().contains(property))
}

fn columns([mutant, scenario, seed, tried, cpu, property]: [&str; 6]) -> String {
    format!("{mutant:<28} {scenario:<28} {seed:>6} {tried:>6} {cpu:>7}  {property}")
}
