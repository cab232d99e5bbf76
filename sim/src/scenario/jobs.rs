//! The `jobs` section: scheduled jobs, one a line.

use std::fmt;
use std::time::Duration;

use fencepost::jobs::{DEFAULT_GRACE, MIN_PERIOD, Misfire, Overlap, Policy};

use super::field::{Section, Value, article, names};
use super::problem::{Problems, suggest};
use super::units::{Between, duration as written};
use crate::faults::plan::PlannedJob;

/// The most jobs of one run.
const MAX_JOBS: u32 = 16;

/// The longest period: a run that takes seconds would never see another instant.
const PERIOD_MAX: Duration = Duration::from_secs(3600);

/// How long an action takes if nothing is said.
const DEFAULT_RUNS: Duration = Duration::from_millis(100);

/// One line of `jobs`: [`PlannedJob`] with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// How many such jobs; each makes its own choices.
    pub count: Between<u32>,
    /// The period.
    pub every: Between<Duration>,
    /// How long its action takes: left open in the plan, too.
    pub runs: Between<Duration>,
    /// Of these each draws one; at least one.
    pub misfire: Vec<Misfire>,
    /// Of these each draws one; at least one.
    pub overlap: Vec<Overlap>,
    /// The grace.
    pub grace: Between<Duration>,
}

/// The lines of `jobs`; none if one of them is wrong.
pub(super) fn parse<'t>(value: &'t Value<'t>, problems: &mut Problems) -> Option<Vec<JobSpec>> {
    let Some(items) = value.get_ref().as_array() else {
        problems.add(
            value.span(),
            format!("\"jobs\" is {}", article(value.get_ref())),
            "expected a list",
            "write jobs = [ { every = \"1s\", runs = \"100ms..2s\" }, … ]",
        );
        return None;
    };
    // Every line is looked at, so that all wrong ones are reported.
    let specs: Vec<Option<JobSpec>> = items.iter().map(|item| line(item, problems)).collect();
    let specs: Vec<JobSpec> = specs.into_iter().collect::<Option<_>>()?;
    if specs.iter().map(|spec| spec.count.high).sum::<u32>() > MAX_JOBS {
        problems.add(
            value.span(),
            "too many jobs for one run",
            format!("expected at most {MAX_JOBS}"),
            "two or three show all there is to see",
        );
        return None;
    }
    Some(specs)
}

fn line<'t>(value: &'t Value<'t>, problems: &mut Problems) -> Option<JobSpec> {
    let section = Section::of("a job", value, problems)?;
    section.only(&["count", "every", "runs", "misfire", "overlap", "grace"], problems);
    let count = section.count_or("count", 1, problems);
    let every = section.need_duration("every", problems).and_then(|every| {
        if (MIN_PERIOD..=PERIOD_MAX).contains(&every.low) && every.high <= PERIOD_MAX {
            return Some(every);
        }
        problems.add(
            section.place("every"),
            "\"every\" is out of range",
            format!("expected \"{}\" to \"{}\"", written(MIN_PERIOD), written(PERIOD_MAX)),
            "write for example every = \"1s\"",
        );
        None
    });
    let runs = section.duration_or("runs", DEFAULT_RUNS, problems);
    let grace = section.duration_or("grace", DEFAULT_GRACE, problems);
    let misfire = match section.get("misfire") {
        Some(value) => policies("misfire", value, &MISFIRES, misfire_of, problems),
        None => Some(vec![Misfire::default()]),
    };
    let overlap = match section.get("overlap") {
        Some(value) => policies("overlap", value, &OVERLAPS, overlap_of, problems),
        None => Some(vec![Overlap::default()]),
    };
    let (count, every, runs) = (count?, every?, runs?);
    Some(JobSpec { count, every, runs, misfire: misfire?, overlap: overlap?, grace: grace? })
}

const MISFIRES: [&str; 3] = ["skip", "run latest", "catch up 3"];
const OVERLAPS: [&str; 3] = ["skip", "queue one", "allow 2"];

/// One or several policies by name.
fn policies<T>(
    key: &str,
    value: &Value,
    known: &[&'static str],
    read: fn(&str) -> Option<T>,
    problems: &mut Problems,
) -> Option<Vec<T>> {
    let named = names(key, value, problems)?;
    if named.is_empty() {
        problems.add(
            value.span(),
            format!("no {key} policy"),
            "expected one",
            suggest("", known.iter().copied()),
        );
        return None;
    }
    let found: Vec<Option<T>> = named
        .into_iter()
        .map(|(name, at)| {
            let found = read(name);
            if found.is_none() {
                let message = format!("{key} = \"{name}\" is unknown");
                problems.add(
                    at,
                    message,
                    format!("not a policy for {key}"),
                    suggest(name, known.iter().copied()),
                );
            }
            found
        })
        .collect();
    found.into_iter().collect()
}

fn misfire_of(name: &str) -> Option<Misfire> {
    let misfire = match name {
        "skip" => Misfire::Skip,
        "run latest" => Misfire::RunLatest,
        _ => Misfire::CatchUp { at_most: name.strip_prefix("catch up ")?.parse().ok()? },
    };
    Policy { misfire, ..Policy::default() }.validate().ok().map(|()| misfire)
}

fn overlap_of(name: &str) -> Option<Overlap> {
    let overlap = match name {
        "skip" => Overlap::Skip,
        "queue one" => Overlap::QueueOne,
        _ => Overlap::Allow { at_most: name.strip_prefix("allow ")?.parse().ok()? },
    };
    Policy { overlap, ..Policy::default() }.validate().ok().map(|()| overlap)
}

/// As a line of `jobs`.
impl fmt::Display for PlannedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ every = \"{}\", runs = \"", written(self.every))?;
        if self.runs.low == self.runs.high {
            write!(f, "{}", written(self.runs.low))?;
        } else {
            write!(f, "{}..{}", written(self.runs.low), written(self.runs.high))?;
        }
        f.write_str("\", misfire = \"")?;
        match self.misfire {
            Misfire::Skip => f.write_str("skip")?,
            Misfire::RunLatest => f.write_str("run latest")?,
            Misfire::CatchUp { at_most } => write!(f, "catch up {at_most}")?,
        }
        f.write_str("\", overlap = \"")?;
        match self.overlap {
            Overlap::Skip => f.write_str("skip")?,
            Overlap::QueueOne => f.write_str("queue one")?,
            Overlap::Allow { at_most } => write!(f, "allow {at_most}")?,
        }
        write!(f, "\", grace = \"{}\" }}", written(self.grace))
    }
}
