//! One planted bug's row, and all rows as a file.

use std::collections::BTreeMap;
use std::time::Duration;

use fencepost::probe::Mutant;
use serde::{Deserialize, Serialize};

use crate::faults::plan::Plan;
use crate::search::shrink::Size;
use crate::search::tally::{Tallied, shown_as};

/// How large a plan is, in what people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The lines of `faults`.
    pub faults: usize,
    /// Voters and observers.
    pub nodes: u32,
    /// Messages to deliver.
    pub messages: u32,
}

impl Extent {
    /// That of a plan.
    pub fn of(plan: &Plan) -> Self {
        let Size { faults, nodes, messages, .. } = Size::of(plan);
        Self { faults, nodes, messages }
    }
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}f {}n {}m", self.faults, self.nodes, self.messages)
    }
}

/// A bug in the scenario that was made for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The scenario.
    pub scenario: String,
    /// The seed that shows it.
    pub seed: u64,
    /// The properties that are broken, those that are meant first.
    pub broken: Vec<String>,
    /// How large the plan is.
    pub extent: Extent,
}

/// A bug in the swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swarm {
    /// How many starts there were.
    pub starts: usize,
    /// In how many of them the bug was found.
    pub found: usize,
    /// The most that a start was given, in seconds of the processors' time.
    pub budget_s: f64,
    /// How many seeds it took: in the median of all starts, and at worst. Of a start that found
    /// nothing, those that were tried.
    pub seeds: (u64, u64),
    /// Likewise, in seconds of the processors' time.
    pub cpu_s: (f64, f64),
    /// How often it showed as which property.
    pub shown: BTreeMap<String, u32>,
    /// What became of the first plan that showed it by shrinking.
    pub shrunk: Option<Extent>,
}

impl Swarm {
    /// The figures of some starts, at least one.
    pub fn of(mutant: Mutant, starts: &[Tallied], budget: Duration) -> Self {
        let mut seeds: Vec<u64> = starts.iter().map(|start| start.seeds).collect();
        let mut cpu: Vec<f64> = starts.iter().map(|start| start.cpu.as_secs_f64()).collect();
        seeds.sort_unstable();
        cpu.sort_unstable_by(f64::total_cmp);
        let mut shown = BTreeMap::new();
        for seed in starts.iter().filter_map(|start| start.found.as_ref()) {
            *shown.entry(shown_as(mutant, seed)).or_default() += 1;
        }
        // Of an even number the upper one, which flatters nobody.
        let (middle, last) = (starts.len() / 2, starts.len().saturating_sub(1));
        let at = |place: usize| cpu.get(place).map_or(0.0, |cpu| (cpu * 1_000.0).round() / 1_000.0);
        let seeds_at = |place: usize| seeds.get(place).copied().unwrap_or_default();
        Self {
            starts: starts.len(),
            found: starts.iter().filter(|start| start.found.is_some()).count(),
            budget_s: budget.as_secs_f64(),
            seeds: (seeds_at(middle), seeds_at(last)),
            cpu_s: (at(middle), at(last)),
            shown,
            shrunk: None,
        }
    }

    /// Whether the median start found it.
    pub fn is_found(&self) -> bool {
        self.found > self.starts / 2
    }
}

/// What a bug did to the layers below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// How many seeds of the swarm were run with it.
    pub seeds: u64,
    /// In how many of them anything was broken.
    pub violated: u64,
    /// In how many seeds each of the properties was broken that hold unconditionally.
    pub deep: BTreeMap<String, u64>,
}

/// All that is known of one planted bug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub mutant: String,
    /// Its own scenario.
    #[serde(default)]
    pub own: Option<Own>,
    /// The swarm.
    #[serde(default)]
    pub swarm: Option<Swarm>,
    /// The layers below.
    #[serde(default)]
    pub layers: Option<Layers>,
}

impl Row {
    /// A row of which nothing is known yet.
    pub fn of(mutant: Mutant) -> Self {
        Self { mutant: mutant.name().to_owned(), own: None, swarm: None, layers: None }
    }
}

/// The rows, by number in the bug zoo.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    rows: BTreeMap<u8, Row>,
}

/// A line that is no row.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is no row of a table of mutants: {why}")]
pub struct Unusable {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl Table {
    /// Reads rows, one a line. A mutant that is no longer planted is passed over.
    ///
    /// # Errors
    /// A line is no row.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let mut table = Self::default();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let row: Row = serde_json::from_str(text)
                .map_err(|error| Unusable { line, why: error.to_string() })?;
            if let Some(mutant) = Mutant::from_name(&row.mutant) {
                table.rows.insert(mutant.number(), row);
            }
        }
        Ok(table)
    }

    /// As [`Self::parse`] reads it.
    pub fn print(&self) -> String {
        let line = |row| serde_json::to_string(row).expect("plain data with names") + "\n";
        self.rows.values().map(line).collect()
    }

    /// Takes what is known anew, and keeps the rest of that row.
    pub fn put(&mut self, row: Row) {
        let Some(mutant) = Mutant::from_name(&row.mutant) else { return };
        let kept = self.rows.entry(mutant.number()).or_insert_with(|| Row::of(mutant));
        kept.own = row.own.or(kept.own.take());
        kept.swarm = row.swarm.or(kept.swarm.take());
        kept.layers = row.layers.or(kept.layers.take());
    }

    /// The row of a bug.
    pub fn get(&self, mutant: Mutant) -> Option<&Row> {
        self.rows.get(&mutant.number())
    }

    /// All rows with their bugs, by number.
    pub fn rows(&self) -> impl Iterator<Item = (Mutant, &Row)> {
        self.rows.values().filter_map(|row| Some((Mutant::from_name(&row.mutant)?, row)))
    }
}
