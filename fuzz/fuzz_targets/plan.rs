//! Bytes → plan → run → properties: what covers new code of product or testbed is kept and changed
//! further, what breaks a property ends the search.

#![no_main]

use std::sync::OnceLock;

use fencepost::probe::Mutant;
use fencepost_sim::faults::Plan;
use fencepost_sim::run::{RunOptions, Verdict, run_plan};
use fencepost_sim::search::bytes::plan_of;
use fencepost_sim::search::fresh;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;

/// Names a planted bug, to see that the search finds it.
const MUTANT: &str = "FENCEPOST_MUTANT";

#[derive(Debug)]
struct Input(Plan);

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let bytes = bytes.bytes(bytes.len())?;
        plan_of(bytes).map(Self).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

fn mutant() -> Option<Mutant> {
    static MUTANT_NAMED: OnceLock<Option<Mutant>> = OnceLock::new();
    *MUTANT_NAMED.get_or_init(|| {
        let name = std::env::var(MUTANT).ok()?;
        let known = Mutant::from_name(&name);
        Some(known.unwrap_or_else(|| panic!("{MUTANT}: there is no mutant {name:?}")))
    })
}

fuzz_target!(|input: Input| {
    let Input(plan) = input;
    let options = RunOptions { mutant: mutant(), log: false };
    let outcome = std::thread::scope(|scope| {
        let run = || fresh::run_caught(plan.seed, || run_plan(&plan, &options));
        fresh::spawn(scope, &plan.scenario, plan.seed, run).join().expect("panics were caught")
    });
    let broken = match outcome.verdict {
        Verdict::Ok | Verdict::Vacuous(_) => return,
        Verdict::Violated(violations) => {
            let first = &violations[0];
            format!("{} was broken at {}: {}", first.property, first.at, first.what)
        }
        Verdict::Panicked(message) => format!("a panic: {message}"),
    };
    let planted = mutant().map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    panic!(
        "{broken}\n\n{plan}\nkeep it:   cargo sim unfuzz fuzz/artifacts/plan/crash-…{planted} --out \
         scenarios/regressions/NAME.toml\nreplay it: cargo sim replay \
         scenarios/regressions/NAME.toml{planted}"
    );
});
