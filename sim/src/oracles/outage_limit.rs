//! outage: nobody may act for no longer than the scenario allows.
//!
//! Only where `[expect] outage` says how long. It counts every stretch without a valid guard from the
//! end of the warm-up to the end of the run, whatever the world let the nodes do meanwhile: a scenario
//! knows its own faults. V5 is the property that asks whether somebody could have led.

use super::gaps::{gaps, held};
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, SimTime};

/// No outage beyond what the scenario allows.
pub const ORACLE: Oracle = Oracle {
    property: "outage",
    says: "nobody may act for no longer than the scenario's [expect] outage allows",
    layer: "service",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let Some(limit) = setting.outage else { return report.done() };
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    for gap in gaps(history, &held(history)).iter().filter(|gap| gap.lasts() > nanos) {
        let events = history.events();
        let due = SimTime(gap.from.0 + nanos);
        let index = events.partition_point(|event| event.at <= due).min(events.len() - 1);
        report.add(index, &events[index], || {
            let lasts = gap.lasts() as f64 / 1e9;
            format!(
                "nobody may act from {} on for {lasts:.3} s, and {limit:?} is allowed",
                gap.from
            )
        });
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::Script;
    use super::*;
    use crate::history::{Kind, Phase};

    fn limited(limit_ms: u64) -> Script {
        let mut script = Script::new();
        script.setting.outage = Some(Duration::from_millis(limit_ms));
        script.lease(1, 1, 1_000).guard(1, 1).push(Kind::Phase(Phase::Faults))
    }

    #[test]
    fn a_stretch_without_a_guard_may_last_as_long_as_the_scenario_says() {
        let again = |script: Script| script.at(3_000).lease(2, 2, 9_000).guard(2, 2).at(4_000);
        again(limited(2_000)).push(Kind::End).check(&ORACLE);
        let script = limited(1_999).at(3_000).bad().lease(2, 2, 9_000).guard(2, 2);
        script.at(4_000).push(Kind::End).check(&ORACLE);
    }

    #[test]
    fn one_that_lasts_to_the_end_counts_and_without_a_limit_none_does() {
        limited(2_000).at(4_000).bad().push(Kind::End).check(&ORACLE);
        let mut script = limited(1);
        script.setting.outage = None;
        script.at(4_000).push(Kind::End).check(&ORACLE);
    }
}
