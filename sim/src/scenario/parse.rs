//! The sections of a scenario file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{Section, Value, duration, positive, signed, text};
use super::problem::{Problem, Problems};
use super::{
    DEFAULT_HEAL, Expect, Scenario, TimingSpec, cluster, expect, fault, jobs, network, swarm,
    timing, validate, workload,
};
use crate::faults::plan::Network;
use crate::oracles::SinkKind;

const SECTIONS: &[&str] = &[
    "name", "about", "seed", "cluster", "timing", "network", "workload", "jobs", "horizon", "heal",
    "stable", "faults", "swarm", "expect",
];

/// Reads a scenario, or says everything that is wrong with it.
pub(super) fn parse(source: &str) -> Result<Scenario, Vec<Problem>> {
    let mut problems = Problems::new(source);
    let (document, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        // Whatever else would be found in half-read TOML would mislead.
        for error in errors {
            problems.add(
                error.span().unwrap_or(0..0),
                format!("not TOML: {}", error.message()),
                "here",
                "a scenario is a TOML file with one fault a line: \
                 { at = \"1.2s\", pause = \"n1\", for = \"8s\" },",
            );
        }
        return Err(problems.found);
    }
    match document_of(&document, &mut problems) {
        Some(scenario) if problems.found.is_empty() => Ok(scenario),
        _ => Err(problems.found),
    }
}

fn document_of<'t>(
    document: &'t Spanned<DeTable<'t>>,
    problems: &mut Problems,
) -> Option<Scenario> {
    let root = Section::root(document);
    root.only(SECTIONS, problems);
    // All sections are read before the first `?`, so that all that are wrong are reported.
    let name = root.need("name", "\"what happens\"", problems);
    let name = name.and_then(|value| text("name", value, "a name", problems));
    let about = root.get("about").and_then(|value| text("about", value, "a sentence", problems));
    let seed = root.get("seed").and_then(|value| seed(value, problems));
    let cluster = root.need("cluster", "{ voters = 3 }", problems);
    let cluster = cluster.map(|value| cluster::parse(value, problems)).unwrap_or_default();
    let timing = match root.get("timing") {
        Some(value) => timing::parse(value, problems),
        None => Some(TimingSpec::default()),
    };
    let network = match root.get("network") {
        Some(value) => network::parse(value, &cluster, problems),
        None => Some(Network::default()),
    };
    let workload = match root.get("workload") {
        Some(value) => workload::parse(value, problems).map(Some),
        None => Some(None),
    };
    let delivers =
        workload.as_ref().map(|spec| spec.as_ref().is_some_and(|spec| spec.messages.high > 0));
    let jobs = match root.get("jobs") {
        Some(value) if delivers == Some(false) => {
            problems.add(
                value.span(),
                "jobs without a workload",
                "without messages there is no store to record them in",
                "add workload = { messages = 200 }",
            );
            None
        }
        Some(value) => jobs::parse(value, problems),
        None => Some(Vec::new()),
    };
    let horizon = root.need("horizon", "\"60s\"", problems);
    let horizon = horizon
        .and_then(|value| duration("horizon", value, problems))
        .and_then(|value| positive("horizon", root.place("horizon"), value, problems));
    let heal = root
        .duration_or("heal", DEFAULT_HEAL, problems)
        .and_then(|value| positive("heal", root.place("heal"), value, problems));
    if let (Some(heal), Some(timing)) = (heal, &timing) {
        validate::heal(heal, timing, &root, problems);
    }
    let stable = match root.get("stable") {
        Some(value) => super::field::flag("stable", value, problems),
        None => Some(false),
    };
    let around = fault::Around {
        voters: cluster.voters,
        observers: cluster.observers,
        disks: cluster.disks.as_deref(),
        horizon,
        transport: cluster.transport,
        delivers,
        store_clock: workload
            .as_ref()
            .and_then(|spec| spec.as_ref())
            .map(|spec| spec.sinks.iter().any(|sink| !matches!(sink, SinkKind::Dedup { .. }))),
    };
    let faults = match root.get("faults") {
        Some(value) => fault::lines(value, around, problems),
        None => Some(Vec::new()),
    };
    let swarm = match root.get("swarm") {
        Some(value) => {
            let drift = timing.as_ref().map(|t| t.max_drift_ppm.high);
            swarm::parse(value, around, drift, problems).map(Some)
        }
        None => Some(None),
    };
    let expect = match root.get("expect") {
        Some(value) => expect::parse(value, problems),
        None => Some(Expect::default()),
    };
    Some(Scenario {
        name: name?.to_owned(),
        about: about.map(str::to_owned),
        seed,
        voters: cluster.voters?,
        observers: cluster.observers?,
        disks: cluster.disks?,
        transport: cluster.transport?,
        timing: timing?,
        network: network?,
        workload: workload?,
        jobs: jobs?,
        horizon: horizon?,
        heal: heal?,
        stable: stable?,
        faults: faults?,
        swarm: swarm?,
        expect: expect?,
    })
}

fn seed(value: &Value, problems: &mut Problems) -> Option<u64> {
    // TOML's numbers end at 2^63, so a larger seed is written as a string.
    let seed = match value.get_ref() {
        DeValue::Integer(integer) => signed(integer).and_then(|n| u64::try_from(n).ok()),
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    if seed.is_none() {
        problems.add(
            value.span(),
            "\"seed\" is not a seed",
            "expected a whole number from 0",
            "write seed = 17, or between quotation marks from 2^63 on",
        );
    }
    seed
}
