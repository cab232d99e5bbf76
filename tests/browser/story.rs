//! The runs that the tests look at.

use fencepost::probe::Mutant;
use fencepost_sim::cli;
use fencepost_sim::faults::generate;
use fencepost_sim::faults::plan::Plan;
use fencepost_sim::history::{History, SimTime};
use fencepost_sim::report::html::replay::Replay;
use fencepost_sim::run::{RunOptions, RunOutcome, run_plan};
use fencepost_sim::search::fresh;

/// A run and all that its page needs.
pub struct Story {
    pub reference: String,
    pub mutant: Option<Mutant>,
    pub plan: Plan,
    pub outcome: RunOutcome,
}

impl Story {
    /// Seed 1 of a scenario.
    pub fn of(scenario: &str, mutant: Option<Mutant>) -> Self {
        let subject = cli::find(&cli::root(), scenario).expect("a scenario of ours");
        let plan = generate(&subject.scenario, 1);
        let options = RunOptions { mutant, ..RunOptions::default() };
        let outcome = fresh::run_alone(scenario, 1, || run_plan(&plan, &options));
        Self { reference: scenario.to_owned(), mutant, plan, outcome }
    }

    /// The founding design, which delivers a message twice.
    pub fn founding() -> Self {
        Self::of("founding-design", Some(Mutant::FoundingDesign))
    }

    /// The same events again and again, until there are as many.
    pub fn of_length(mut self, events: usize) -> Self {
        let once = self.outcome.history;
        let length = once.events().last().expect("it is not empty").at.0 + 1_000_000;
        let mut history = History::default();
        let mut round = 0;
        while history.len() < events {
            for event in once.events().iter().take(events - history.len()) {
                history.push(SimTime(event.at.0 + round * length), event.kind.clone());
            }
            round += 1;
        }
        self.outcome.history = history;
        self
    }

    pub fn replay(&self) -> Replay<'_> {
        let Self { reference, mutant, plan, outcome } = self;
        Replay { reference, mutant: *mutant, plan, outcome }
    }

    pub fn page(&self) -> String {
        self.replay().page()
    }
}
