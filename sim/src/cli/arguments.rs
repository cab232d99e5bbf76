//! The options, and the help that teaches them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const ABOUT: &str = "\
Runs the real node code of fencepost in a simulated world, breaks that world in seeded ways, and
judges every run by the properties that must hold. Without a command: every scenario, a few seeds.";

const EXAMPLES: &str = "\
Examples:
  cargo sim                                   every scenario, 10 seeds each
  cargo sim run --seeds 1000                  every scenario, a thousand seeds each
  cargo sim run swarm --for 10m               new seeds of one scenario for ten minutes
  cargo sim replay swarm --seed 17 --log      one seed again, with the log of all nodes
  cargo sim replay reports/run/PLAN.toml      a plan that a failing run has written
  cargo sim mutants                           are the planted bugs found?

Exit codes: 0 ok · 1 a property was violated · 2 bad input · 3 vacuous: nothing was proved";

const SCENARIO: &str = "a file, or a bare name found under scenarios/ and its folders";

#[derive(Debug, Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version, about = ABOUT, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios with many seeds
    #[command(after_help = "\
Examples:
  cargo sim run                               every scenario, 10 seeds each
  cargo sim run calm rolling --seeds 100      two scenarios, seeds 1 to 100
  cargo sim run swarm --seeds 5000..5999      exactly these seeds, both ends included
  cargo sim run swarm --for 1h --jsonl out    an hour of seeds, one JSON object each")]
    Run(RunArguments),
    /// Run one seed again and tell all about it
    #[command(after_help = "\
Examples:
  cargo sim replay rolling --seed 17          the plan, the verdict, the hash of the history
  cargo sim replay rolling --seed 17 --log    and what every node did, in simulated time
  cargo sim replay PLAN.toml                  a written plan; its seed is in the file
FENCEPOST_LOG selects what is logged, as in FENCEPOST_LOG=fencepost=trace")]
    Replay(ReplayArguments),
    /// See that every planted bug is found, as the property that it breaks
    #[command(after_help = "\
Each mutant runs in the scenarios that say they kill it until a seed fails. Then the same seeds run
without the mutant and must be clean.

Examples:
  cargo sim mutants                           all of them
  cargo sim mutants no_fence_check --seeds 50 one of them, within 50 seeds")]
    Mutants(MutantsArguments),
    /// Check the election in every order of events, within bounds
    #[command(after_help = "\
Messages are lost, late, doubled and out of order, voters forget everything or lose power: all of it
in every order, within the bounds of a scope, against the production election itself.

Examples:
  cargo sim exhaustive                        the scopes that take seconds, and every planted bug
  cargo sim exhaustive --list                 what the scopes bound
  cargo sim exhaustive five --for 1h          a larger one
  cargo sim exhaustive --mutant roll_lists_nodes
                                              the shortest way to what the bug breaks")]
    Exhaustive(ExhaustiveArguments),
    /// Write the plans of scenarios as a fuzzer's corpus; see fuzz/README.md
    Corpus(CorpusArguments),
    /// Turn what a fuzzer has found into a scenario file
    Unfuzz(UnfuzzArguments),
    /// Show scenarios, properties, planted bugs and reach points
    List,
    /// Measure failover and handover in simulated time, beside the formula
    Timing,
    /// Measure how fast the testbed is
    Bench,
}

#[derive(Debug, Default, Args)]
pub struct RunArguments {
    #[arg(help = format!("What to run: {SCENARIO} [default: all of scenarios/*.toml]"))]
    pub scenario: Vec<String>,
    /// The seeds 1 to N, or A to B, both included [default: 10; a plan: its own seed]
    #[arg(long, value_name = "N|A..B", allow_hyphen_values = true)]
    pub seeds: Option<String>,
    /// Go on with further seeds for that long, over all scenarios: 90s, 10m, 1h; with --seeds,
    /// whichever ends first
    #[arg(long = "for", value_name = "DURATION", allow_hyphen_values = true)]
    pub time: Option<String>,
    /// Seeds that run at the same time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
    /// Plant this bug; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Write one JSON object a seed to this file
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ReplayArguments {
    #[arg(help = format!("What to run: {SCENARIO}"))]
    pub scenario: String,
    /// The seed [default: the one in the file, else 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seed: Option<String>,
    /// Plant this bug; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Show the log of all nodes; each line carries simulated time and node
    #[arg(long, conflicts_with = "json")]
    pub log: bool,
    /// Print nothing but one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct MutantsArguments {
    /// Which planted bugs [default: all]
    pub name: Vec<String>,
    /// Find each within the seeds 1 to N, or A to B [default: 200]
    #[arg(long, value_name = "N|A..B", allow_hyphen_values = true)]
    pub seeds: Option<String>,
    /// Seeds that run at the same time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
}

#[derive(Debug, Default, Args)]
pub struct ExhaustiveArguments {
    /// Which scopes; see --list [default: those that take seconds, and every planted bug]
    pub scope: Vec<String>,
    /// Plant this bug, and show how it is found; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Show the scopes and what they bound
    #[arg(long)]
    pub list: bool,
    /// Threads [default: one for each processor]. With a bug planted it is one, so that the way to
    /// it is a shortest one
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
    /// Give up on a scope after that long: 90s, 10m, 1h
    #[arg(long = "for", value_name = "DURATION", allow_hyphen_values = true)]
    pub time: Option<String>,
}

#[derive(Debug, Args)]
pub struct CorpusArguments {
    /// The folder that the files are written to; made if it is not there
    pub folder: PathBuf,
    #[arg(help = format!("Whose plans: {SCENARIO} [default: all]"))]
    pub scenario: Vec<String>,
}

#[derive(Debug, Args)]
pub struct UnfuzzArguments {
    /// The file that the fuzzer wrote
    pub file: PathBuf,
    /// Write the scenario to this file [default: to standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Expect what the plan breaks with this planted bug; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
}
