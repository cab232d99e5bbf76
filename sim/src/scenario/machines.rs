//! Faults of whole machines: silent deaths, crash loops, sleep, disks that fail, wall clocks that
//! jump to and fro.

use std::time::Duration;

use super::bounce::harm;
use super::fault::{Around, some_steps};
use super::field::{Section, count, flag};
use super::links::{nodes, one_node};
use super::problem::Problems;
use super::services::word;
use super::units::duration as written;
use super::{DiskSpec, FaultSpec};
use crate::faults::plan::DiskMode;

/// How often a wall clock may jump in one fault: each jump is an event of the history.
const JUMPS_MAX: u128 = 10_000;

/// How often a process may be killed in one crash loop.
const CRASHES_MAX: u32 = 1_000;

/// A `die`.
pub(super) fn die(section: &Section, around: Around, problems: &mut Problems) -> Option<FaultSpec> {
    let nodes = nodes("die", section, around, problems);
    let down = section.need_some_time("down", problems);
    let slow_start = section.duration_or("slow_start", Duration::ZERO, problems);
    let harm = harm(section, around, problems);
    Some(FaultSpec::Die { nodes: nodes?, harm: harm?, down: down?, slow_start: slow_start? })
}

/// A `crash_loop`.
pub(super) fn crash_loop(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let nodes = nodes("crash_loop", section, around, problems);
    let times =
        section.need("times", "5", problems).and_then(|value| count("times", value, problems));
    let times = times.and_then(|times| {
        if (1..=CRASHES_MAX).contains(&times.low) && times.high <= CRASHES_MAX {
            return Some(times);
        }
        problems.add(
            section.place("times"),
            "a process cannot be killed so often in a loop",
            format!("expected 1 to {CRASHES_MAX}"),
            "write for example times = 5",
        );
        None
    });
    let up = section.need_duration("up", problems);
    let down = section.duration_or("down", Duration::ZERO, problems);
    let harm = harm(section, around, problems);
    Some(FaultSpec::CrashLoop { nodes: nodes?, harm: harm?, times: times?, up: up?, down: down? })
}

/// A `suspend`.
pub(super) fn suspend(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let nodes = nodes("suspend", section, around, problems);
    let uncounted = match section.get("uncounted") {
        Some(value) => flag("uncounted", value, problems),
        None => Some(false),
    };
    let lasts = section.need_some_time("for", problems);
    Some(FaultSpec::Suspend { nodes: nodes?, counted: !uncounted?, lasts: lasts? })
}

/// A `disk`.
pub(super) fn disk(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let nodes = nodes("disk", section, around, problems);
    let is = section.need("is", "\"full\"", problems);
    let is = is.and_then(|value| word("is", value, &["full", "unreadable", "slow"], problems));
    let trouble = match is {
        Some("slow") => section.need_some_time("by", problems).map(|by| DiskSpec::Slow { by }),
        Some(other) => {
            if section.get("by").is_some() {
                problems.add(
                    section.place("by"),
                    format!("\"by\" does not belong to a disk that is {other}"),
                    "only a slow disk takes it",
                    "leave it out, or write is = \"slow\"",
                );
            }
            Some(if other == "full" { DiskSpec::Full } else { DiskSpec::Unreadable })
        }
        None => None,
    };
    let lasts = section.need_some_time("for", problems);
    // A line that means something for some of the seeds is meant for those.
    if around.disks.is_some_and(|disks| disks.iter().all(|disk| *disk == DiskMode::None)) {
        problems.add(
            section.place("disk"),
            "no node of this cluster has a disk",
            "nothing can fail here",
            "leave it out, or write disk = \"kept\" in cluster",
        );
        return None;
    }
    Some(FaultSpec::Disk { nodes: nodes?, trouble: trouble?, lasts: lasts? })
}

/// A `strobe`.
pub(super) fn strobe(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let node = one_node("strobe", section, around, problems);
    let by_ms = section.need("by", "\"2s\"", problems);
    let by_ms = by_ms.and_then(|value| some_steps("by", value, problems));
    let every = section.need_some_time("every", problems);
    let lasts = section.need_some_time("for", problems);
    let (every, lasts) = (every?, lasts?);
    if lasts.high.as_nanos() / every.low.as_nanos() > JUMPS_MAX {
        problems.add(
            section.place("every"),
            format!("the clock would jump more than {JUMPS_MAX} times"),
            "too often",
            format!(
                "write every = \"{}\" or more, or a shorter \"for\"",
                written(lasts.high / u32::try_from(JUMPS_MAX).expect("it fits"))
            ),
        );
        return None;
    }
    Some(FaultSpec::Strobe { node: node?, by_ms: by_ms?, every, lasts })
}
