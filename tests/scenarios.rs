//! Every scenario of `scenarios/` with the seeds 1 to [`SEEDS`]: its verdict must be ok, which
//! includes that it was worth running. `cargo sim run` does the same with more seeds.

use fencepost_sim::cli::{all_scenarios, regressions, root};
use fencepost_sim::report::summary::{failure, vacuous};
use fencepost_sim::report::text::Paint;
use fencepost_sim::run::RunOptions;
use fencepost_sim::search::{Batch, BatchVerdict, Seeds};

/// Few enough for everybody's patience, enough for what the scenarios require of a batch.
const SEEDS: u64 = 20;

#[test]
fn every_scenario_is_ok_and_worth_running() {
    let scenarios = all_scenarios(&root()).expect("the scenarios are usable");
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wrong = String::new();
    for subject in &scenarios {
        let batch = Batch {
            scenario: &subject.scenario,
            seeds: Seeds::up_to(SEEDS),
            options: RunOptions::default(),
            jobs,
            time_limit: None,
            stop_at_first: false,
        };
        let report = batch.explore(&mut |_| {});
        let verdict = report.verdict(&subject.scenario);
        match verdict {
            BatchVerdict::Ok => {}
            BatchVerdict::Violated => {
                for seed in &report.failures {
                    wrong += &failure(&subject.reference, None, seed, None, Paint::OFF);
                }
            }
            BatchVerdict::Vacuous(_) | BatchVerdict::Overrun(_) => {
                let name = &subject.reference;
                wrong += &format!("NOTHING PROVED {name}\n{}", vacuous(&report, &verdict));
                wrong += &format!("  run     cargo sim run {name} --seeds {SEEDS}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Seeds with which a plan that was shrunk from one of them is run besides.
const OTHER_SEEDS: u64 = 3;

#[test]
fn what_was_found_once_is_not_found_again() {
    let regressions = regressions(&root()).expect("the regressions are usable");
    assert!(!regressions.is_empty(), "scenarios/regressions/ is empty or was not found");
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wrong = String::new();
    for subject in &regressions {
        let Some(own) = subject.scenario.seed else {
            wrong += &format!("{}: no seed, so it is no plan of a bug\n", subject.reference);
            continue;
        };
        // With other seeds the events that its faults wait for may not come.
        for (seeds, whole) in [(Seeds::only(own), true), (Seeds::up_to(OTHER_SEEDS), false)] {
            let batch = Batch {
                scenario: &subject.scenario,
                seeds,
                options: RunOptions::default(),
                jobs,
                time_limit: None,
                stop_at_first: false,
            };
            let report = batch.explore(&mut |_| {});
            for seed in &report.failures {
                wrong += &failure(&subject.reference, None, seed, None, Paint::OFF);
            }
            let verdict = match whole {
                true => report.verdict(&subject.scenario),
                false => report.verdict_of_seeds(&subject.scenario),
            };
            if let BatchVerdict::Vacuous(_) | BatchVerdict::Overrun(_) = verdict {
                let said = vacuous(&report, &verdict);
                wrong += &format!("VACUOUS {}\n{said}", subject.reference);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
