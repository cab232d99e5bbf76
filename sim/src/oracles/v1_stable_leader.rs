//! V1: soon after the faults have ended there is a leader, and it stays.
//!
//! Liveness of the service. The bound counts from the start of the healing phase. At its end
//! somebody must validly hold a guard, and from then to the end of the run hold it without a gap:
//! no election, no stepping down, no lease that runs out. Leadership may change *within* the bound:
//! a leader that was cut off until the last fault ended still holds its guard for a moment, and
//! rightly loses it. A scenario whose faults leave the leader a healthy majority can ask for more:
//! that it stays all the time.

use fencepost::{NodeId, Term};

use super::guards::Guards;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, Phase, SimTime};

/// A leader within the bound, and stable.
pub const ORACLE: Oracle = Oracle {
    property: "V1",
    says: "after healing a leader exists within the bound, and is stable",
    layer: "service",
    check,
};

/// Who leads when the bound has passed.
type Leader = Option<(NodeId, Term)>;

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let within = u64::try_from(setting.leader_within.as_nanos()).unwrap_or(u64::MAX);
    let mut guards = Guards::default();
    let mut deadline: Option<SimTime> = None;
    let mut leader: Leader = None;
    let mut faults = false;
    for (index, event) in history.events().iter().enumerate() {
        // All that a message can do here is to come after the bound.
        let awaited = leader.is_none() && deadline.is_some_and(|deadline| event.at > deadline);
        if matches!(event.kind, Kind::Sent { .. }) && !awaited {
            continue;
        }
        let ended = event.kind == Kind::End;
        if let (None, Some(deadline)) = (leader, deadline)
            && (event.at > deadline || ended)
        {
            // A run may end as soon as all is well, before the bound has passed.
            leader = guards.valid(deadline.min(event.at)).next();
            if leader.is_none() {
                let bound = setting.leader_within;
                report.add(index, event, || format!("nobody leads {bound:?} after the healing"));
                break;
            }
        }
        faults = faults || event.kind == Kind::Phase(Phase::Faults);
        if let Kind::SteppedDown { node, term, reason } = event.kind
            && faults
            && setting.stable
        {
            report.add(index, event, || {
                format!("{node} led in term {term} and was disturbed by the faults: {reason:?}")
            });
            break;
        }
        let holds = |guards: &Guards, leader: Leader| {
            leader.is_some_and(|(node, term)| guards.is_valid(node, term, event.at))
        };
        if ended {
            if deadline.is_none() {
                report.add(index, event, || "the run never came to its healing phase".into());
            } else if !holds(&guards, leader) {
                report.add(index, event, || format!("the guard of {} ran out", show(leader)));
            }
            break;
        }
        if event.kind == Kind::Phase(Phase::Healing) && deadline.is_none() {
            deadline = Some(SimTime(event.at.0.saturating_add(within)));
        }
        let gains = match event.kind {
            Kind::LeaseExtended { node, term, .. } => Some((node, term)),
            Kind::GuardIssued { holder, token } => Some((holder.node, Term::from(token))),
            _ => None,
        };
        // Another's guard, or the leader's own after a gap.
        let gains = gains.filter(|_| leader.is_some() && !holds(&guards, gains));
        guards.apply(event);
        let disturbed = match event.kind {
            Kind::Elected { .. } => true,
            Kind::SteppedDown { node, term, .. } => leader == Some((node, term)),
            Kind::Booted { node, .. } | Kind::Down { node, .. } => {
                leader.is_some_and(|(leads, _)| leads == node)
            }
            _ => holds(&guards, gains),
        };
        if disturbed && leader.is_some() {
            report.add(index, event, || {
                format!("{} led after the healing and was disturbed", show(leader))
            });
            break;
        }
    }
    report.done()
}

fn show(leader: Leader) -> String {
    leader.map_or_else(|| "nobody".into(), |(node, term)| format!("{node} in term {term}"))
}
