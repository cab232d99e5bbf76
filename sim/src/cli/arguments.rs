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
  cargo sim shrink swarm --seed 17            the smallest plan that fails as this seed does
  cargo sim mutants                           are the planted bugs found?
  cargo sim report a.jsonl b.jsonl            results of several machines as one

Exit codes: 0 ok · 1 a property was violated · 2 bad input · 3 vacuous: nothing was proved ·
130 stopped by Ctrl-C or SIGTERM, and nothing was violated until then";

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
  cargo sim run swarm --for 1h --jsonl out    an hour of seeds, one JSON object each
  cargo sim run swarm --for 8h --seeds random new seeds; the first one is printed before they run
  cargo sim run swarm --seeds 8000 --shard 0/8 --jsonl 0.jsonl
                                              one of eight parts; cargo sim report merges them
  cargo sim run --seeds 100 --reach --require-reach all
                                              which rare situations came up, and none may be missing

The first Ctrl-C (or SIGTERM) starts no more seeds, lets those that run come to their end and sums
up; the second ends at once. What --jsonl has written until then can be used.")]
    Run(RunArguments),
    /// Run one seed again and tell all about it
    #[command(after_help = "\
Examples:
  cargo sim replay rolling --seed 17          the plan, the verdict, the hash of the history
  cargo sim replay rolling --seed 17 --log    and what every node did, in simulated time
  cargo sim replay PLAN.toml                  a written plan; its seed is in the file
  cargo sim replay rolling --seed 17 --html out.html
                                              a page with a diagram of space and time
FENCEPOST_LOG selects what is logged, as in FENCEPOST_LOG=fencepost=trace")]
    Replay(ReplayArguments),
    /// Put the results of several runs together, and judge them as one
    #[command(after_help = "\
Reads what `cargo sim run --jsonl` has written: the shards of one batch, or several nights. All
files together are judged as if one machine had run all their seeds; a seed that comes twice counts
once. What cannot be used is told with its file and line, and the exit code is 2; the rest is
summed up.

Examples:
  cargo sim report 0.jsonl 1.jsonl            the summary of two shards
  cargo sim report *.jsonl --outages          and for how long nobody could act
  cargo sim report *.jsonl --reach            and which rare situations came up, and where
  cargo sim report *.jsonl --html run.html --pages
                                              a page, with a diagram of each seed that failed
  cargo sim report *.jsonl --junit junit.xml --require-reach all
                                              for a build server; every reach point must be reached")]
    Report(ReportArguments),
    /// Find the smallest plan that breaks what a seed breaks, and keep it as a scenario
    #[command(after_help = "\
Faults are left out, put together, weakened and moved, then workload, cluster and horizon are made
less, for as long as the same property is broken. What is left is a scenario that `cargo test` runs.

Examples:
  cargo sim shrink swarm --seed 17            into scenarios/regressions/
  cargo sim shrink swarm --seed 17 --mutant no_fence_check --out small.toml
  cargo sim shrink PLAN.toml --property D1    one of several properties that are broken")]
    Shrink(ShrinkArguments),
    /// See that every planted bug is found, as the property that it breaks
    #[command(after_help = "\
Each mutant runs in the scenarios that say they kill it until a seed fails. Then the same seeds run
without the mutant and must be clean. With --swarm it is searched by the swarm, too, which knows
nothing of it: from several seeds on, each time until one fails. With --layers, seeds of the swarm
are run to the end, and nothing may get through a layer that the mutant leaves alone.

Examples:
  cargo sim mutants                           all of them
  cargo sim mutants no_fence_check --seeds 50 one of them, within 50 seeds
  cargo sim mutants --swarm --starts 20 --budget 10m --layers 300 --table reports/mutants
                                              the committed table; rows that are not measured stay
  cargo sim mutants --swarm --starts 7 --against reports/mutants.jsonl
                                              is anything found three times later than that?")]
    Mutants(MutantsArguments),
    /// See that every seed is the same run again, alone in a new process
    #[command(after_help = "\
Runs each seed here, among others, and once more alone in a new process, and compares every figure,
the length of the history and its hash over every field of every event. A seed that differs is shown
with the first event that does. Exit codes: 0 all the same · 1 a seed differed · 2 bad input.

