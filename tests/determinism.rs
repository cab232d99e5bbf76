//! A seed is a run: replayed alone, twice, each time in a new process, it gives the history that it
//! gave among others in this process, by every figure, by length and by hash.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use fencepost::probe::Mutant;
use fencepost_sim::cli::{Subject, all_scenarios, mutant_scenarios, root};
use fencepost_sim::run::{RunOptions, run_seed};
use fencepost_sim::search::determinism::{alone, compare, figures};
use fencepost_sim::search::{Batch, Progress, Seeds, fresh};

/// Seeds of each scenario that run together in this process.
const TOGETHER: Seeds = Seeds { first: 1, last: 4 };

/// Those of them that are replayed alone.
const ALONE: [u64; 2] = [1, 4];

/// Runs the seeds together, in this process, and compares; tells what was not the same.
#[track_caller]
fn same_alone_and_together(subject: &Subject, mutant: Option<Mutant>) {
    let Subject { reference, scenario } = subject;
    let options = RunOptions { mutant, ..RunOptions::default() };
    let batch = Batch {
        scenario,
        seeds: TOGETHER,
        options: options.clone(),
        jobs: 3,
        time_limit: None,
        stop_at_first: false,
    };
    let wrong = Mutex::new(Vec::new());
    let run = |seed| {
        let outcome = fresh::run_caught(seed, || run_seed(scenario, seed, &options));
        let ours = figures(reference, scenario, mutant, &outcome);
        let again = if ALONE.contains(&seed) { 2 } else { 0 };
        for _ in 0..again {
            let binary = Path::new(env!("CARGO_BIN_EXE_fencepost-sim"));
            let mut other = alone(binary, reference, seed, mutant);
            other.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
            if let Err(difference) = compare(&ours, &outcome.history, &mut other) {
                wrong.lock().unwrap().push((seed, difference));
            }
        }
        outcome
    };
    let mut hashes = BTreeSet::new();
    batch.explore_with(&run, &mut |progress| {
        if let Progress::Done(seed) = progress {
            hashes.insert(seed.hash);
        }
    });
    assert_eq!(hashes.len() as u64, TOGETHER.count(), "{reference}: other seeds are other runs");
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{reference}, mutant {mutant:?}: {wrong:#?}");
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
