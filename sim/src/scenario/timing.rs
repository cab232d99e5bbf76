//! The `timing` section: the durations of the election, fixed or drawn by each seed.
//!
//! Every draw keeps the product's lease rule. What a scenario with ranges leaves out of `promise`,
//! `quarantine` and `election_timeout` is derived from what was drawn; what it names must fit to
//! the most unfavourable draw of the rest.

use std::time::Duration;

use fencepost::election::Timing;

use super::field::{Section, Value};
use super::problem::Problems;
use super::units::Between;
use super::validate;

/// The timing of every node, with its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of `Timing`
pub struct TimingSpec {
    pub heartbeat: Between<Duration>,
    pub lease: Between<Duration>,
    pub jitter: Between<Duration>,
    pub margin: Between<Duration>,
    pub max_drift_ppm: Between<u32>,
    /// None: the least that the lease rule allows for what was drawn, and a little more.
    pub promise: Option<Between<Duration>>,
    /// None: as for the promise.
    pub quarantine: Option<Between<Duration>>,
    /// None: a little more than the promise.
    pub election_timeout: Option<Between<Duration>>,
}

impl Default for TimingSpec {
    fn default() -> Self {
        let usual = Timing::default();
        Self {
            heartbeat: Between::exactly(usual.heartbeat),
            lease: Between::exactly(usual.lease),
            jitter: Between::exactly(usual.jitter),
            margin: Between::exactly(usual.margin),
            max_drift_ppm: Between::exactly(usual.max_drift_ppm),
            promise: Some(Between::exactly(usual.promise)),
            quarantine: Some(Between::exactly(usual.quarantine)),
            election_timeout: Some(Between::exactly(usual.election_timeout)),
        }
    }
}

pub(super) fn parse(value: &Value, problems: &mut Problems) -> Option<TimingSpec> {
    let section = Section::of("timing", value, problems)?;
    let before = problems.found.len();
    let mut spec = TimingSpec::default();
    let mut choices = false;
    let mut known = Vec::new();
    let mut derived = [
        ("promise", &mut spec.promise, false),
        ("quarantine", &mut spec.quarantine, false),
        ("election_timeout", &mut spec.election_timeout, false),
    ];
    let mut drawn = [
        ("heartbeat", &mut spec.heartbeat),
        ("lease", &mut spec.lease),
        ("jitter", &mut spec.jitter),
        ("margin", &mut spec.margin),
    ];
    for (key, field) in &mut drawn {
        known.push(*key);
        **field = section.duration_or(key, field.low, problems).unwrap_or(**field);
        choices |= field.low < field.high;
    }
    for (key, field, named) in &mut derived {
        known.push(*key);
        let Some(value) = section.get(key) else { continue };
        *named = true;
        **field = super::field::duration(key, value, problems);
        choices |= field.is_some_and(|field| field.low < field.high);
    }
    known.push("max_drift_ppm");
    let drift = section.count_or("max_drift_ppm", spec.max_drift_ppm.low, problems);
    spec.max_drift_ppm = drift.unwrap_or(spec.max_drift_ppm);
    choices |= spec.max_drift_ppm.low < spec.max_drift_ppm.high;
    // The usual values fit to the usual lease only.
    for (_, field, named) in &mut derived {
        if choices && !*named {
            **field = None;
        }
    }
    section.only(&known, problems);
    // The lease rule is about all of them: it can only be checked when each could be read.
    let fine = problems.found.len() == before;
    (fine && spec.extremes().iter().all(|timing| validate::timing(timing, &section, problems)))
        .then_some(spec)
}

/// A promise that is not given is drawn from the least that the rule allows to this part more, and
/// other durations to that part.
pub const PROMISE_SLACK: u32 = 16;
/// See [`PROMISE_SLACK`].
pub const SLACK: u32 = 8;

impl TimingSpec {
    /// How long a voter that restarts may wait until it has campaigned once.
    pub(super) fn slowest_election(&self) -> Duration {
        let [_, _, latest] = self.extremes();
        // What is not given is drawn from the least to a share more.
        let least = latest.least_promise();
        let drawn = |least: Duration, part: u32| least + least / part;
        let promise = self.promise.map_or(drawn(least, PROMISE_SLACK), |range| range.high);
        let quarantine = self.quarantine.map_or(drawn(least, SLACK), |range| range.high);
        let timeout = self.election_timeout.map_or(drawn(promise, SLACK), |range| range.high);
        quarantine + timeout.max(promise) + self.jitter.high
    }

    /// Draws such that if these keep the rules, all do: each rule has one of them that strains it
    /// most.
    fn extremes(&self) -> [Timing; 3] {
        let low = |range: Option<Between<Duration>>, least| range.map_or(least, |range| range.low);
        let high =
            |range: Option<Between<Duration>>, least| range.map_or(least, |range| range.high);
        // The longest lease, and the shortest of what must be longer.
        let mut longest = Timing {
            heartbeat: self.heartbeat.low,
            lease: self.lease.high,
            jitter: self.jitter.low,
            margin: self.margin.high,
            max_drift_ppm: self.max_drift_ppm.high,
            ..Timing::default()
        };
        let least = longest.least_promise();
        longest.promise = low(self.promise, least);
        longest.quarantine = low(self.quarantine, least);
        longest.election_timeout = low(self.election_timeout, longest.promise);
        // The shortest lease beside the longest heartbeat, and the longest promise beside the
        // shortest timeout.
        let mut shortest = Timing {
            heartbeat: self.heartbeat.high,
            lease: self.lease.low,
            jitter: self.jitter.high,
            margin: self.margin.low,
            max_drift_ppm: self.max_drift_ppm.low,
            ..Timing::default()
        };
        let least = shortest.least_promise();
        shortest.promise = high(self.promise, least);
        shortest.quarantine = high(self.quarantine, least);
        shortest.election_timeout = low(self.election_timeout, shortest.promise);
        // The longest of all that only has to be in range.
        let mut latest = longest.clone();
        latest.promise = high(self.promise, latest.promise);
        latest.quarantine = high(self.quarantine, latest.quarantine);
        latest.election_timeout = high(self.election_timeout, latest.promise).max(latest.promise);
        [longest, shortest, latest]
    }
}
