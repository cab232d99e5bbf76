//! One line of `faults`.

use std::time::Duration;

use super::bounce::{bounce, rolling};
use super::deploy::{deploy, retired};
use super::field::{Section, Value, article, not_zero, signed_numbers, steps};
use super::links::{Ends, links, nodes, one_node};
use super::problem::{Problems, suggest};
use super::units::{Between, duration as written};
use super::{FaultLine, FaultSpec, Origin, machines, services, start, topology};
use crate::faults::overlap::{self, Clash, Counts, Hold};
use crate::faults::plan::{DiskMode, Noise, Target, Transport};

/// Each fault with the keys it takes besides those that say when.
const FAULTS: &[(&str, &[&str])] = &[
    ("pause", &["for"]),
    ("cut", &["for"]),
    ("flap", &["up", "down", "for"]),
    ("topology", &["for"]),
    ("slow", &["by", "for"]),
    ("noise", &["loss", "duplicate", "reorder", "for"]),
    ("kill", &["down", "slow_start", "wipe", "torn"]),
    ("stop", &["down", "slow_start", "wipe"]),
    ("die", &["down", "slow_start", "wipe", "torn"]),
    ("crash_loop", &["times", "up", "down", "wipe", "torn"]),
    ("rolling", &["gap", "down", "slow_start", "wipe"]),
    ("deploy", &["voters", "gap", "down"]),
    ("retire", &[]),
    ("suspend", &["uncounted", "for"]),
    ("lies", &["for"]),
    ("disk", &["is", "by", "for"]),
    ("restart", &["down", "loses"]),
    ("fail", &["share", "for"]),
    ("refuse", &["share", "for"]),
    ("commit", &["share", "by", "for"]),
    ("effect", &["share", "by", "for"]),
    ("judge", &["thinks"]),
    ("wall", &["step"]),
    ("strobe", &["by", "every", "for"]),
    ("rate", &["ppm", "for"]),
];

/// The largest deviation of a clock's rate that can be simulated; at −1 000 000 it would stand.
pub(super) const MAX_PPM: u32 = 900_000;

/// What a line has to fit to; none: that part of the file is itself wrong.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub voters: Option<Between<u32>>,
    pub observers: Option<Between<u32>>,
    pub disks: Option<&'a [DiskMode]>,
    pub horizon: Option<Between<Duration>>,
    pub transport: Option<Transport>,
    /// Whether some seed has a workload.
    pub delivers: Option<bool>,
    /// Whether some seed has a sink whose promise does not rest on the store's clock.
    pub store_clock: Option<bool>,
}

/// The lines of `faults`; none if one of them is wrong.
pub(super) fn lines<'t>(
    value: &'t Value<'t>,
    around: Around,
    problems: &mut Problems,
) -> Option<Vec<FaultLine>> {
    let Some(items) = value.get_ref().as_array() else {
        problems.add(
            value.span(),
            format!("\"faults\" is {}", article(value.get_ref())),
            "expected a list",
            "write faults = [ { at = \"1.2s\", pause = \"n1\", for = \"8s\" }, … ]",
        );
        return None;
    };
    // Every line is looked at, so that all wrong ones are reported.
    let lines: Vec<Option<FaultLine>> =
        items.iter().map(|item| line(item, around, problems)).collect();
    let lines: Vec<FaultLine> = lines.into_iter().collect::<Option<_>>()?;
    if let (Some(voters), Some(observers)) = (around.voters, around.observers) {
        for clash in overlap::of_lines(&lines, Counts { voters, observers }) {
            in_vain(clash, &items[clash.first], &items[clash.second], problems);
        }
    }
    Some(lines)
}

/// Notes a fault that another one leaves nothing to do.
fn in_vain(clash: Clash, first: &Value, second: &Value, problems: &mut Problems) {
    let Clash { node, until, .. } = clash;
    let until = written(until);
    let (message, label) = match clash.hold {
        Hold::Down { .. } => {
            (format!("this bounce does nothing: {node} is down until {until}"), "nobody is up here")
        }
        Hold::Paused => (format!("{node} is paused already, until {until}"), "a pause in a pause"),
        Hold::Rate => {
            (format!("two rates of {node} at the same time"), "a clock has one rate at a time")
        }
    };
    let help = format!("begin it at {until} or later, shorten the other one, or leave it out");
    problems.add(second.span(), message, label, help);
    problems.beside(first.span());
}

