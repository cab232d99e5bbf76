//! Results for other programs, and for `cargo sim report`: one JSON object a line.
//!
//! Each line has a `type`. A `batch` line says what is about to run, so that the lines behind it can
//! be judged without the scenario's file; a `seed` line is the result of one seed; an `end` line says
//! that the batch came to its end. Files can be joined one after the other.
//!
//! | key of a `batch` | value |
//! |---|---|
//! | `format` | version of this format: [`FORMAT`] |
//! | `scenario`, `reference` | the name in the scenario file, and what finds it on the command line |
//! | `content` | hash of what the scenario says, 16 hexadecimal digits |
//! | `mutant` | name of the planted bug, or null |
//! | `seeds`, `shard` | `[first, last]` and `"I/N"` |
//! | `delivers` | whether there are messages to deliver |
//! | `expect` | `{violates, reach, faults, leader_changes}` as in the scenario file |
//! | `lines` | its faults: list of `[line of the file, text]` |
//!
//! | key of a `seed` | value |
//! |---|---|
//! | `scenario`, `content`, `mutant` | as in its batch |
//! | `seed` | number |
//! | `verdict` | `"ok"`, `"violated"`, `"vacuous"`, `"panicked"` or `"overrun"` |
//! | `expected` | whether the verdict is one that the scenario allows |
//! | `violations` | list of `{property, at_ns, event, what}`: the first of each property |
//! | `violations_total` | how many there were in all |
//! | `violations_at_least` | whether there may be more: ten of a property are told |
//! | `reasons` | why the run was vacuous or overrun, or the message of the panic; list of strings |
//! | `events` | length of the history |
//! | `hash` | hash of the history, 16 hexadecimal digits |
//! | `simulated_ns` | simulated time |
//! | `leader_changes`, `guards`, `stops`, `kills`, `cuts`, `pauses` | counts |
//! | `enqueued`, `effects`, `delivered`, `failed`, `in_doubt`, `parked`, `unfinished` | messages |
//! | `faults` | object: kind of fault → count |
//! | `reach` | object: reach point → count, those that were reached |
//! | `sink` | `"dedup"`, `"fenced"`, `"plain"`, or null if nothing was sent |
//! | `failovers` | list of `[tenths of a second, how many failovers took as long]` |
//! | `lines` | list of `[number in the batch, whole, due, met]`: the lines of its faults that the plan has |
//! | `outage` | time without a valid guard, from the end of the warm-up to the end: `{sum_ns, longest_ns, longest_at_ns, needless_ns}`; `needless`: how much of it somebody could have led, as V5 has it |
//!
//! | key of an `end` | value |
//! |---|---|
//! | `scenario`, `content`, `mutant` | as in its batch |
//! | `seeds` | how many were run |
//! | `stopped` | whether a signal ended it early |
//!
//! Keys are only ever added within a format. Lines come in the order of the seeds and hold no time of
//! this machine, so two runs of the same seeds write the same file.

mod read;

use std::collections::BTreeMap;

use fencepost::probe::{Mutant, REACH_POINTS};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

pub use self::read::{BatchKey, Parsed, ParsedBatch, Unreadable, parse};
use crate::faults::lines::LineTally;
use crate::oracles::Outage;
use crate::run::Verdict;
use crate::scenario::Scenario;
use crate::search::verdict::Terms;
use crate::search::{BatchReport, SeedReport, Seeds, Shard};

/// The version of the format that is written, and read.
pub const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Batch(BatchLine),
    Seed(Box<SeedLine>),
    End(EndLine),
}

