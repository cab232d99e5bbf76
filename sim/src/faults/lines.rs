//! What became of the lines of a scenario: whether their faults were in the plan, came due, and met
//! something. A line of which nothing ever came proves nothing, however well the run went.

use std::collections::BTreeMap;

use super::generate::Rendered;
use super::plan::PlannedFault;
use crate::history::{History, Kind};
use crate::scenario::Origin;

/// What became of one line over some runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineTally {
    /// Runs whose plan has it: a line may be meant for some of the seeds.
    pub planned: u64,
    /// Of those, runs in which each of its faults came due.
    pub whole: u64,
    /// Its faults that came due.
    pub due: u64,
    /// Of those, the ones that met something.
    pub met: u64,
}

impl LineTally {
    /// Takes other runs into account.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.whole += other.whole;
        self.due += other.due;
        self.met += other.met;
    }

    /// What is wrong with a line of which that became; nothing if it was worth writing.
    pub fn flaw(&self) -> Option<&'static str> {
        match self {
            Self { planned: 0, .. } => Some("is in no plan"),
            Self { due: 0, .. } => Some("never began"),
            Self { met: 0, .. } => Some("met nothing"),
            Self { whole: 0, .. } => Some("never came to its end: some of its faults never began"),
            _ => None,
        }
    }
}

/// The tallies of a scenario's lines, by their numbers in its list.
pub type Lines = BTreeMap<u32, LineTally>;

/// What one fault of a plan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its moment never came.
    NeverBegan,
    /// Its moment came, and there was nobody and nothing that it could meet.
    MetNothing,
    /// It was injected.
    Injected,
}

/// What each fault of a plan came to, in the order of the plan.
pub fn fates(faults: &[PlannedFault], history: &History) -> Vec<Fate> {
    let mut told: BTreeMap<&str, Vec<Fate>> = BTreeMap::new();
    for (_, event) in history.besides_messages() {
        match &event.kind {
            Kind::Fault { line, .. } => told.entry(line).or_default().push(Fate::Injected),
            Kind::FaultMissed { line } => told.entry(line).or_default().push(Fate::MetNothing),
            _ => {}
        }
    }
    // Faults that are written alike are told apart by their number only.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let fate = |planned: &PlannedFault| {
        let line = planned.to_string();
        let fates = told.get(line.as_str());
        let place = seen.entry(line).or_default();
        *place += 1;
        fates.and_then(|fates| fates.get(*place - 1)).copied().unwrap_or(Fate::NeverBegan)
    };
    faults.iter().map(fate).collect()
}

/// What became of the scenario's lines in the run of this plan.
pub fn of_run(rendered: &Rendered, history: &History) -> Lines {
    let mut lines: BTreeMap<u32, (u64, LineTally)> = BTreeMap::new();
    for (fate, line) in fates(&rendered.plan.faults, history).into_iter().zip(&rendered.lines) {
        let Some(line) = line else { continue };
        let (faults, tally) = lines.entry(*line).or_default();
        *faults += 1;
        tally.due += u64::from(fate != Fate::NeverBegan);
        tally.met += u64::from(fate == Fate::Injected);
    }
    let whole = |(line, (faults, tally)): (u32, (u64, LineTally))| {
        (line, LineTally { planned: 1, whole: u64::from(tally.due == faults), ..tally })
    };
    lines.into_iter().map(whole).collect()
}

/// The lines of which nothing came in `runs` runs, each with what is wrong and how it is written. Of one
/// run, only those are told that its plan has: the others may be meant for other seeds.
pub fn in_vain(origins: &[&Origin], lines: &Lines, runs: u64) -> Vec<String> {
    let told = |(number, origin): (u32, &&Origin)| {
        let tally = lines.get(&number).copied().unwrap_or_default();
        if runs == 1 && tally.planned == 0 {
            return None;
        }
        let flaw = tally.flaw()?;
        let seeds = match runs {
            1 => String::new(),
            _ => format!(", in any of {runs} seeds"),
        };
        Some(format!("line {} {flaw}{seeds}: {}", origin.line, origin.text))
    };
    (0..).zip(origins).filter_map(told).collect()
}
