//! W1: a unit of a work has one live assignment: at any moment at most one node may act on it.
//!
//! Guards the lease layer, as L1 does: the leader moves a unit only when its worker has let go of it,
//! or when the worker's permission has run out on any clock whose rate is within the bound. Seen
//! broken in KAFKA-16147. The check ends with the first clock that leaves the bound: from there on only
//! W2 and D1 are promised. Two permissions overlap exactly if one begins while the other lasts.

use super::report::Report;
use super::shares::Shares;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, WorkEvent};

/// One worker a unit.
pub const ORACLE: Oracle = Oracle {
    property: "W1",
    says: "at most one node may act on a unit while clock rates are within the bound",
    layer: "lease",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut shares = Shares::default();
    for (index, event) in history.besides_messages() {
        if let Kind::ClockRate { within_bound: false, .. } = event.kind {
            break;
        }
        shares.apply(event);
        let Kind::Work(WorkEvent::Held { share, .. }) = &event.kind else { continue };
        for other in shares.valid(&share.work, share.unit, event.at) {
            if other.worker != share.worker {
                report.add(index, event, || {
                    let (worker, unit, work) = (share.worker, share.unit, &share.work);
                    let other = other.worker;
                    format!("{worker} may act on {work}/{unit} while {other} may")
                });
            }
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    fn script() -> Script {
        Script::new().clock(1, 0, 0).clock(2, 0, 0).booted(1, 1).booted(2, 1)
    }

    #[test]
    fn a_unit_passes_on_when_its_worker_lets_go_or_its_time_is_over() {
        script()
            .held(1, 7, 1, 1, 900)
            .held(2, 8, 1, 2, 900)
            .at(500)
            .share_ended(1, 7, 1)
            .held(2, 7, 1, 3, 900)
            .at(900)
            .held(1, 7, 1, 4, 1_800)
            .check(&ORACLE);
        // Its process is gone.
        script().held(1, 7, 1, 1, 900).down(1).held(2, 7, 1, 2, 900).check(&ORACLE);
    }

    #[test]
    fn two_workers_of_one_unit_are_one_too_many() {
        let script = script().held(1, 7, 1, 1, 900).at(500).bad().held(2, 7, 1, 2, 900);
        script.bad().held(1, 7, 1, 1, 1_000).check(&ORACLE);
    }

    #[test]
    fn what_counts_is_the_workers_own_clock() {
        // Half the speed: 900 ms of its own take 1,800 ms.
        let slow = Script::new().clock(1, 0, -500_000).clock(2, 0, 0).held(1, 7, 1, 1, 900);
        slow.at(1_799).bad().held(2, 7, 1, 2, 2_700).check(&ORACLE);
        let slow = Script::new().clock(1, 0, -500_000).clock(2, 0, 0).held(1, 7, 1, 1, 900);
        slow.at(1_800).held(2, 7, 1, 2, 2_700).check(&ORACLE);
    }

    #[test]
    fn nothing_is_promised_outside_the_bound() {
        script().held(1, 7, 1, 1, 900).clock_out_of_bound(1).held(2, 7, 1, 2, 900).check(&ORACLE);
    }
}
