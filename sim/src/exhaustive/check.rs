//! Runs a search and tells what came of it.

// chance: it measures a search, and decides when it gives up
use std::time::{Duration, Instant};

use fencepost::probe::Mutant;
use stateright::{Checker, HasDiscoveries, Model};

use super::flaw::Flaw;
use super::model::{Action, Cluster, State};
use super::scope::Scope;
use super::trace;

/// What a search of one scope found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// How many states were met, counted as often as they were met.
    pub states: usize,
    /// How many different ones.
    pub unique: usize,
    /// The longest of the shortest ways to them, in steps.
    pub depth: usize,
    /// How many different states one voter had.
    pub distinct: usize,
    /// In how many different ways a voter was elected, and became operational again: nothing is
    /// proved by a search in which neither happens.
    pub reached: (usize, usize),
    /// How long it took.
    pub time: Duration,
    /// Whether all states of the scope were met.
    pub exhausted: bool,
    /// What is wrong, if anything.
    pub counterexample: Option<Counterexample>,
}

/// The way to a violation.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// What is violated.
    pub flaw: Flaw,
    /// How many steps lead there.
    pub steps: usize,
    /// The steps and the violation, for people.
    pub text: String,
}

/// One search.
#[derive(Debug, Clone)]
pub struct Search {
    /// What it is bounded by.
    pub scope: Scope,
    /// The planted bug, if any.
    pub mutant: Option<Mutant>,
    /// The properties that it looks at.
    pub wanted: Vec<Flaw>,
    /// How many threads. With one, a counterexample is the same each time, and a shortest one.
    pub jobs: usize,
    /// Gives up after that long.
    pub limit: Option<Duration>,
}

impl Search {
    /// For all properties in a scope, as it is.
    pub fn of(scope: &Scope, jobs: usize) -> Self {
        Self { scope: *scope, mutant: None, wanted: Flaw::ALL.to_vec(), jobs, limit: None }
    }

    /// For some properties, with a bug planted. On one thread, so that the way is a shortest one.
    pub fn with(scope: &Scope, mutant: Mutant, wanted: Vec<Flaw>) -> Self {
        Self { scope: *scope, mutant: Some(mutant), wanted, jobs: 1, limit: None }
    }

    /// Looks at every state, nearest first, until one is wrong.
    pub fn run(&self) -> Findings {
        let began = Instant::now();
        let cluster = Cluster::new(self.scope, self.mutant, &self.wanted);
        cluster.stop_at(self.limit.map(|limit| began + limit));
        let checker = cluster.checker().threads(self.jobs).finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        let time = began.elapsed();
        // The way is walked again, whatever the time.
        checker.model().stop_at(None);
        let discoveries = checker.discoveries();
        let shortest = discoveries.into_values().map(|path| path.into_vec());
        let shortest = shortest.min_by_key(Vec::len);
        let counterexample = shortest.map(|path| counterexample(checker.model(), &path));
        let stopped = checker.model().was_stopped();
        Findings {
            states: checker.state_count(),
            unique: checker.unique_state_count(),
            depth: checker.max_depth(),
            distinct: checker.model().distinct(),
            reached: checker.model().reached(),
            time,
            exhausted: counterexample.is_none() && !stopped,
            counterexample,
        }
    }
}

fn counterexample(cluster: &Cluster, path: &[(State, Option<Action>)]) -> Counterexample {
    let last = &path.last().expect("a path has an end").0;
    Counterexample {
        flaw: last.flaw.expect("it ends in a violation"),
        steps: path.len() - 1,
        text: trace::tell(cluster, path),
    }
}
