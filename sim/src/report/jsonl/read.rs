//! Reads what was written, and trusts none of it: a file may be cut off, joined with others, or come
//! from another version.

use std::collections::BTreeMap;

use fencepost::probe::{Mutant, REACH_POINTS};
use serde::Deserialize;
use serde_json::Value;

use super::{BatchLine, EndLine, FORMAT, Line, SeedLine};
use crate::faults::kind::FAULT_KINDS;
use crate::faults::lines::LineTally;
use crate::history::SimTime;
use crate::oracles::{self, Outage, SinkKind, Violation};
use crate::report::outages::Outages;
use crate::report::stats::{Reach, Stats};
use crate::run::Verdict;
use crate::scenario::{Expect, Origin};
use crate::search::{SeedReport, Seeds, Shard};

/// What makes two lines belong to one batch: the same scenario, and the same bug planted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchKey {
    /// Hash of what the scenario says.
    pub content: String,
    /// The planted bug, if any.
    pub mutant: Option<&'static str>,
}

/// One line.
#[derive(Debug)]
pub enum Parsed {
    /// What was about to run.
    Batch(BatchKey, Box<ParsedBatch>),
    /// The result of one seed.
    Seed(BatchKey, Box<SeedReport>),
    /// The batch came to its end; whether a signal ended it early.
    End(BatchKey, bool),
}

/// What a batch line says.
#[derive(Debug, Clone)]
pub struct ParsedBatch {
    /// What finds the scenario on the command line.
    pub reference: String,
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// All seeds of the batch.
    pub seeds: Seeds,
    /// Which part of them was run.
    pub shard: Shard,
    /// Whether there are messages to deliver.
    pub delivers: bool,
    /// What the scenario asks for.
    pub expect: Expect,
    /// The lines of its faults.
    pub lines: Vec<Origin>,
}

