//! V2: rejoining nodes become operational: within the bound after the faults have ended, no voter
//! whose process runs still rejoins. A new voter that too few others have on their lists yet has to
//! wait for the deployment to go on, and is not judged.
//!
//! Liveness of the service: a voter that stays silent for ever is a voter less. With it goes that a
//! cluster which was wiped as a whole rises again (Curator CURATOR-724 does not).

use std::collections::BTreeMap;

use fencepost::NodeId;
use fencepost::election::Role;

use super::lists::Lists;
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, Phase, SimTime};

/// Everybody takes part again.
pub const ORACLE: Oracle = Oracle {
    property: "V2",
    says: "after healing, nodes that rejoin become operational within the bound",
    layer: "service",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let within = u64::try_from(setting.leader_within.as_nanos()).unwrap_or(u64::MAX);
    let mut rejoining: BTreeMap<NodeId, SimTime> = BTreeMap::new();
    let mut deadline: Option<SimTime> = None;
    let mut lists = Lists::new(setting);
    for (index, event) in history.events().iter().enumerate() {
        lists.note(&event.kind);
        let judged =
            matches!(event.kind, Kind::End) || deadline.is_some_and(|deadline| event.at > deadline);
        if judged && deadline.take().is_some() {
            for (node, since) in rejoining.iter().filter(|(node, _)| known(**node, &lists)) {
                report.add(index, event, || format!("{node} has been rejoining since {since}"));
            }
            break;
        }
        match event.kind {
            Kind::Phase(Phase::Healing) => {
                deadline = Some(SimTime(event.at.0.saturating_add(within)));
            }
            Kind::Rejoins { boot, .. } => {
                rejoining.entry(boot.node).or_insert(event.at);
            }
            Kind::Rejoined { who, .. } => {
                rejoining.remove(&who.node);
            }
            // A process that says it is anything else has ended it too.
            Kind::Status { node, role, .. } if role != Role::Rejoining => {
                rejoining.remove(&node);
            }
            Kind::Down { node, .. } => {
                rejoining.remove(&node);
            }
            _ => {}
        }
    }
    report.done()
}

/// Whether as many others have that voter on their lists as it has to ask.
fn known(node: NodeId, lists: &Lists) -> bool {
    let list = lists.of(node);
    let others = list.iter().filter(|other| **other != node && lists.of(**other).contains(&node));
    // One or two voters can only start anew together.
    others.count() >= (list.len() / 2 + 1).min(list.len() - 1)
}

#[cfg(test)]
mod tests {
    use fencepost::election::Rejoins;
    use fencepost::{Boot, Identity};

    use super::super::testing::{GENERATION, Script, id, node};
    use super::*;

    fn rejoins(script: Script) -> Script {
        let boot = Boot { node: node(1), nonce: 1 };
        script.push(Kind::Rejoins { boot, reason: Rejoins::RemembersNothing })
    }

    fn rejoined(script: Script, who: Identity) -> Script {
        script.push(Kind::Rejoined { who, generation: GENERATION, by_roll: false })
    }

    fn healed(script: Script) -> Script {
        script.at(1_000).push(Kind::Phase(Phase::Healing))
    }

    #[test]
    fn rejoining_may_take_as_long_as_the_bound() {
        let script = healed(rejoins(Script::new())).at(3_999);
        rejoined(script, id(1)).at(9_000).push(Kind::End).check(&ORACLE);
        healed(rejoins(Script::new())).down(1).at(9_000).push(Kind::End).check(&ORACLE);
    }

    #[test]
    fn a_new_voter_waits_for_the_lists_of_others() {
        let joins = |others: u32| {
            let script = (1..=others + 1).fold(Script::new(), |script, number| {
                script.push(Kind::Listed { node: node(5 - number), voters: 4 })
            });
            let boot = Boot { node: node(4), nonce: 1 };
            healed(script.push(Kind::Rejoins { boot, reason: Rejoins::RemembersNothing })).at(9_000)
        };
        joins(2).push(Kind::End).check(&ORACLE);
        joins(3).bad().push(Kind::End).check(&ORACLE);
    }

    #[test]
    fn no_longer() {
        let script = healed(rejoins(Script::new())).at(9_000);
        script.bad().push(Kind::End).check(&ORACLE);
        let script = healed(rejoins(Script::new())).at(4_001).bad();
        rejoined(script, id(1)).push(Kind::End).check(&ORACLE);
    }
}