#[derive(Debug, Serialize, Deserialize)]
struct BatchLine {
    format: u32,
    scenario: String,
    reference: String,
    content: String,
    mutant: Option<String>,
    seeds: (u64, u64),
    shard: String,
    delivers: bool,
    expect: ExpectLine,
    #[serde(default)]
    lines: Vec<(u32, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ExpectLine {
    violates: Vec<String>,
    reach: Vec<String>,
    faults: Vec<String>,
    leader_changes: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeedLine {
    scenario: String,
    content: String,
    mutant: Option<String>,
    seed: u64,
    verdict: String,
    expected: bool,
    violations: Vec<Broken>,
    violations_total: usize,
    #[serde(default)]
    violations_at_least: bool,
    reasons: Vec<String>,
    events: u64,
    hash: String,
    simulated_ns: u64,
    leader_changes: u64,
    guards: u64,
    stops: u64,
    kills: u64,
    cuts: u64,
    pauses: u64,
    enqueued: u64,
    effects: u64,
    delivered: u64,
    failed: u64,
    in_doubt: u64,
    parked: u64,
    unfinished: u64,
    faults: BTreeMap<String, u64>,
    reach: BTreeMap<String, u64>,
    #[serde(default)]
    sink: Option<String>,
    #[serde(default)]
    failovers: Vec<(u64, u64)>,
    #[serde(default)]
    lines: Vec<(u32, u64, u64, u64)>,
    #[serde(default)]
    outage: OutageLine,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct OutageLine {
    sum_ns: u64,
    longest_ns: u64,
    longest_at_ns: u64,
    needless_ns: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Broken {
    property: String,
    at_ns: u64,
    event: usize,
    what: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct EndLine {
    scenario: String,
    content: String,
    mutant: Option<String>,
    seeds: u64,
    stopped: bool,
}

/// The verdict as one word.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Violated(_) => "violated",
        Verdict::Vacuous(_) => "vacuous",
        Verdict::Panicked(_) => "panicked",
        Verdict::Overrun(_) => "overrun",
    }
}

/// Writes the lines of one batch, each without its end.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    reference: &'a str,
    scenario: &'a Scenario,
    content: String,
    mutant: Option<Mutant>,
}

impl<'a> Lines<'a> {
    /// Those of this scenario, which `reference` finds, with this bug planted.
    pub fn of(reference: &'a str, scenario: &'a Scenario, mutant: Option<Mutant>) -> Self {
        // What it says, not how: comments and the order of keys do not matter.
        let content = format!("{:016x}", xxh3_64(format!("{scenario:?}").as_bytes()));
        Self { reference, scenario, content, mutant }
    }

    fn mutant(&self) -> Option<String> {
        self.mutant.map(|mutant| mutant.name().to_owned())
    }

    /// What is about to run.
    pub fn batch(&self, seeds: Seeds, shard: Shard) -> String {
        let (expect, terms) = (&self.scenario.expect, Terms::of(self.scenario));
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        text(&Line::Batch(BatchLine {
            format: FORMAT,
            scenario: self.scenario.name.clone(),
            reference: self.reference.to_owned(),
            content: self.content.clone(),
            mutant: self.mutant(),
            seeds: (seeds.first, seeds.last),
            shard: shard.to_string(),
            delivers: terms.delivers,
            expect: ExpectLine {
                violates: owned(&expect.violates),
                reach: owned(&expect.reach),
                faults: owned(&expect.faults),
                leader_changes: expect.leader_changes,
            },
            lines: terms.lines.iter().map(|line| (line.line, line.text.clone())).collect(),
        }))
    }

    /// The result of one seed.
    pub fn seed(&self, seed: &SeedReport) -> String {
        let stats = &seed.stats;
        let (mut violations, mut reasons) = (Vec::new(), Vec::new());
        match &seed.verdict {
            Verdict::Ok => {}
            Verdict::Violated(all) => violations.extend(all.iter().map(|violation| Broken {
                property: violation.property.to_owned(),
                at_ns: violation.at.0,
                event: violation.event,
                what: violation.what.clone(),
            })),
            Verdict::Vacuous(why) => reasons.extend(why.iter().cloned()),
            Verdict::Panicked(message) | Verdict::Overrun(message) => reasons.push(message.clone()),
        }
        let Outage { sum, longest, longest_at, needless } = stats.outages.single();
        let reached = REACH_POINTS.iter().zip(stats.reach.0).filter(|(_, count)| *count > 0);
        let nothing = matches!(seed.verdict, Verdict::Vacuous(_) | Verdict::Overrun(_));
        let lines = stats.lines.iter().map(|(line, tally)| {
            let LineTally { whole, due, met, .. } = *tally;
            (*line, whole, due, met)
        });
        text(&Line::Seed(Box::new(SeedLine {
            scenario: self.scenario.name.clone(),
            content: self.content.clone(),
            mutant: self.mutant(),
            seed: seed.seed,
            verdict: word(&seed.verdict).to_owned(),
            expected: !seed.fails(&self.scenario.expect) && !nothing,
            violations,
            violations_total: seed.violations,
            violations_at_least: seed.at_least,
            reasons,
            events: stats.events,
            hash: format!("{:016x}", seed.hash),
            simulated_ns: stats.simulated_ns,
            leader_changes: stats.leader_changes,
            guards: stats.guards,
            stops: stats.stops,
            kills: stats.kills,
            cuts: stats.cuts,
            pauses: stats.pauses,
            enqueued: stats.enqueued,
            effects: stats.effects,
            delivered: stats.delivered,
            failed: stats.failed,
            in_doubt: stats.in_doubt,
            parked: stats.parked,
            unfinished: stats.unfinished,
            faults: stats.faults.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect(),
            reach: reached.map(|((name, _), count)| ((*name).to_owned(), count)).collect(),
            sink: stats.sinks.keys().next().map(|sink| (*sink).to_owned()),
            failovers: stats.failovers.iter().map(|(tenths, n)| (*tenths, *n)).collect(),
            lines: lines.collect(),
            outage: OutageLine {
                sum_ns: sum,
                longest_ns: longest,
                longest_at_ns: longest_at.0,
                needless_ns: needless,
            },
        })))
    }

    /// The batch came to its end.
    pub fn end(&self, report: &BatchReport) -> String {
        text(&Line::End(EndLine {
            scenario: self.scenario.name.clone(),
            content: self.content.clone(),
            mutant: self.mutant(),
            seeds: report.stats.runs,
            stopped: report.stopped,
        }))
    }
}

fn text(line: &Line) -> String {
    serde_json::to_string(line).expect("strings and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::SimTime;
    use crate::oracles::Violation;
    use crate::report::outages::Outages;
    use crate::report::stats::Stats;

    #[test]
    fn a_seed_is_one_line_of_json() {
        let text =
            "name = \"two\\nlines\"\ncluster = { voters = 3, disk = \"kept\" }\nhorizon = \"9s\"";
        let scenario = Scenario::parse("made-up.toml", text).map_err(miette::Report::new).unwrap();
        let violation = Violation {
            property: "L1",
            at: SimTime(77),
            event: 3,
            what: "two \"guards\" at once".to_owned(),
        };
        let mut stats = Stats { runs: 1, events: 12, ..Stats::default() };
        stats.reach[2] = 5;
        stats.faults.insert("pause", 1);
        let verdict = Verdict::Violated(vec![violation]);
        let (violations, at_least, hash) = (4, false, 0xab);
        let seed = SeedReport { seed: u64::MAX, verdict, violations, at_least, stats, hash };
        let line = Lines::of("made-up", &scenario, Some(Mutant::LeaseFromReply)).seed(&seed);
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["seed"], u64::MAX);
        assert_eq!(value["scenario"], "two\nlines");
        assert_eq!(value["mutant"], "lease_from_reply");
        assert_eq!((&value["verdict"], &value["expected"]), (&"violated".into(), &false.into()));
        assert_eq!(value["violations"][0]["what"], "two \"guards\" at once");
        assert_eq!((&value["violations_total"], &value["events"]), (&4.into(), &12.into()));
        assert_eq!(value["hash"], "00000000000000ab");
        assert_eq!(value["reach"][REACH_POINTS[2].0], 5);
        assert_eq!(value["reach"].as_object().unwrap().len(), 1);
        assert_eq!(value["faults"]["pause"], 1);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "name = \"made up\"\ncluster = { voters = 3, disk = \"kept\" }\nhorizon = \"9s\"\n\
                    workload = { messages = 5, every = \"50ms\", sink = \"dedup\" }\n\
                    [expect]\nverdict = [\"L1\"]\nreach = [\"lease_expired\"]\n\
                    faults = [\"pause\"]\nleader_changes = 3\n";
        let scenario = Scenario::parse("made-up.toml", text).map_err(miette::Report::new).unwrap();
        let lines = Lines::of("the-file", &scenario, Some(Mutant::LeaseFromReply));
        let seeds = Seeds { first: 3, last: u64::MAX };
        let shard: Shard = "2/5".parse().unwrap();
        let Ok(Parsed::Batch(key, batch)) = parse(lines.batch(seeds, shard).as_bytes()) else {
            panic!("not a batch")
        };
        assert_eq!(
            (batch.reference.as_str(), batch.seeds, batch.shard),
            ("the-file", seeds, shard)
        );
        assert_eq!((batch.mutant, batch.delivers), (Some(Mutant::LeaseFromReply), true));
        assert_eq!(batch.expect, scenario.expect);

        let mut number = 0;
        let mut next = || {
            number += 1;
            number
        };
        let mut stats = Stats { runs: 1, ..Stats::default() };
        for count in [
            &mut stats.simulated_ns,
            &mut stats.events,
            &mut stats.leader_changes,
            &mut stats.guards,
            &mut stats.stops,
            &mut stats.kills,
            &mut stats.cuts,
            &mut stats.pauses,
            &mut stats.enqueued,
            &mut stats.effects,
            &mut stats.delivered,
            &mut stats.failed,
            &mut stats.in_doubt,
            &mut stats.parked,
            &mut stats.unfinished,
        ] {
            *count = next();
        }
        stats.reach.iter_mut().for_each(|count| *count = next());
        for (kind, _) in crate::faults::kind::FAULT_KINDS {
            stats.faults.insert(kind, next());
        }
        stats.went_to("fenced");
        stats.failovers.insert(11, next());
        let tally = LineTally { planned: 1, whole: next(), due: next(), met: next() };
        stats.lines.insert(3, tally);
        let (sum, longest, longest_at, needless) = (next(), next(), SimTime(next()), next());
        let outage = Outage { sum, longest, longest_at, needless };
        stats.outages = Outages::of(&outage, u64::MAX);
        let what = "n1 \"said\"\n\u{0}so".to_owned();
        let violation = Violation { property: "L1", at: SimTime(77), event: 3, what };
        for verdict in [
            Verdict::Ok,
            Verdict::Violated(vec![violation]),
            Verdict::Vacuous(vec!["one".to_owned(), "two".to_owned()]),
            Verdict::Panicked("first line\nsecond".to_owned()),
            Verdict::Overrun("too many events".to_owned()),
        ] {
            let (stats, hash, at_least) = (stats.clone(), u64::MAX - 1, true);
            let seed = SeedReport { seed: u64::MAX, verdict, violations: 9, at_least, stats, hash };
            let Ok(Parsed::Seed(same, read)) = parse(lines.seed(&seed).as_bytes()) else {
                panic!("not a seed")
            };
            assert_eq!((&same, &*read), (&key, &seed));
        }
        let report = BatchReport { stopped: true, ..BatchReport::default() };
        assert!(
            matches!(parse(lines.end(&report).as_bytes()), Ok(Parsed::End(same, true)) if same == key)
        );
    }

    #[test]
    fn the_content_is_what_a_scenario_says_and_not_how() {
        let content = |text: &str| {
            let scenario = Scenario::parse("made-up.toml", text).map_err(miette::Report::new);
            Lines::of("x", &scenario.unwrap(), None).content
        };
        let one = "name = \"a\"\ncluster = { voters = 3, disk = \"kept\" }\nhorizon = \"9s\"\n";
        let other = format!("# as before\n{one}\n# and no more\n");
        assert_eq!(content(one), content(&other));
        assert_ne!(content(one), content(&one.replace("9s", "8s")));
    }
}
