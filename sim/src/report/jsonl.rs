//! One JSON object a seed, on a line of its own, for other programs.
//!
//! | key | value |
//! |---|---|
//! | `scenario` | the name in the scenario file |
//! | `seed` | number |
//! | `mutant` | name of the planted bug, or null |
//! | `verdict` | `"ok"`, `"violated"`, `"vacuous"` or `"panicked"` |
//! | `expected` | whether the verdict is one that the scenario allows |
//! | `violations` | list of `{property, at_ns, what}`: the first of each property |
//! | `violations_total` | how many there were in all |
//! | `reasons` | why the run was vacuous, or the message of the panic; list of strings |
//! | `events` | length of the history |
//! | `hash` | hash of the history, 16 hexadecimal digits |
//! | `simulated_ns` | simulated time |
//! | `leader_changes`, `guards`, `stops`, `kills`, `cuts`, `pauses` | counts |
//! | `enqueued`, `effects`, `delivered`, `failed`, `in_doubt`, `parked`, `unfinished` | messages |
//! | `faults` | object: kind of fault → count |
//! | `reach` | object: reach point → count, those that were reached |
//!
//! Keys are only ever added. Lines come in the order of the seeds, so two runs of the same seeds
//! write the same file.

use std::collections::BTreeMap;

use fencepost::probe::{Mutant, REACH_POINTS};
use serde::Serialize;

use crate::run::Verdict;
use crate::scenario::Scenario;
use crate::search::SeedReport;

#[derive(Serialize)]
struct Line<'a> {
    scenario: &'a str,
    seed: u64,
    mutant: Option<&'static str>,
    verdict: &'static str,
    expected: bool,
    violations: Vec<Broken<'a>>,
    violations_total: usize,
    reasons: Vec<&'a str>,
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
    faults: &'a BTreeMap<&'static str, u64>,
    reach: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Broken<'a> {
    property: &'a str,
    at_ns: u64,
    what: &'a str,
}

/// The verdict as one word.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Violated(_) => "violated",
        Verdict::Vacuous(_) => "vacuous",
        Verdict::Panicked(_) => "panicked",
    }
}

/// The line of one seed, without its end.
pub fn line(scenario: &Scenario, mutant: Option<Mutant>, seed: &SeedReport) -> String {
    let stats = &seed.stats;
    let (mut violations, mut reasons) = (Vec::new(), Vec::new());
    match &seed.verdict {
        Verdict::Ok => {}
        Verdict::Violated(all) => violations.extend(all.iter().map(|violation| Broken {
            property: violation.property,
            at_ns: violation.at.0,
            what: &violation.what,
        })),
        Verdict::Vacuous(why) => reasons.extend(why.iter().map(String::as_str)),
        Verdict::Panicked(message) => reasons.push(message.as_str()),
    }
    let reached = REACH_POINTS.iter().zip(stats.reach.0).filter(|(_, count)| *count > 0);
    let line = Line {
        scenario: &scenario.name,
        seed: seed.seed,
        mutant: mutant.map(Mutant::name),
        verdict: word(&seed.verdict),
        expected: !seed.fails(&scenario.expect) && !matches!(seed.verdict, Verdict::Vacuous(_)),
        violations,
        violations_total: seed.violations,
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
        faults: &stats.faults,
        reach: reached.map(|((name, _), count)| (*name, count)).collect(),
    };
    serde_json::to_string(&line).expect("strings and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::SimTime;
    use crate::oracles::Violation;
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
        let seed = SeedReport { seed: u64::MAX, verdict, violations: 4, stats, hash: 0xab };
        let line = line(&scenario, Some(Mutant::LeaseFromReply), &seed);
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
}
