//! A seed is a run: replayed alone, twice, each time in a new process, it gives the history that it
//! gave among others in this process, by length and by hash.

use std::path::Path;
use std::process::Command;

use fencepost::probe::Mutant;
use fencepost_sim::cli::{Subject, all_scenarios, mutant_scenarios, root};
use fencepost_sim::run::RunOptions;
use fencepost_sim::search::{Batch, Progress, Seeds};
use serde_json::Value;

/// Seeds of each scenario that run together in this process.
const TOGETHER: Seeds = Seeds { first: 1, last: 4 };

/// Those of them that are replayed alone.
const ALONE: [u64; 2] = [1, 4];

/// What two runs of one seed must have in common.
#[derive(Debug, PartialEq, Eq)]
struct Print {
    verdict: String,
    events: u64,
    hash: String,
}

/// Runs the seed alone in a new process.
fn alone(subject: &Subject, seed: u64, mutant: Option<Mutant>) -> Print {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fencepost-sim"));
    command.args(["replay", &subject.reference, "--seed", &seed.to_string(), "--json"]);
    if let Some(mutant) = mutant {
        command.args(["--mutant", mutant.name()]);
    }
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let output = command.output().expect("the testbed runs");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{command:?}: {error}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    assert_eq!(line["seed"], seed);
    Print {
        verdict: line["verdict"].as_str().expect("a verdict").to_owned(),
        events: line["events"].as_u64().expect("a length"),
        hash: line["hash"].as_str().expect("a hash").to_owned(),
    }
}

/// Runs the seeds together, in this process, and compares.
#[track_caller]
fn same_alone_and_together(subject: &Subject, mutant: Option<Mutant>) {
    let batch = Batch {
        scenario: &subject.scenario,
        seeds: TOGETHER,
        options: RunOptions { mutant, ..RunOptions::default() },
        jobs: 3,
        time_limit: None,
        stop_at_first: false,
    };
    let mut together = Vec::new();
    batch.explore(&mut |progress| {
        if let Progress::Done(seed) = progress {
            let verdict = fencepost_sim::report::jsonl::word(&seed.verdict).to_owned();
            let hash = format!("{:016x}", seed.hash);
            together.push((seed.seed, Print { verdict, events: seed.stats.events, hash }));
        }
    });
    let mut hashes: Vec<&str> = together.iter().map(|(_, print)| print.hash.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len() as u64, TOGETHER.count(), "other seeds are other runs: {together:?}");
    for (seed, print) in together.iter().filter(|(seed, _)| ALONE.contains(seed)) {
        for _ in 0..2 {
            let again = alone(subject, *seed, mutant);
            assert_eq!(again, *print, "{}, seed {seed}, mutant {mutant:?}", subject.reference);
        }
    }
}

#[test]
fn a_seed_alone_in_a_new_process_is_the_same_run() {
    let scenarios = all_scenarios(&root()).expect("the scenarios are usable");
    assert!(!scenarios.is_empty());
    for subject in &scenarios {
        same_alone_and_together(subject, None);
    }
}

#[test]
fn so_is_a_seed_with_a_planted_bug() {
    for mutant in Mutant::ALL {
        let scenarios = mutant_scenarios(&root(), *mutant).expect("the scenarios are usable");
        for subject in &scenarios {
            same_alone_and_together(subject, Some(*mutant));
        }
    }
}
