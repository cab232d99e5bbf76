//! When a fault begins: `at = "1.2s"`, or `when = "leader(n2)"` with `nth` and `after`.

use std::ops::Range;
use std::time::Duration;

use super::FaultSpec;
use super::fault::Around;
use super::field::{Section, count, text};
use super::links::voter;
use super::problem::{Problems, suggest};
use super::units::{Between, duration as written};
use crate::faults::plan::Trigger;

/// The keys that say when; every fault takes them.
pub(super) const KEYS: [&str; 4] = ["at", "when", "nth", "after"];

/// The events by name; `leader` and `campaign` may be followed by a voter in parentheses.
const EVENTS: &[(&str, Trigger)] = &[
    ("leader", Trigger::Leader(None)),
    ("claim asked", Trigger::ClaimAsked),
    ("claim", Trigger::Claim),
    ("send", Trigger::Send),
    ("floor", Trigger::Floor),
    ("campaign", Trigger::Campaign(None)),
];

/// When a line begins: [`crate::faults::Start`] with its choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartSpec {
    /// At a time from the end of the warm-up.
    At(Between<Duration>),
    /// When something happens.
    When {
        /// What.
        event: Trigger,
        /// For the how-many-th time; from 1.
        nth: Between<u32>,
        /// How long after it.
        after: Between<Duration>,
    },
}

impl StartSpec {
    /// The latest moment: for an event, if it comes at once.
    fn latest(self) -> Duration {
        match self {
            Self::At(at) => at.high,
            Self::When { after, .. } => after.high,
        }
    }
}

pub(super) fn parse(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<StartSpec> {
    match (section.get("at"), section.get("when")) {
        (Some(_), Some(when)) => {
            problems.add(
                when.span(),
                "a fault begins both at a time and at an event",
                "expected \"at\" or \"when\"",
                "write at = \"1.2s\" for a time, or when = \"leader\", after = \"300ms\" for an \
                 event",
            );
            None
        }
        (None, None) => {
            problems.add(
                section.at.clone(),
                "a fault has no \"at\" and no \"when\"",
                "when does it begin?",
                "add at = \"3s\" for a time, or when = \"leader\" for an event",
            );
            None
        }
        (Some(_), None) => {
            let at = section.need_duration("at", problems);
            for key in ["nth", "after"] {
                if section.get(key).is_some() {
                    problems.add(
                        section.place(key),
                        format!("\"{key}\" belongs to an event, and this fault has a time"),
                        "only with \"when\"",
                        format!("leave it out, or write when = \"leader\", {key} = …"),
                    );
                }
            }
            at.map(StartSpec::At)
        }
        (None, Some(_)) => {
            let event = event(section, around, problems);
            let nth = nth(section, problems);
            let after = section.duration_or("after", Duration::ZERO, problems);
            Some(StartSpec::When { event: event?, nth: nth?, after: after? })
        }
    }
}

fn event(section: &Section, around: Around, problems: &mut Problems) -> Option<Trigger> {
    let value = section.get("when")?;
    let all = text("when", value, "an event such as \"leader\"", problems)?;
    let names = EVENTS.iter().map(|(name, _)| *name);
    let of = |event: &str| all.strip_prefix(event)?.strip_prefix('(')?.strip_suffix(')');
    let event = if let Some(node) = of("leader") {
        let place = problems.part(&value.span(), all, node);
        Trigger::Leader(Some(voter(node, place, around, problems)?))
    } else if let Some(node) = of("campaign") {
        let place = problems.part(&value.span(), all, node);
        Trigger::Campaign(Some(voter(node, place, around, problems)?))
    } else if let Some((_, event)) = EVENTS.iter().find(|(name, _)| *name == all) {
        *event
    } else {
        problems.add(
            value.span(),
            format!("there is no event \"{all}\""),
            "not an event",
            suggest(all, names.chain(["leader(n1)", "campaign(n1)"])),
        );
        return None;
    };
    if event.needs_workload() && around.delivers == Some(false) {
        problems.add(
            value.span(),
            format!("\"{event}\" never happens: there is no workload"),
            "without messages there is no database",
            "add workload = { messages = 200 }, or wait for \"leader\"",
        );
        return None;
    }
    Some(event)
}

fn nth(section: &Section, problems: &mut Problems) -> Option<Between<u32>> {
    let Some(value) = section.get("nth") else { return Some(Between::exactly(1)) };
    let nth = count("nth", value, problems)?;
    if nth.low > 0 {
        return Some(nth);
    }
    problems.add(
        value.span(),
        "\"nth\" is zero",
        "expected a count from 1",
        "nth = 1 is the first such event after the warm-up",
    );
    None
}

/// Notes a fault that cannot, or may not, begin before the horizon.
pub(super) fn in_time(
    start: StartSpec,
    spec: Option<&FaultSpec>,
    horizon: Between<Duration>,
    around: Around,
    section: &Section,
    problems: &mut Problems,
) {
    let end = written(horizon.low);
    let latest = start.latest();
    let place = |problems: &mut Problems, at: Range<usize>, what: String| {
        problems.add(
            at,
            format!("{what} comes after the horizon"),
            format!("expected less than {end}"),
            format!("move it before horizon = \"{end}\", or lengthen the horizon"),
        );
    };
    if latest >= horizon.low {
        let (key, what) = match start {
            StartSpec::At(_) => ("at", format!("a fault at {}", written(latest))),
            StartSpec::When { .. } => ("after", format!("{} after any event", written(latest))),
        };
        place(problems, section.place(key), what);
        return;
    }
    // What comes in turn must come to its end: the rest of it would silently never be.
    let observers = around.observers.map(|observers| observers.high);
    let (turns, turn) = match (spec, around.voters.zip(observers)) {
        (Some(FaultSpec::Rolling { gap, .. }), Some((voters, observers))) => {
            (voters.high.max(1) + observers, gap.high)
        }
        (Some(FaultSpec::Deploy { node: None, voters, gap, .. }), Some((_, observers))) => {
            (voters + observers, gap.high)
        }
        _ => return,
    };
    let last = turn.checked_mul(turns.saturating_sub(1)).and_then(|all| latest.checked_add(all));
    let last = last.unwrap_or(Duration::MAX);
    if last >= horizon.low {
        problems.add(
            section.place("gap"),
            format!(
                "the last of {turns} bounces would come at {}, after the horizon",
                written(last)
            ),
            format!("expected all of them before {end}"),
            "shorten the gap, begin earlier, or lengthen the horizon",
        );
    }
}
