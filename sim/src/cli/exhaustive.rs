//! `cargo sim exhaustive`: every order of events within the bounds of a scope.

use std::time::Duration;

use fencepost::probe::Mutant;

use super::arguments::ExhaustiveArguments;
use super::error::{self, CliError};
use super::{Exit, jobs, say, say_line};
use crate::exhaustive::{Effort, Findings, Flaw, HARMLESS, KILLS, SCOPES, Scope, Search};
use crate::report::text::{Paint, grouped, wrap};
use crate::scenario::units::parse_duration;

/// Searches the named scopes; without names, those that fit into every check, and then the scopes
/// that find planted bugs.
pub fn exhaustive(arguments: &ExhaustiveArguments) -> miette::Result<Exit> {
    let paint = Paint::for_stdout();
    if arguments.list {
        list(paint);
        return Ok(Exit::Ok);
    }
    let jobs = jobs(arguments.jobs)?;
    let mutant = arguments.mutant.as_deref().map(error::mutant).transpose()?;
    let limit = arguments.time.as_deref().map(limit).transpose()?;
    let named = |name: &String| Scope::named(name).ok_or_else(|| unknown(name));
    let scopes: Vec<&Scope> = arguments.scope.iter().map(named).collect::<Result<_, CliError>>()?;

    say_line(&paint.faint(&columns(["scope", "states", "unique", "depth", "seconds", ""])));
    let mut exit = Exit::Ok;
    match (mutant, scopes.as_slice()) {
        (None, []) => {
            for scope in SCOPES.iter().filter(|scope| scope.effort < Effort::Hours) {
                exit = exit.worse(search(&Search { limit, ..Search::of(scope, jobs) }, paint));
            }
            exit = exit.worse(planted(paint));
        }
        (None, scopes) => {
            for scope in scopes {
                exit = exit.worse(search(&Search { limit, ..Search::of(scope, jobs) }, paint));
            }
        }
        (Some(mutant), scopes) => {
            for scope in of_mutant(mutant, scopes) {
                let search_it = Search { limit, ..Search::with(scope, mutant, meant(mutant)) };
                exit = exit.worse(search(&search_it, paint));
            }
        }
    }
    Ok(exit)
}

fn search(search: &Search, paint: Paint) -> Exit {
    let found = search.run();
    say_line(&line(search.scope.name, &found, &search.scope.bounds()));
    if let Some(counterexample) = &found.counterexample {
        say(&counterexample.text);
        return Exit::Violated;
    }
    if !found.exhausted {
        say_line(&paint.empty("      not exhausted: the time was over"));
        return Exit::Vacuous;
    }
    if found.reached.0 == 0 {
        say_line(&paint.empty("      nobody was ever elected"));
        return Exit::Vacuous;
    }
    Exit::Ok
}

/// Every planted bug is found where it must be, and what is harmless is found harmless.
fn planted(paint: Paint) -> Exit {
    let mut exit = Exit::Ok;
    let header = columns(["planted", "states", "unique", "steps", "seconds", "scope, property"]);
    say_line(&paint.faint(&format!("\n{header}")));
    for kill in KILLS {
        let scope = Scope::named(kill.scope).expect("the table names scopes");
        let found = Search::with(scope, kill.mutant, vec![kill.flaw]).run();
        let what = format!("{}, {}", kill.scope, kill.flaw.property());
        say_line(&line(kill.mutant.name(), &found, &what));
        if found.counterexample.is_none() {
            say_line(&paint.bad("      was not found"));
            exit = Exit::Violated;
        }
    }
    for harmless in HARMLESS {
        let scope = Scope::named(harmless.scope).expect("the table names scopes");
        let found = Search::with(scope, harmless.mutant, Flaw::ALL.to_vec()).run();
        let what = format!("{}, harmless", harmless.scope);
        say_line(&line(harmless.mutant.name(), &found, &what));
        if let Some(counterexample) = found.counterexample {
            say(&counterexample.text);
            say_line(&paint.bad("      is not harmless"));
            exit = Exit::Violated;
        }
    }
    exit
}

/// The named scopes, or those that find the bug, or those that show it harmless.
fn of_mutant<'s>(mutant: Mutant, named: &[&'s Scope]) -> Vec<&'s Scope> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let kills = KILLS.iter().filter(|kill| kill.mutant == mutant).map(|kill| kill.scope);
    let harmless = HARMLESS.iter().filter(|other| other.mutant == mutant).map(|other| other.scope);
    let scopes: Vec<_> = kills.chain(harmless).filter_map(Scope::named).collect();
    if !scopes.is_empty() {
        return scopes;
    }
    // Of the others nothing is known.
    SCOPES.iter().filter(|scope| scope.effort == Effort::Seconds).collect()
}

/// The properties that a bug is meant to break, as far as they are looked at here.
fn meant(mutant: Mutant) -> Vec<Flaw> {
    let breaks = |flaw: &Flaw| mutant.breaks().contains(&flaw.property());
    let meant: Vec<Flaw> = Flaw::ALL.into_iter().filter(breaks).collect();
    if meant.is_empty() { Flaw::ALL.to_vec() } else { meant }
}

fn list(paint: Paint) {
    for scope in SCOPES {
        let when = match scope.effort {
            Effort::Seconds | Effort::Minutes => "",
            Effort::Hours => "; by name only",
        };
        say_line(&paint.strong(&format!("{:<18} {}{when}", scope.name, scope.bounds())));
        say_line(&wrap("    ", scope.about));
        let kills = KILLS.iter().filter(|kill| kill.scope == scope.name);
        let kills: Vec<&str> = kills.map(|kill| kill.mutant.name()).collect();
        if !kills.is_empty() {
            say_line(&wrap("    finds ", &kills.join(", ")));
        }
    }
    for harmless in HARMLESS {
        let name = harmless.mutant.name();
        say_line(&paint.strong(&format!("\n{name} is harmless in {}", harmless.scope)));
        say_line(&wrap("    ", harmless.because));
    }
}

fn limit(text: &str) -> Result<Duration, CliError> {
    parse_duration(text).map_err(CliError::Time)
}

fn unknown(name: &str) -> CliError {
    let help = error::nearest(name, SCOPES.iter().map(|scope| scope.name));
    CliError::UnknownScope { name: name.to_owned(), help }
}

fn line(name: &str, found: &Findings, what: &str) -> String {
    let steps = found.counterexample.as_ref().map_or(found.depth, |way| way.steps);
    columns([
        name,
        &grouped(found.states as u64),
        &grouped(found.unique as u64),
        &steps.to_string(),
        &format!("{:.1}", found.time.as_secs_f64()),
        what,
    ])
}

fn columns([name, states, unique, depth, seconds, what]: [&str; 6]) -> String {
    let line = format!("{name:<25} {states:>12} {unique:>12} {depth:>6} {seconds:>8}  {what}");
    line.trim_end().to_owned()
}
