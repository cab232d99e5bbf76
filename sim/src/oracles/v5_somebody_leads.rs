//! V5: whenever somebody could lead for long enough, somebody may act; also while faults last.
//!
//! Availability. `ground` says what "could" means, and what no protocol can give; `pace` computes how
//! long is long enough. A stretch without a guard is judged from when it began, or from when the voter
//! that could lead for the longest time could do so, whichever is later. Who holds the guard is
//! not asked: any valid one will do.

use super::chances::{changes_by, moments, within};
use super::gaps::{gaps, held};
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, SimTime};

/// Somebody leads if somebody can.
pub const ORACLE: Oracle = Oracle {
    property: "V5",
    says: "somebody may act whenever a majority, and the store, could be reached for long enough",
    layer: "service",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let gaps = gaps(history, &held(history));
    // Nobody waits for less than the shortest of all bounds.
    let least = setting.pace.least_guard_within();
    if gaps.iter().all(|gap| gap.lasts() < least) {
        return report.done();
    }
    let (moments, end) = moments(history, setting);
    for gap in gaps.iter().filter(|gap| gap.lasts() >= least) {
        for (moment, until) in within(&moments, end, gap) {
            let Some(chance) = moment.chance else { continue };
            let since = chance.since.max(gap.from);
            // Several changes of one instant are all before it.
            let changes = moment.changes.saturating_sub(changes_by(&moments, since));
            let bound = setting.pace.guard_within(moment.odds);
            let bound = bound.saturating_add(setting.pace.disturbance() * u64::from(changes));
            let due = SimTime(since.0.saturating_add(bound)).max(moment.from);
            if due >= until.min(gap.to) {
                continue;
            }
            let events = history.events();
            let index = events.partition_point(|event| event.at <= due).min(events.len() - 1);
            report.add(index, &events[index], || {
                format!(
                    "nobody has been able to act since {}, though {} has reached a majority{} since \
                     {}: somebody had to within {:.1} s, by {due}",
                    gap.from,
                    chance.centre,
                    if setting.pace.store { " and the store" } else { "" },
                    chance.since,
                    bound as f64 / 1e9,
                )
            });
            break;
        }
    }
    report.done()
}
