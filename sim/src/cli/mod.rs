//! The command line.

mod arguments;
mod conclusion;
mod determinism;
mod error;
mod exhaustive;
mod exit;
mod find;
mod fuzz;
mod list;
mod mutants;
mod output;
mod pages;
mod replay;
mod report;
mod results;
mod run;
mod seeds;
mod shrink;
mod signals;

#[cfg(test)]
mod commands_in_files;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command, RunArguments};
pub use self::error::CliError;
pub use self::exit::Exit;
pub use self::find::{
    Subject, all_scenarios, every_scenario, find, mutant_scenarios, regressions, root,
};
use self::output::{note, say, say_line};

/// Seeds of each scenario if nobody says how many.
pub const FEW_SEEDS: u64 = 10;

/// Seeds in which a planted bug must be found if nobody says how many.
pub const HUNT_SEEDS: u64 = 200;

/// Does what the command line of this process asks for.
pub fn main() -> ExitCode {
    let exit = match Arguments::try_parse().map(dispatch) {
        Ok(Ok(exit)) => exit,
        Ok(Err(report)) => {
            note(&format!("{report:?}"));
            Exit::BadInput
        }
        // clap itself answers --help and misspelt options.
        Err(answer) => {
            let printed = answer.print();
            match answer.use_stderr() {
                true => Exit::BadInput,
                false => {
                    printed.err().iter().for_each(output::lost);
                    Exit::Ok
                }
            }
        }
    };
    output::ending(exit).into()
}

fn dispatch(arguments: Arguments) -> miette::Result<Exit> {
    match arguments.command {
        None => run::run(&RunArguments::default()),
        Some(Command::Run(arguments)) => run::run(&arguments),
        Some(Command::Report(arguments)) => report::report(&arguments),
        Some(Command::Replay(arguments)) => replay::replay(&arguments),
        Some(Command::Shrink(arguments)) => shrink::shrink(&arguments),
        Some(Command::Mutants(arguments)) => mutants::mutants(&arguments),
        Some(Command::Determinism(arguments)) => determinism::determinism(&arguments),
        Some(Command::Trace(arguments)) => determinism::trace(&arguments),
        Some(Command::Exhaustive(arguments)) => exhaustive::exhaustive(&arguments),
        Some(Command::Corpus(arguments)) => fuzz::corpus(&arguments),
        Some(Command::Unfuzz(arguments)) => fuzz::unfuzz(&arguments),
        Some(Command::List) => list::list(),
        Some(Command::Timing) => Ok(match crate::timing::run(&mut say_line) {
            true => Exit::Ok,
            false => Exit::Violated,
        }),
        Some(Command::Bench) => {
            crate::bench::run(&mut say_line);
            Ok(Exit::Ok)
        }
    }
}

/// As many as the machine can run at once, unless told otherwise.
fn jobs(told: Option<usize>) -> Result<usize, CliError> {
    match told {
        Some(jobs @ 1..=error::MAX_JOBS) => Ok(jobs),
        Some(jobs) => Err(CliError::Jobs(jobs)),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
