//! One line of `faults`.

use std::time::Duration;

use super::bounce::{bounce, rolling};
use super::deploy::{deploy, retired};
use super::field::{Section, Value, article, signed_numbers, steps};
use super::links::{Ends, links, nodes, one_node};
use super::problem::{Problems, suggest};
use super::units::{Between, duration as written};
use super::{FaultLine, FaultSpec, machines, services};
use crate::faults::plan::{DiskMode, Noise, Transport};

/// Each fault with the keys it takes besides `at`.
const FAULTS: &[(&str, &[&str])] = &[
    ("pause", &["for"]),
    ("cut", &["for"]),
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
    ("disk", &["is", "by", "for"]),
    ("restart", &["down"]),
    ("fail", &["share", "for"]),
    ("commit", &["share", "by", "for"]),
    ("effect", &["share", "by", "for"]),
    ("wall", &["step"]),
    ("strobe", &["by", "every", "for"]),
    ("rate", &["ppm", "for"]),
];

/// What the design has and this version does not support yet.
const LATER: &[(&str, &str)] = &[
    ("when", "anchors on events are not supported yet: write at = \"1.2s\""),
    ("after", "anchors on events are not supported yet: write at = \"1.2s\""),
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
    lines.into_iter().collect()
}

fn line<'t>(value: &'t Value<'t>, around: Around, problems: &mut Problems) -> Option<FaultLine> {
    let section = Section::of("a fault", value, problems)?;
    let (kind, takes) = kind(&section, problems)?;
    let known = keys(kind, takes, &section, problems);
    let at = section.need_duration("at", problems);
    let spec = spec(kind, &section, around, problems);
    if let (Some(at), Some(horizon)) = (at, around.horizon) {
        in_time(at, spec.as_ref(), horizon, around, &section, problems);
    }
    known.then_some(FaultLine { at: at?, spec: spec? })
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
                "write them as two faults, each with its \"at\"",
            );
            None
        }
        (None, _) => {
            let names = FAULTS.iter().map(|(name, _)| *name);
            // A misspelt fault is the likeliest reason, and a key of its own.
            let odd = section.keys().find(|key| {
                let key = &**key.get_ref();
                key != "at" && !FAULTS.iter().any(|(_, takes)| takes.contains(&key))
            });
            match odd {
                Some(key) => {
                    let name = key.get_ref();
                    let later = LATER.iter().find(|(word, _)| *word == &**name);
                    problems.add(
                        key.span(),
                        format!("unknown key \"{name}\" in a fault"),
                        "not a fault",
                        later.map_or_else(|| suggest(name, names), |(_, help)| (*help).to_owned()),
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
        if name == "at" || name == kind || takes.contains(&name) {
            continue;
        }
        fine = false;
        let later = LATER.iter().find(|(word, _)| *word == name);
        let elsewhere = FAULTS.iter().any(|(_, takes)| takes.contains(&name));
        let (message, help) = if let Some((_, help)) = later {
            (format!("\"{name}\" is not supported yet"), (*help).to_owned())
        } else if elsewhere {
            let help = format!("{kind} takes: at, {}", takes.join(", "));
            (format!("\"{name}\" does not belong to a {kind}"), help)
        } else {
            let known = ["at"].into_iter().chain(takes.iter().copied());
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
            let by = section.need_duration("by", problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Slow { links: links?, by: by?, lasts: lasts? }
        }
        "noise" => {
            let links = links(kind, Ends::Noise, section, around, problems);
            needs_links(kind, section, around, problems);
            let noise = noise(section, problems);
            let lasts = section.need_some_time("for", problems);
            FaultSpec::Noise { links: links?, noise: noise?, lasts: lasts? }
        }
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
        "commit" | "effect" => return services::answers(kind, section, problems),
        "wall" => {
            let node = one_node(kind, section, around, problems);
            let by_ms = section.need("step", "\"-4s\"", problems);
            let by_ms = by_ms.and_then(|value| steps("step", value, problems));
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

/// The three probabilities of a section.
pub(super) fn noise(section: &Section, problems: &mut Problems) -> Option<Noise> {
    let loss_ppm = section.probability("loss", problems);
    let duplicate_ppm = section.probability("duplicate", problems);
    let reorder_ppm = section.probability("reorder", problems);
    Some(Noise { loss_ppm: loss_ppm?, duplicate_ppm: duplicate_ppm?, reorder_ppm: reorder_ppm? })
}

fn rate(value: &Value, problems: &mut Problems) -> Option<Between<i32>> {
    let ppm = signed_numbers("ppm", value, problems)?;
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

/// Notes a fault that may begin when the faults are over.
fn in_time(
    at: Between<Duration>,
    spec: Option<&FaultSpec>,
    horizon: Between<Duration>,
    around: Around,
    section: &Section,
    problems: &mut Problems,
) {
    let end = written(horizon.low);
    if at.high >= horizon.low {
        problems.add(
            section.place("at"),
            format!("a fault at {} comes after the horizon", written(at.high)),
            format!("expected less than {end}"),
            format!("move it before horizon = \"{end}\", or lengthen the horizon"),
        );
    } else if let (Some(FaultSpec::Rolling { gap, .. }), Some(voters), Some(observers)) =
        (spec, around.voters, around.observers)
    {
        let nodes = voters.high.max(1) + observers.high;
        let last = at.high + gap.high * (nodes - 1);
        if last >= horizon.low {
            problems.add(
                section.place("gap"),
                format!(
                    "the last of {nodes} bounces would come at {}, after the horizon",
                    written(last)
                ),
                format!("expected all of them before {end}"),
                "shorten the gap, begin earlier, or lengthen the horizon",
            );
        }
    }
}