/// Why a line is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON at all.
    #[error("this is not JSON: {0}")]
    NotJson(String),
    /// It is of another format, older or newer.
    #[error("this is format {0}, and this version reads format {FORMAT}")]
    Format(u64),
    /// It is JSON, and no result.
    #[error("this is no result of `cargo sim run --jsonl`: {0}")]
    NoResult(String),
    /// It names what this version does not have.
    #[error("there is no {what} \"{name}\": another version wrote this")]
    Unknown {
        /// What kind of name.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// Reads one line.
///
/// # Errors
/// It is not a line of this format.
pub fn parse(line: &[u8]) -> Result<Parsed, Unreadable> {
    let value: Value =
        serde_json::from_slice(line).map_err(|error| Unreadable::NotJson(error.to_string()))?;
    match value.get("format").map(Value::as_u64) {
        Some(Some(format)) if format != u64::from(FORMAT) => {
            return Err(Unreadable::Format(format));
        }
        _ => {}
    }
    let line = Line::deserialize(value).map_err(|error| Unreadable::NoResult(error.to_string()))?;
    match line {
        Line::Batch(line) => batch(line),
        Line::Seed(line) => seed(*line),
        Line::End(EndLine { content, mutant, stopped, .. }) => {
            Ok(Parsed::End(key(content, known_mutant(mutant)?), stopped))
        }
    }
}

fn key(content: String, mutant: Option<Mutant>) -> BatchKey {
    BatchKey { content, mutant: mutant.map(Mutant::name) }
}

fn batch(line: BatchLine) -> Result<Parsed, Unreadable> {
    let mutant = known_mutant(line.mutant)?;
    let shard = line.shard.parse::<Shard>();
    let (first, last) = line.seeds;
    if first > last {
        return Err(Unreadable::NoResult("the seeds end before they begin".to_owned()));
    }
    let expect = Expect {
        violates: line
            .expect
            .violates
            .iter()
            .map(|name| known_property(name))
            .collect::<Result<_, _>>()?,
        reach: line.expect.reach.iter().map(|name| known_point(name)).collect::<Result<_, _>>()?,
        faults: line
            .expect
            .faults
            .iter()
            .map(|name| known_fault(name))
            .collect::<Result<_, _>>()?,
        leader_changes: line.expect.leader_changes,
        ..Expect::default()
    };
    let batch = ParsedBatch {
        reference: line.reference,
        mutant,
        seeds: Seeds { first, last },
        shard: shard.map_err(|error| Unreadable::NoResult(error.to_string()))?,
        delivers: line.delivers,
        expect,
        lines: line.lines.into_iter().map(|(line, text)| Origin { line, text }).collect(),
    };
    Ok(Parsed::Batch(key(line.content, mutant), Box::new(batch)))
}

fn seed(line: SeedLine) -> Result<Parsed, Unreadable> {
    let mut stats = Stats {
        runs: 1,
        simulated_ns: line.simulated_ns,
        events: line.events,
        leader_changes: line.leader_changes,
        guards: line.guards,
        stops: line.stops,
        kills: line.kills,
        cuts: line.cuts,
        pauses: line.pauses,
        enqueued: line.enqueued,
        effects: line.effects,
        delivered: line.delivered,
        failed: line.failed,
        in_doubt: line.in_doubt,
        parked: line.parked,
        unfinished: line.unfinished,
        // Not the rest by default: a count that is added must be read, too.
        faults: BTreeMap::new(),
        reach: Reach::default(),
        sinks: BTreeMap::new(),
        failovers: line.failovers.iter().copied().collect(),
        lines: line.lines.into_iter().map(tally).collect(),
        outages: Outages::of(
            &Outage {
                sum: line.outage.sum_ns,
                longest: line.outage.longest_ns,
                longest_at: SimTime(line.outage.longest_at_ns),
                needless: line.outage.needless_ns,
            },
            line.seed,
        ),
    };
    if let Some(sink) = &line.sink {
        stats.went_to(known("sink", sink, SinkKind::NAMES.into_iter())?);
    }
    for (kind, count) in &line.faults {
        stats.faults.insert(known_fault(kind)?, *count);
    }
    for (name, count) in &line.reach {
        let point = known_point(name)?;
        let index = REACH_POINTS.iter().position(|(known, _)| *known == point);
        stats.reach[index.expect("it was found a moment ago")] = *count;
    }
    let verdict = match line.verdict.as_str() {
        "ok" => Verdict::Ok,
        "violated" => {
            let violation = |broken: super::Broken| {
                Ok(Violation {
                    property: known_property(&broken.property)?,
                    at: SimTime(broken.at_ns),
                    event: broken.event,
                    what: broken.what,
                })
            };
            Verdict::Violated(line.violations.into_iter().map(violation).collect::<Result<_, _>>()?)
        }
        "vacuous" => Verdict::Vacuous(line.reasons),
        "panicked" => Verdict::Panicked(line.reasons.join("\n")),
        "overrun" => Verdict::Overrun(line.reasons.join("\n")),
        _ => return Err(Unreadable::Unknown { what: "verdict", name: line.verdict }),
    };
    let hash = u64::from_str_radix(&line.hash, 16).map_err(|_| {
        Unreadable::NoResult(format!("the hash \"{}\" is not hexadecimal", line.hash))
    });
    let report = SeedReport {
        seed: line.seed,
        verdict,
        violations: line.violations_total,
        at_least: line.violations_at_least,
        stats,
        hash: hash?,
    };
    Ok(Parsed::Seed(key(line.content, known_mutant(line.mutant)?), Box::new(report)))
}

fn tally((line, whole, due, met): (u32, u64, u64, u64)) -> (u32, LineTally) {
    (line, LineTally { planned: 1, whole, due, met })
}

fn known_mutant(name: Option<String>) -> Result<Option<Mutant>, Unreadable> {
    let known =
        |name: String| Mutant::from_name(&name).ok_or(Unreadable::Unknown { what: "mutant", name });
    name.map(known).transpose()
}

fn known_property(name: &str) -> Result<&'static str, Unreadable> {
    known("property", name, oracles::ALL.iter().map(|oracle| oracle.property))
}

fn known_point(name: &str) -> Result<&'static str, Unreadable> {
    known("reach point", name, REACH_POINTS.iter().map(|(point, _)| *point))
}

fn known_fault(name: &str) -> Result<&'static str, Unreadable> {
    known("fault", name, FAULT_KINDS.iter().map(|(kind, _)| *kind))
}

fn known(
    what: &'static str,
    name: &str,
    mut all: impl Iterator<Item = &'static str>,
) -> Result<&'static str, Unreadable> {
    let found = all.find(|known| *known == name);
    found.ok_or_else(|| Unreadable::Unknown { what, name: name.to_owned() })
}
