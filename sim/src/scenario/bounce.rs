//! What is special about `kill`, `stop` and `rolling`: how they end a process, and what they do to
//! its disk.

use std::time::Duration;

use toml::de::DeValue;

use super::fault::Around;
use super::field::{Section, article, text};
use super::links::nodes;
use super::problem::{Problems, suggest};
use super::{FaultSpec, HarmSpec};
use crate::faults::plan::{DiskMode, Harm};

/// A `kill` or a `stop`.
pub(super) fn bounce(
    kind: &str,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let nodes = nodes(kind, section, around, problems);
    let down = section.duration_or("down", Duration::ZERO, problems);
    let slow_start = section.duration_or("slow_start", Duration::ZERO, problems);
    let harm = harm(section, around, problems);
    Some(FaultSpec::Bounce {
        nodes: nodes?,
        graceful: kind == "stop",
        harm: harm?,
        down: down?,
        slow_start: slow_start?,
    })
}

/// A `rolling`.
pub(super) fn rolling(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let graceful = way(section, problems);
    let gap = section.need_some_time("gap", problems);
    let down = section.duration_or("down", Duration::ZERO, problems);
    let slow_start = section.duration_or("slow_start", Duration::ZERO, problems);
    let harm = harm(section, around, problems);
    Some(FaultSpec::Rolling {
        graceful: graceful?,
        harm: harm?,
        gap: gap?,
        down: down?,
        slow_start: slow_start?,
    })
}

/// Whether the processes end by themselves.
fn way(section: &Section, problems: &mut Problems) -> Option<bool> {
    let value = section.get("rolling")?;
    let how = text("rolling", value, "\"graceful\" or \"kill\"", problems)?;
    match how {
        "graceful" => Some(true),
        "kill" => Some(false),
        _ => {
            problems.add(
                value.span(),
                format!("rolling = \"{how}\" is not a way to restart"),
                "expected \"graceful\" or \"kill\"",
                suggest(how, ["graceful", "kill"]),
            );
            None
        }
    }
}

/// What `wipe` and `torn` say, if the cluster has disks to which that can happen.
pub(super) fn harm(section: &Section, around: Around, problems: &mut Problems) -> Option<HarmSpec> {
    let wipe = choice("wipe", section, problems);
    let torn = choice("torn", section, problems);
    let (wipe, torn) = (wipe?, torn?);
    if wipe != Choice::Never && torn != Choice::Never {
        problems.add(
            section.place("torn"),
            "a disk is both wiped and torn",
            "nothing is left to be torn",
            "write wipe = true for an empty disk or torn = true for a damaged one, or two faults",
        );
        return None;
    }
    let (key, harm, choice) = match torn {
        Choice::Never => ("wipe", Harm::Wipe, wipe),
        _ => ("torn", Harm::Tear, torn),
    };
    if choice == Choice::Never {
        return Some(HarmSpec { harm: Harm::None, sometimes: false });
    }
    // A line that means something for some of the seeds is meant for those.
    if let Some(disks) = around.disks
        && disks.iter().all(|disk| disk.fit(harm) != harm)
    {
        let disk = disks.first().map_or("none", |disk| disk.name());
        let why = if disks.contains(&DiskMode::Wiped) {
            "every start finds an empty disk"
        } else {
            "there is no disk"
        };
        problems.add(
            section.place(key),
            format!("\"{key}\" does nothing with disk = \"{disk}\": {why}"),
            "nothing is kept that this could harm",
            format!("leave it out, or write disk = \"{}\" in cluster", DiskMode::Kept.name()),
        );
        return None;
    }
    Some(HarmSpec { harm, sometimes: choice == Choice::Sometimes })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Never,
    Always,
    Sometimes,
}

fn choice(key: &str, section: &Section, problems: &mut Problems) -> Option<Choice> {
    let Some(value) = section.get(key) else { return Some(Choice::Never) };
    let wrong = match value.get_ref() {
        DeValue::Boolean(true) => return Some(Choice::Always),
        DeValue::Boolean(false) => return Some(Choice::Never),
        DeValue::String(text) if &**text == "sometimes" => return Some(Choice::Sometimes),
        DeValue::String(text) => format!("{key} = \"{text}\" is not a choice"),
        other => format!("\"{key}\" is {}", article(other)),
    };
    problems.add(
        value.span(),
        wrong,
        "expected true, false or \"sometimes\"",
        format!("write {key} = true, or {key} = \"sometimes\" to leave it to the seed"),
    );
    None
}
