//! Every planted bug is found within [`SEEDS`] seeds, as a property that it breaks, by every
//! scenario that says so; the same seeds are clean without it; and the replay command shows it.

use std::process::Command;

use fencepost::probe::Mutant;
use fencepost_sim::cli::{mutant_scenarios, root};
use fencepost_sim::report::summary::replay_command;
use fencepost_sim::search::{Hunt, Seeds, elsewhere};

/// A bug that needs more than that is not found reliably enough for a test.
const SEEDS: u64 = 40;

#[test]
fn every_mutant_is_found_as_the_property_that_it_breaks() {
    let root = root();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wrong = String::new();
    for mutant in Mutant::ALL {
        let name = mutant.name();
        let scenarios = mutant_scenarios(&root, *mutant).expect("the scenarios are usable");
        let own = scenarios.iter().any(|subject| subject.reference == name);
        if !own && elsewhere(*mutant).is_none() {
            wrong += &format!("{name}: there is no scenarios/mutants/{name}.toml that kills it\n");
        }
        for subject in &scenarios {
            let (reference, scenario) = (&subject.reference, &subject.scenario);
            let hunt = Hunt { mutant: *mutant, scenario, seeds: Seeds::up_to(SEEDS), jobs };
            let report = hunt.run();
            if let Some(problem) = report.problem() {
                wrong += &format!("{name} in {reference}: {problem}\n");
            }
            let Some(found) = report.found() else { continue };
            // In a new process, as the person would who reads the command.
            let replay = Command::new(env!("CARGO_BIN_EXE_fencepost-sim"))
                .args(["replay", reference, "--seed", &found.seed.to_string(), "--mutant", name])
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .output()
                .expect("the testbed runs");
            if replay.status.code() != Some(1) {
                let command = replay_command(reference, found.seed, Some(*mutant));
                wrong += &format!("{name}: {command} does not show it: {}\n", replay.status);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
