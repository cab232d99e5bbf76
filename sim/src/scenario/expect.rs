//! The `[expect]` section: names of properties, reach points, fault kinds and planted bugs.

use fencepost::probe::{Mutant, REACH_POINTS};

use super::Expect;
use super::field::{Section, Value, count, duration, fixed, names};
use super::problem::{Problems, suggest};
use crate::faults::kind::FAULT_KINDS;

/// The properties that a scenario may expect to be broken: those that have an oracle.
fn properties() -> Vec<&'static str> {
    crate::oracles::ALL.iter().map(|oracle| oracle.property).collect()
}

pub(super) fn parse(value: &Value, problems: &mut Problems) -> Option<Expect> {
    let section = Section::of("[expect]", value, problems)?;
    section.only(&["verdict", "reach", "faults", "kills", "leader_changes", "outage"], problems);
    let find = |known: &[&'static str], name: &str| known.iter().find(|k| **k == name).copied();
    let reach_points: Vec<&'static str> = REACH_POINTS.iter().map(|(name, _)| *name).collect();
    let kinds: Vec<&'static str> = FAULT_KINDS.iter().map(|(name, _)| *name).collect();
    let mutants: Vec<&'static str> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();

    let violates = verdict(&section, problems);
    let reach = listed(&section, "reach", "reach point", &reach_points, problems, |name| {
        find(&reach_points, name)
    });
    let faults =
        listed(&section, "faults", "kind of fault", &kinds, problems, |name| find(&kinds, name));
    let kills = listed(&section, "kills", "planted bug", &mutants, problems, Mutant::from_name);
    let leader_changes = match section.get("leader_changes") {
        Some(value) => count("leader_changes", value, problems)
            .and_then(|changes| fixed("leader_changes", changes, &section, problems)),
        None => Some(0),
    };
    let outage = match section.get("outage") {
        Some(value) => duration("outage", value, problems)
            .and_then(|range| fixed("outage", range, &section, problems))
            .map(Some),
        None => Some(None),
    };
    Some(Expect {
        violates: violates?,
        reach: reach?,
        faults: faults?,
        kills: kills?,
        leader_changes: leader_changes?,
        outage: outage?,
    })
}

fn verdict(section: &Section, problems: &mut Problems) -> Option<Vec<&'static str>> {
    let Some(value) = section.get("verdict") else { return Some(Vec::new()) };
    if value.get_ref().as_str() == Some("ok") {
        return Some(Vec::new());
    }
    let known: Vec<&'static str> = ["ok"].into_iter().chain(properties()).collect();
    let found = listed(section, "verdict", "property", &known, problems, |name| {
        known.iter().find(|k| **k == name).copied()
    })?;
    if found.is_empty() || found.contains(&"ok") {
        problems.add(
            value.span(),
            "a verdict is either \"ok\" or what is broken",
            "expected \"ok\" or properties",
            "write verdict = \"ok\", or the properties of which one must be broken",
        );
        return None;
    }
    Some(found)
}

fn listed<T>(
    section: &Section,
    key: &str,
    what: &str,
    known: &[&str],
    problems: &mut Problems,
    find: impl Fn(&str) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(value) = section.get(key) else { return Some(Vec::new()) };
    let mut found = Some(Vec::new());
    for (name, at) in names(key, value, problems)? {
        match (find(name), &mut found) {
            (Some(item), Some(found)) => found.push(item),
            (Some(_), None) => {}
            (None, _) => {
                problems.add(
                    at,
                    format!("there is no {what} \"{name}\""),
                    format!("not a {what}"),
                    suggest(name, known.iter().copied()),
                );
                found = None;
            }
        }
    }
    found
}
