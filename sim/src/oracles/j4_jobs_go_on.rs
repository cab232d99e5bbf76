//! J4: a job goes on: while somebody may act and reaches the store, an instant that comes has its outcome
//! within the bound, whatever the store's clock did before; also while faults last.
//!
//! Liveness of jobs, by the notion of V6: whoever holds a guard, and can take part and reaches the
//! services since then, decides about each job within its period, what its policies explain
//! ([`PlannedJob::patience`]) and what calls without an answer cost (`Pace::claim_within`), counted from
//! when the last of these began: its guard, its way to the store, the last outcome of the job, the last
//! step of the database's clock. Only instants count that have not run: what ran while the clock was
//! ahead is not to run again when its time comes. That instants were *skipped* while the clock was ahead
//! is no excuse: a range of skips is passed over only where runs lie close on both sides of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fencepost::WallTime;

use super::gaps::held;
use super::ground::Ground;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::faults::plan::PlannedJob;
use crate::history::{Event, History, JobEvent, JobNo, Kind, SimTime};

/// No job stands still.
pub const ORACLE: Oracle = Oracle {
    property: "J4",
    says: "a job goes on while somebody may act, whatever the store's clock did before",
    layer: "service",
    check,
};

/// What is known of one job.
#[derive(Default)]
struct Known {
    /// When it was registered, or an instant last had an outcome.
    last: Option<SimTime>,
    begun: BTreeSet<WallTime>,
    reported: bool,
}

/// The database's wall clock.
#[derive(Default)]
struct StoreClock {
    /// What it showed when, in milliseconds, since it was last set.
    shown: Option<(SimTime, WallTime)>,
    stepped: SimTime,
}

impl StoreClock {
    fn apply(&mut self, event: &Event) {
        match &event.kind {
            Kind::DatabaseWallStep { by_ms } => {
                if let Some(now) = self.at(event.at) {
                    let unix_ms = now.unix_ms.saturating_add_signed(*by_ms);
                    self.shown = Some((event.at, WallTime { unix_ms }));
                }
                self.stepped = event.at;
            }
            Kind::Job(JobEvent::Registered { cursor, .. }) if self.shown.is_none() => {
                self.shown = Some((event.at, *cursor));
            }
            _ => {}
        }
    }

    fn at(&self, at: SimTime) -> Option<WallTime> {
        let (since, shown) = self.shown?;
        let unix_ms = shown.unix_ms + at.since(since) / 1_000_000;
        Some(WallTime { unix_ms })
    }
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    if setting.jobs.is_empty() {
        return report.done();
    }
    let held = held(history);
    let mut begun = 0;
    let mut ground = Ground::new(setting);
    let mut clock = StoreClock::default();
    let mut known: BTreeMap<JobNo, Known> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        while held.get(begun).is_some_and(|held| held.from < event.at) {
            begun += 1;
        }
        let holder = held[..begun].iter().rev().find(|held| held.to >= event.at);
        let serves = holder.and_then(|holder| Some(holder.from.max(ground.serves(holder.node)?)));
        for (number, planned) in (1..).zip(&setting.jobs) {
            let Some(job) = known.get_mut(&JobNo(number)) else { continue };
            let Some((serves, last)) = serves.zip(job.last) else { continue };
            let since = serves.max(last).max(clock.stepped);
            let patience = planned.every * 2 + planned.patience();
            let patience = patience + Duration::from_nanos(setting.pace.claim_within());
            let waits = Duration::from_nanos(event.at.since(since));
            let (Some(due), false) = (waits.checked_sub(patience), job.reported) else { continue };
            let came = clock.at(since).and_then(|from| job.next(planned, from, patience));
            let until = clock.at(since).map(|from| from.unix_ms + millis(due + planned.every));
            if let Some((came, _)) = came.zip(until).filter(|(came, until)| came.unix_ms <= *until)
            {
                job.reported = true;
                report.add(index, event, || {
                    format!(
                        "j{number} stands still: {} came, and for {waits:?} nothing was decided, since \
                         {since}, though somebody may act",
                        came.unix_ms
                    )
                });
            }
        }
        ground.apply(event);
        clock.apply(event);
        match &event.kind {
            Kind::Job(job) => note(&mut known, job, event.at),
            Kind::End => break,
            _ => {}
        }
    }
    report.done()
}

