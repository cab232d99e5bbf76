//! V2: rejoining nodes become operational: within the bound after the faults have ended, no voter
//! whose process runs still rejoins. While a deployment of another list of voters is half-way, who
//! rejoins may have to wait for it to go on; then nobody is judged.
//!
//! Liveness of the service: a voter that stays silent for ever is a voter less. With it goes that a
//! cluster which was wiped as a whole rises again (Curator CURATOR-724 does not).

use std::collections::{BTreeMap, BTreeSet};

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
    let mut gone: BTreeSet<NodeId> = BTreeSet::new();
    for (index, event) in history.events().iter().enumerate() {
        lists.note(&event.kind);
        let judged =
            matches!(event.kind, Kind::End) || deadline.is_some_and(|deadline| event.at > deadline);
        if judged && deadline.take().is_some() {
            if lists.are_half_way(&gone) {
                break;
            }
            for (node, since) in &rejoining {
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
            Kind::Booted { node, .. } => {
                gone.remove(&node);
            }
            Kind::Down { node, .. } => {
                rejoining.remove(&node);
                gone.insert(node);
            }
            _ => {}
        }
    }
    report.done()
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
    fn a_deployment_that_is_half_way_is_not_judged() {
        let deployed = |first: u32| {
            let script = (first..=4).fold(Script::new(), |script, number| {
                script.push(Kind::Listed { node: node(number), voters: 4 })
            });
            let boot = Boot { node: node(4), nonce: 1 };
            script.push(Kind::Rejoins { boot, reason: Rejoins::RemembersNothing })
        };
        healed(deployed(2)).at(9_000).push(Kind::End).check(&ORACLE);
        healed(deployed(1).down(2)).at(9_000).push(Kind::End).check(&ORACLE);
        healed(deployed(1)).at(9_000).bad().push(Kind::End).check(&ORACLE);
    }

    #[test]
    fn no_longer() {
        let script = healed(rejoins(Script::new())).at(9_000);
        script.bad().push(Kind::End).check(&ORACLE);
        let script = healed(rejoins(Script::new())).at(4_001).bad();
        rejoined(script, id(1)).push(Kind::End).check(&ORACLE);
    }
}
