//! The `workload` section: what the application writes, and how it is delivered.

use std::time::Duration;

use fencepost::store::MAX_UNITS;

use super::WorkloadSpec;
use super::field::{Section, Value, count, names};
use super::problem::{Problems, suggest};
use super::units::Between;
use crate::faults::plan::Handling;
use crate::oracles::SinkKind;

/// How long a dedup sink remembers a key if the scenario does not say.
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

/// The most messages of one run: a slip of the keyboard must not fill the memory.
const MAX_MESSAGES: u32 = 100_000;

/// The most ordering keys: more than messages make no difference.
const MAX_KEYS: u32 = 1_000;

/// The most messages of one batch.
const MAX_BATCH: u32 = 1_000;

/// Reads the section.
pub(super) fn parse(value: &Value, problems: &mut Problems) -> Option<WorkloadSpec> {
    let section = Section::of("the workload", value, problems)?;
    section.only(
        &["messages", "every", "sink", "window", "keys", "batch", "attempts", "units", "spread"],
        problems,
    );
    let messages = section.need("messages", "200", problems);
    let messages = messages.and_then(|value| {
        let messages = count("messages", value, problems)?;
        if messages.high <= MAX_MESSAGES {
            return Some(messages);
        }
        let help = "a run that takes seconds has some hundreds";
        let label = format!("expected at most {MAX_MESSAGES}");
        problems.add(value.span(), "too many messages for one run", label, help);
        None
    });
    let every = section.duration_or("every", Duration::from_millis(50), problems);
    let window = section.duration_or("window", DEFAULT_WINDOW, problems);
    let usual = window.map_or(DEFAULT_WINDOW, |window| window.high);
    let sinks = match section.get("sink") {
        Some(value) => sinks(value, usual, problems),
        None => Some(vec![SinkKind::Dedup { window: usual }]),
    };
    if let (Some(value), Some(sinks)) = (section.get("window"), &sinks)
        && !sinks.iter().any(|sink| matches!(sink, SinkKind::Dedup { .. }))
    {
        problems.add(
            value.span(),
            "only a dedup sink has a window",
            "not a dedup sink",
            "leave it out, or write sink = \"dedup\"",
        );
    }
    let default = Handling::default();
    let keys = at_most("keys", default.keys, MAX_KEYS, &section, problems);
    let batch = at_least_one("batch", default.batch, MAX_BATCH, &section, problems);
    let attempts = at_least_one("attempts", default.attempts, u32::MAX, &section, problems);
    let units = at_most("units", default.units, MAX_UNITS, &section, problems);
    let spread = at_most("spread", default.spread, MAX_UNITS, &section, problems);
    Some(WorkloadSpec {
        messages: messages?,
        every: every?,
        sinks: sinks?,
        window: window?,
        keys: keys?,
        batch: batch?,
        attempts: attempts?,
        units: units?,
        spread: spread?,
    })
}

fn at_least_one(
    key: &str,
    default: u32,
    most: u32,
    section: &Section,
    problems: &mut Problems,
) -> Option<Between<u32>> {
    let count = at_most(key, default, most, section, problems)?;
    if count.low > 0 {
        return Some(count);
    }
    let help = format!("write for example {key} = {}", default.min(10));
    problems.add(section.place(key), format!("\"{key}\" is zero"), "expected at least 1", help);
    None
}

fn at_most(
    key: &str,
    default: u32,
    most: u32,
    section: &Section,
    problems: &mut Problems,
) -> Option<Between<u32>> {
    let count = section.count_or(key, default, problems)?;
    if count.high <= most {
        return Some(count);
    }
    let (message, label) = (format!("\"{key}\" is too large"), format!("expected at most {most}"));
    problems.add(
        section.place(key),
        message,
        label,
        format!("write for example {key} = {}", most / 2),
    );
    None
}

fn sinks(value: &Value, window: Duration, problems: &mut Problems) -> Option<Vec<SinkKind>> {
    const NAMES: [&str; 3] = SinkKind::NAMES;
    let named = names("sink", value, problems)?;
    if named.is_empty() {
        problems.add(value.span(), "no sink", "expected a sink", suggest("", NAMES));
        return None;
    }
    let mut sinks = Some(Vec::new());
    for (name, at) in named {
        let sink = match name {
            "dedup" => SinkKind::Dedup { window },
            "fenced" => SinkKind::Fenced,
            "plain" => SinkKind::Plain,
            _ => {
                let message = format!("sink = \"{name}\" is unknown");
                problems.add(at, message, "not a kind of sink", suggest(name, NAMES));
                sinks = None;
                continue;
            }
        };
        if let Some(sinks) = &mut sinks {
            sinks.push(sink);
        }
    }
    sinks
}