fn line<'t>(value: &'t Value<'t>, around: Around, problems: &mut Problems) -> Option<FaultLine> {
    let section = Section::of("a fault", value, problems)?;
    let (kind, takes) = kind(&section, problems)?;
    let known = keys(kind, takes, &section, problems);
    let start = start::parse(&section, around, problems);
    let spec = spec(kind, &section, around, problems);
    if let (Some(start), Some(horizon)) = (start, around.horizon) {
        start::in_time(start, spec.as_ref(), horizon, around, &section, problems);
    }
    let origin = Origin::of(problems.text, value.span());
    known.then_some(FaultLine { start: start?, spec: spec?, origin })
}

/// Which fault the line is: it has exactly one of their keys.
fn kind(
    section: &Section,
    problems: &mut Problems,
) -> Option<(&'static str, &'static [&'static str])> {
    let mut present = FAULTS.iter().filter(|(name, _)| section.get(name).is_some());
    match (present.next(), present.next()) {
        (Some((name, takes)), None) => Some((name, takes)),
        (Some((first, _)), Some((second, _))) => {
            problems.add(
                section.at.clone(),
                format!("a fault is both \"{first}\" and \"{second}\""),
                "two faults in one line",
                "write them as two faults, each with its \"at\" or \"when\"",
            );
            None
        }
        (None, _) => {
            let names = FAULTS.iter().map(|(name, _)| *name);
            // A misspelt fault is the likeliest reason, and a key of its own.
            let odd = section.keys().find(|key| {
                let key = &**key.get_ref();
                !start::KEYS.contains(&key) && !FAULTS.iter().any(|(_, takes)| takes.contains(&key))
            });
            match odd {
                Some(key) => {
                    let name = key.get_ref();
                    problems.add(
                        key.span(),
                        format!("unknown key \"{name}\" in a fault"),
                        "not a fault",
                        suggest(name, names),
                    );
                }
                None => problems.add(
                    section.at.clone(),
                    "a line of \"faults\" has no fault",
                    "nothing happens here",
                    format!("add one of: {}", names.collect::<Vec<_>>().join(", ")),
                ),
            }
            None
        }
    }
}

/// Notes keys that this fault does not take.
fn keys(kind: &str, takes: &[&str], section: &Section, problems: &mut Problems) -> bool {
    let mut fine = true;
    for key in section.keys() {
        let name = &**key.get_ref();
        if start::KEYS.contains(&name) || name == kind || takes.contains(&name) {
            continue;
        }
        fine = false;
        let elsewhere = FAULTS.iter().any(|(_, takes)| takes.contains(&name));
        let (message, help) = if elsewhere {
            let help = format!("{kind} takes: {}, {}", start::KEYS.join(", "), takes.join(", "));
            (format!("\"{name}\" does not belong to a {kind}"), help)
        } else {
            let known = start::KEYS.into_iter().chain(takes.iter().copied());
            (format!("unknown key \"{name}\" in a {kind}"), suggest(name, known))
        };
        problems.add(key.span(), message, format!("not a key of a {kind}"), help);
    }
    fine
}

fn spec(
    kind: &str,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    // All fields are read before the first `?`, so that all that are wrong are reported.
    Some(match kind {
        "pause" => {
            let nodes = nodes(kind, section, around, problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Pause { nodes: nodes?, lasts: lasts? }
        }
        "lies" => {
            needs_links(kind, section, around, problems);
            let nodes = nodes(kind, section, around, problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Lies { nodes: nodes?, lasts: lasts? }
        }
        "cut" => {
            let links = links(kind, Ends::Cut, section, around, problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Cut { links: links?, lasts: lasts? }
        }
        "slow" => {
            let links = links(kind, Ends::Slow, section, around, problems);
            if links.as_ref().is_some_and(|l| l.from.iter().chain(&l.to).all(|t| t.is_nodes())) {
                needs_links(kind, section, around, problems);
            }
            let by = section.need_some_time("by", problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Slow { links: links?, by: by?, lasts: lasts? }
        }
        "noise" => {
            let links = links(kind, Ends::Noise, section, around, problems);
            needs_links(kind, section, around, problems);
            let noise = some_noise(section, problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Noise { links: links?, noise: noise?, lasts: lasts? }
        }
        "flap" => return topology::flap(section, around, problems),
        "topology" => return topology::topology(section, around, problems),
        "kill" | "stop" => return bounce(kind, section, around, problems),
        "rolling" => return rolling(section, around, problems),
        "deploy" => return deploy(section, around, problems),
        "retire" => FaultSpec::Retire { node: retired(section, around, problems)? },
        "die" => return machines::die(section, around, problems),
        "crash_loop" => return machines::crash_loop(section, around, problems),
        "suspend" => return machines::suspend(section, around, problems),
        "disk" => return machines::disk(section, around, problems),
        "strobe" => return machines::strobe(section, around, problems),
        "restart" => return services::restart(section, problems),
        "fail" => return services::fail(section, problems),
        "refuse" => return services::refuse(section, problems),
        "commit" | "effect" => return services::answers(kind, section, problems),
        "judge" => return services::judge(section, around, problems),
        "wall" => {
            let node = clock_owner(section, around, problems);
            let by_ms = section.need("step", "\"-4s\"", problems);
            let by_ms = by_ms.and_then(|value| some_steps("step", value, problems));
            FaultSpec::WallStep { node: node?, by_ms: by_ms? }
        }
        "rate" => {
            let node = one_node(kind, section, around, problems);
            let ppm = section.need("ppm", "5000", problems);
            let ppm = ppm.and_then(|value| rate(value, problems));
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Rate { node: node?, ppm: ppm?, lasts: lasts? }
        }
        other => unreachable!("{other} is listed in FAULTS and read nowhere"),
    })
}

/// Whose wall clock jumps: a node's, or the database's.
fn clock_owner(section: &Section, around: Around, problems: &mut Problems) -> Option<Target> {
    let value = section.get("wall")?;
    if value.get_ref().as_str() != Some("db") {
        return one_node("wall", section, around, problems);
    }
    if around.delivers == Some(true) && around.store_clock == Some(true) {
        return Some(Target::Database);
    }
    let (message, label, help) = match around.delivers {
        Some(false) => (
            "there is no database: there is no workload",
            "no clock to step",
            "add workload = { messages = 200, sink = \"fenced\" }",
        ),
        _ => (
            "a dedup sink's promise rests on the store's clock",
            "a step breaks it by as much as it is far",
            "write sink = \"fenced\" or sink = \"plain\" in workload",
        ),
    };
    if around.delivers.is_some() {
        problems.add(value.span(), message, label, help);
    }
    None
}

/// The steps of a fault: not only zero.
pub(super) fn some_steps(
    key: &str,
    value: &Value,
    problems: &mut Problems,
) -> Option<Between<i64>> {
    let by_ms = steps(key, value, problems)?;
    not_zero(key, value.span(), by_ms, "\"-4s\"", problems)
}

/// The noise of a fault: not all of it zero.
fn some_noise(section: &Section, problems: &mut Problems) -> Option<Noise> {
    let noise = noise(section, problems)?;
    if noise != Noise::default() {
        return Some(noise);
    }
    problems.add(
        section.place("noise"),
        "this noise does nothing: \"loss\", \"duplicate\" and \"reorder\" are all zero",
        "no message would be lost, doubled or overtaken",
        "write for example loss = 0.05, or leave this fault out",
    );
    None
}

/// The three probabilities of a section.
pub(super) fn noise(section: &Section, problems: &mut Problems) -> Option<Noise> {
    let loss_ppm = section.probability("loss", problems);
    let duplicate_ppm = section.probability("duplicate", problems);
    let reorder_ppm = section.probability("reorder", problems);
    Some(Noise { loss_ppm: loss_ppm?, duplicate_ppm: duplicate_ppm?, reorder_ppm: reorder_ppm? })
}

fn rate(value: &Value, problems: &mut Problems) -> Option<Between<i32>> {
    let ppm = signed_numbers("ppm", value, problems)?;
    let ppm = not_zero("ppm", value.span(), ppm, "5000", problems)?;
    if ppm.low.unsigned_abs().max(ppm.high.unsigned_abs()) <= MAX_PPM {
        return Some(ppm);
    }
    problems.add(
        value.span(),
        "a clock cannot run at that rate",
        format!("expected -{MAX_PPM} to {MAX_PPM}"),
        "ppm is the deviation in parts per million: 5000 gains 5 ms a second",
    );
    None
}

fn needs_links(kind: &str, section: &Section, around: Around, problems: &mut Problems) {
    if around.transport == Some(Transport::Tcp) {
        problems.add(
            section.place(kind),
            format!("{kind} between nodes does not reach the tcp transport"),
            "only with transport = \"links\"",
            "write transport = \"links\" in cluster, or leave this fault out",
        );
    }
}
