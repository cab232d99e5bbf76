//! W2: workers act only under the newest epoch: a claim under an assignment commits only while that is
//! the newest of its unit, and an act starts only under a permission whose deadline lies ahead.
//!
//! Guards the fence layer for claims, whatever clocks do, and the lease layer for acts, which are
//! recorded where they leave the node.

use std::collections::BTreeMap;

use fencepost::store::{Assignment, Unit, WorkName};

use super::report::Report;
use super::shares::Shares;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, WorkEvent};

/// Nothing under an assignment that has ended.
pub const ORACLE: Oracle = Oracle {
    property: "W2",
    says: "workers claim and act only under the newest assignment of their unit",
    layer: "fence",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut shares = Shares::default();
    let mut newest: BTreeMap<(WorkName, Unit), Assignment> = BTreeMap::new();
    let mut lost = false;
    for (index, event) in history.besides_messages() {
        // Which assignment is the newest of those that the store still has is not known.
        if matches!(event.kind, Kind::SetBack { .. }) {
            newest.clear();
            lost = true;
        }
        shares.apply(event);
        let Kind::Work(work_event) = &event.kind else { continue };
        match work_event {
            WorkEvent::Assigned { work, assignment } => {
                let before = newest.insert((work.clone(), assignment.unit), *assignment);
                if let Some(before) = before.filter(|before| before.epoch >= assignment.epoch) {
                    report.add(index, event, || {
                        let (unit, was, is) = (assignment.unit, before.epoch, assignment.epoch);
                        format!("the epoch of {work}/{unit} goes from {was} to {is}")
                    });
                }
            }
            WorkEvent::Claimed { message, token, share } => {
                let stands = newest.get(&(share.work.clone(), share.unit));
                let shown = (share.epoch, share.worker, *token);
                let stood = stands.map(|stands| (stands.epoch, stands.worker, stands.token));
                if stood != Some(shown) && !(lost && stands.is_none()) {
                    report.add(index, event, || {
                        format!("{message} was claimed under {share:?}; newest is {stands:?}")
                    });
                }
            }
            WorkEvent::Acted { share, reading } => {
                let given = shares.of(share).filter(|given| given.share == *share);
                if given.is_none_or(|given| *reading >= given.until) {
                    report.add(index, event, || {
                        let (worker, unit, work) = (share.worker, share.unit, &share.work);
                        format!("{worker} acts on {work}/{unit} without permission: {given:?}")
                    });
                }
            }
            WorkEvent::Held { .. } | WorkEvent::Ended { .. } => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    #[test]
    fn what_is_newest_counts() {
        Script::new()
            .assigned(1, 7, 1, 1)
            .share_claimed(1, 7, 1, 1, 3)
            .assigned(2, 7, 1, 2)
            .share_claimed(2, 7, 1, 2, 4)
            .assigned(2, 7, 5, 3)
            .share_claimed(2, 7, 5, 3, 5)
            .check(&ORACLE);
    }

    #[test]
    fn older_epochs_other_workers_and_other_tokens_do_not() {
        let script = Script::new().bad().share_claimed(1, 7, 1, 1, 3);
        let script = script.assigned(1, 7, 1, 1).assigned(2, 7, 1, 2);
        let script = script.bad().share_claimed(1, 7, 1, 1, 3).bad().share_claimed(1, 7, 1, 2, 3);
        script.bad().share_claimed(2, 7, 2, 2, 3).check(&ORACLE);
    }

    #[test]
    fn epochs_rise() {
        Script::new().assigned(1, 7, 1, 2).bad().assigned(2, 7, 1, 2).check(&ORACLE);
    }

    #[test]
    fn acts_start_under_a_permission_before_its_deadline() {
        let script = Script::new().clock(1, 0, 0).bad().acted(1, 7, 1, 0).held(1, 7, 1, 1, 900);
        let script = script.acted(1, 7, 1, 899).bad().acted(1, 7, 1, 900);
        let script = script.bad().acted(1, 7, 2, 100).bad().acted(2, 7, 1, 100);
        script.share_ended(1, 7, 1).bad().acted(1, 7, 1, 100).check(&ORACLE);
    }
}
