//! Requests that cannot be met: what is wrong, and the remedy.

use std::path::PathBuf;

use fencepost::probe::Mutant;
use miette::Diagnostic;

use crate::search::seeds::BadSeeds;
use crate::search::shard::BadShard;

/// Threads beyond the processors help nobody, and a system does not give them without end.
pub const MAX_JOBS: usize = 1024;

/// A request that cannot be met.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CliError {
    /// `--seeds` makes no sense.
    #[error("--seeds {0}")]
    #[diagnostic(help("write a number for the seeds from 1 on, or a range with both ends: 5..9"))]
    Seeds(BadSeeds),
    /// `--seeds` names no end, and nothing else does.
    #[error("--seeds {0} never ends")]
    #[diagnostic(help("add the last seed, as in 5..9, or say how long: --for 10m"))]
    Endless(String),
    /// `--shard` makes no sense.
    #[error("--shard {0}")]
    #[diagnostic(help("write which part of how many, from 0 on: 0/4, 1/4, 2/4, 3/4"))]
    Shard(BadShard),
    /// `--against` cannot be compared with.
    #[error("cannot compare with {path}: {cause}")]
    #[diagnostic(help("name another build of this testbed, such as target/debug/fencepost-sim"))]
    NoTrace {
        /// The binary.
        path: PathBuf,
        /// What is wrong with it.
        cause: std::io::Error,
    },
    /// There is no such reach point.
    #[error("there is no reach point \"{name}\"")]
    #[diagnostic(help("{help}"))]
    UnknownReach {
        /// What was asked for.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// The system takes no signal handler.
    #[error("cannot listen to signals: {0}")]
    #[diagnostic(help("this system does not let the process handle SIGINT and SIGTERM"))]
    Signals(std::io::Error),
    /// `--seed` makes no sense.
    #[error("--seed \"{0}\" is not a seed")]
    #[diagnostic(help("write one number from 0 to {}", u64::MAX))]
    Seed(String),
    /// `--for` makes no sense.
    #[error("--for {0}")]
    #[diagnostic(help("write a number and a unit: 90s, 10m, 1h"))]
    Time(String),
    /// `--budget` or `--starts` makes no sense.
    #[error("--budget {0}")]
    #[diagnostic(help("write --starts 20 --budget 60s, or leave both out"))]
    Budget(String),
    /// A table of mutants cannot be used.
    #[error("cannot use {path}: {why}")]
    #[diagnostic(help("name a file that `cargo sim mutants --table` has written"))]
    NoTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `--jobs` makes no sense.
    #[error("--jobs {0} is not between 1 and {MAX_JOBS}")]
    #[diagnostic(help("leave it out to use every processor"))]
    Jobs(usize),
    /// There is no such planted bug.
    #[error("there is no mutant \"{name}\"")]
    #[diagnostic(help("{help}"))]
    UnknownMutant {
        /// What was asked for.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// There is no such scenario.
    #[error("there is no scenario \"{name}\"")]
    #[diagnostic(help("{help}"))]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// There is no such property.
    #[error("there is no property \"{name}\"")]
    #[diagnostic(help("{help}"))]
    UnknownProperty {
        /// What was asked for.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// A scenario that is no plan has many seeds.
    #[error("which seed of {0}?")]
    #[diagnostic(help("add --seed N, the one that failed"))]
    NoSeed(String),
    /// The seed breaks nothing, or something else.
    #[error("nothing to shrink: seed {seed} of {reference} {held}")]
    #[diagnostic(help("name a seed that fails, its --mutant, and a --property that it breaks"))]
    NothingToShrink {
        /// The scenario.
        reference: String,
        /// The seed.
        seed: u64,
        /// What came of it instead.
        held: String,
    },
    /// A result is not written over something else.
    #[error("{0} is there already, and it is another one")]
    #[diagnostic(help("remove it first, or name another file with --out"))]
    Occupied(PathBuf),
    /// There is no such scope of the exhaustive check.
    #[error("there is no scope \"{name}\"")]
    #[diagnostic(help("{help}"))]
    UnknownScope {
        /// What was asked for.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// No scenarios at all.
    #[error("there are no scenario files in {0}")]
    #[diagnostic(help("run this in the workspace, or name a scenario file"))]
    NoScenarios(PathBuf),
    /// A folder of scenarios cannot be read.
    #[error("cannot read the folder {path}: {cause}")]
    #[diagnostic(help("check its permissions, or name scenario files"))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A fuzzer's file cannot be read.
    #[error("cannot read {path}: {cause}")]
    #[diagnostic(help("name a file that the fuzzer wrote, as fuzz/artifacts/plan/crash-..."))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A fuzzer's file says what no scenario may.
    #[error("the bytes of {0} are no plan")]
    #[diagnostic(help(
        "the rules of scenario files refuse what they say; a find is never refused"
    ))]
    NoPlan(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {path}: {cause}")]
    #[diagnostic(help("name a file in a folder that exists and may be written to"))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// The planted bug of that name.
pub fn mutant(name: &str) -> Result<Mutant, CliError> {
    Mutant::from_name(name).ok_or_else(|| CliError::UnknownMutant {
        name: name.to_owned(),
        help: nearest(name, Mutant::ALL.iter().map(|mutant| mutant.name())),
    })
}

/// "did you mean …?", or all that there is if nothing is near.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    /// How alike two words must be, from 0 to 1.
    const ALIKE: f64 = 0.5;
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| {
            // A name cut short is near, however much is missing.
            let cut = !word.is_empty() && name.starts_with(word);
            (if cut { 0.9 } else { strsim::normalized_damerau_levenshtein(word, name) }, name)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        // Of equals the last: the names are sorted, so the answer is always the same.
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => format!("did you mean \"{name}\"?"),
        None => format!("there are: {}", known.join(", ")),
    }
}