Examples:
  cargo sim determinism                       every scenario, 10 seeds each
  cargo sim determinism swarm --seeds 1000 --against target/debug/fencepost-sim
                                              release here and alone, debug alone
  cargo build -p fencepost-sim                makes that debug build")]
    Determinism(DeterminismArguments),
    /// Write one seed's figures and events, for `determinism` to compare
    #[command(hide = true)]
    Trace(TraceArguments),
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
    #[arg(help = format!("What to run: {SCENARIO} [default: all of scenarios/ and regressions/]"))]
    pub scenario: Vec<String>,
    /// The seeds 1 to N; A to B, both included; from A on (A.., with --for); or from a random one on
    /// [default: 10, with --for from 1 on; a plan: its own seed]
    #[arg(long, value_name = "N|A..B|A..|random", allow_hyphen_values = true)]
    pub seeds: Option<String>,
    /// Run only part I of N equal parts of the seeds: every N-th, from the I-th on, from 0 to N-1.
    /// What only a whole batch must reach is not asked of a part
    #[arg(long, value_name = "I/N", allow_hyphen_values = true)]
    pub shard: Option<String>,
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
    /// Write one JSON object a seed to this file, each as soon as it is known
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// Do not shrink the plan of the first seed that fails
    #[arg(long)]
    pub no_shrink: bool,
    #[command(flatten)]
    pub ending: EndingArguments,
}

#[derive(Debug, Default, Args)]
pub struct ReportArguments {
    /// Files that `cargo sim run --jsonl` has written
    #[arg(required = true)]
    pub file: Vec<PathBuf>,
    #[command(flatten)]
    pub ending: EndingArguments,
}

/// What is told at the end.
#[derive(Debug, Default, Args)]
pub struct EndingArguments {
    /// Write the results as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the results as a page to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// With --html: run each seed that is told to have failed once more, write its page beside FILE,
    /// and link it
    #[arg(long, requires = "html")]
    pub pages: bool,
    /// With --html: show this table of planted bugs, which `cargo sim mutants --table` has written
    #[arg(long, value_name = "FILE", requires = "html")]
    pub zoo: Option<PathBuf>,
    /// Show the time without a valid guard by scenario, the worst first; with =FILE: write it as
    /// Markdown to this file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub outages: Option<PathBuf>,
    /// Show how often each reach point was reached, and by which scenarios
    #[arg(long)]
    pub reach: bool,
    /// End with 3 if one of these reach points was never reached by any scenario: all, or names with
    /// commas between them
    #[arg(long, value_name = "all|NAME,…")]
    pub require_reach: Option<String>,
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
    /// Write a page that shows the run in a browser: who believed what, when, and which message
    /// crossed
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ShrinkArguments {
    #[arg(help = format!("What to shrink: {SCENARIO}"))]
    pub scenario: String,
    /// The seed that fails [default: the one in the file]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seed: Option<String>,
    /// Plant this bug; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// What must stay broken [default: with a mutant what it is known to break, else the first]
    #[arg(long, value_name = "ID")]
    pub property: Option<String>,
    /// Plans that are tried at the same time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
    /// Where to write the result [default: a name of its own in scenarios/regressions/]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct MutantsArguments {
    /// Which planted bugs [default: all]
    pub name: Vec<String>,
    /// Find each within the seeds 1 to N, or A to B [default: 200]
    #[arg(long, value_name = "N|A..B", allow_hyphen_values = true)]
    pub seeds: Option<String>,
    /// Search each by the swarm as well
    #[arg(long)]
    pub swarm: bool,
    /// From how many seeds on
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub starts: u64,
    /// How much of the processors' time one start may take: 60s, 10m
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub budget: String,
    /// Run so many seeds of the swarm with each mutant of election, lease and fence, and say what got
    /// through
    #[arg(long, value_name = "N")]
    pub layers: Option<u64>,
    /// Keep what is measured in FILE.jsonl and FILE.md
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Fail if the median start needs more than three times the seeds that this table says
    #[arg(long, value_name = "FILE.jsonl")]
    pub against: Option<PathBuf>,
    /// Seeds that run at the same time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
}

#[derive(Debug, Default, Args)]
pub struct DeterminismArguments {
    #[arg(help = format!("What to run: {SCENARIO} [default: all of scenarios/*.toml]"))]
    pub scenario: Vec<String>,
    /// The seeds 1 to N, A to B, or random [default: 10]
    #[arg(long, value_name = "N|A..B|random", allow_hyphen_values = true)]
    pub seeds: Option<String>,
    /// Seeds that run at the same time [default: one for each processor]
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<usize>,
    /// Plant this bug; see `cargo sim list`
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Run each seed alone in this build of the testbed, too; may be given several times
    #[arg(long, value_name = "BINARY")]
    pub against: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct TraceArguments {
    /// The scenario
    pub scenario: String,
    /// The seed
    #[arg(long)]
    pub seed: u64,
    /// The planted bug
    #[arg(long)]
    pub mutant: Option<String>,
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