fn note(known: &mut BTreeMap<JobNo, Known>, event: &JobEvent, at: SimTime) {
    match event {
        JobEvent::Registered { job, .. } | JobEvent::Skipped { job, .. } => {
            known.entry(*job).or_default().last = Some(at);
        }
        JobEvent::Began { run, .. } => {
            let job = known.entry(run.job).or_default();
            job.last = Some(at);
            job.begun.insert(run.instant);
        }
        _ => {}
    }
}

impl Known {
    /// The first instant after `from` that is to have an outcome.
    fn next(&self, planned: &PlannedJob, from: WallTime, close: Duration) -> Option<WallTime> {
        let mut next = planned.next_after(from);
        // Runs that lie close to each other are one stretch that was passed.
        loop {
            let after = self.begun.range(next..).next();
            let before = self.begun.range(..next).next_back();
            let near = |other: &WallTime| next.unix_ms.abs_diff(other.unix_ms) <= millis(close);
            match after {
                Some(after) if *after == next => next = planned.next_after(*after),
                Some(after) if near(after) && before.is_some_and(near) => {
                    next = planned.next_after(*after);
                }
                _ => return Some(next),
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fencepost::jobs::Overlap;

    use super::super::testing::Script;
    use super::*;
    use crate::history::{Phase, Spot, WorldEvent};

    /// n1 leads for a long time; a job that is due every second, registered at 1.5 s of the database's
    /// clock, has run once.
    fn ran() -> Script {
        let script = Script::new().job(Overlap::Skip).booted(1, 1).booted(2, 1).booted(3, 1);
        let script = script.lease(1, 1, 1_000_000).guard(1, 1).push(Kind::Phase(Phase::Faults));
        script.job_registered(1, 1_500).at(500).job_began(1, 1, 2_000)
    }

    fn step(script: Script, by_ms: i64) -> Script {
        script.push(Kind::DatabaseWallStep { by_ms })
    }

    #[test]
    fn a_job_that_stands_still_is_caught() {
        ran().at(15_000).end().check(&ORACLE);
        ran().at(60_000).bad().end().check(&ORACLE);
        ran().at(15_000).job_skipped(1, 1, 3_000, 15_000).at(30_000).end().check(&ORACLE);
        let bad = ran().at(15_000).job_skipped(1, 1, 3_000, 15_000).at(60_000).bad();
        bad.end().check(&ORACLE);
    }

    #[test]
    fn without_a_store_or_a_guard_nobody_can_go_on() {
        let service = |works| Kind::World(WorldEvent::Service { which: Spot::Database, works });
        let cut = ran().push(service(false)).at(50_000).push(service(true));
        cut.at(60_000).end().check(&ORACLE);
        ran().at(1_000).stepped_down(1, 1).at(60_000).end().check(&ORACLE);
    }

    /// The clock is a day ahead for a while. What was skipped is no excuse, what ran is.
    #[test]
    fn a_clock_that_was_ahead_is_no_excuse() {
        const DAY: i64 = 86_400_000;
        let day = DAY as u64;
        let ahead = || {
            let script = step(ran().at(1_000), DAY);
            let script = script.job_skipped(1, 1, 3_000, day + 2_000).job_began(1, 1, day + 3_000);
            step(script.at(4_000), -DAY)
        };
        ahead().at(60_000).bad().end().check(&ORACLE);
        ahead().at(15_000).job_began(1, 1, 16_000).at(30_000).end().check(&ORACLE);
        // A minute ahead, in which it ran all the time: nothing is left to run.
        let mut script = step(ran().at(1_000), 60_000);
        for second in 3..=120 {
            script = script.job_began(1, 1, second * 1_000);
        }
        step(script.at(2_000), -60_000).at(60_000).end().check(&ORACLE);
    }
}
