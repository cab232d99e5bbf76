//! How far the lists of voters drift apart while a plan's deployments are under way.

use std::collections::BTreeMap;

use fencepost::NodeId;

use super::plan::{Fault, Plan, node};

/// How many voters are on the list of each node that runs.
type Lists = BTreeMap<NodeId, u32>;

/// Whether the plan deploys lists as operators are told to: one voter at a time, and to the end.
pub fn are_kept_in_step(plan: &Plan) -> bool {
    stay_close(plan) && settle(plan)
}

/// Whether the lists of the running nodes differ by one voter at most at any time. What a plan that
/// does not is good for is to see that such lists are refused.
fn stay_close(plan: &Plan) -> bool {
    let mut lists = first(plan);
    plan.faults.iter().all(|planned| {
        deploy(&mut lists, &planned.fault);
        let (least, most) = (lists.values().min(), lists.values().max());
        least.zip(most).is_none_or(|(least, most)| most - least <= 1)
    })
}

/// Whether all deployments are done in the end: every node that runs has the same list, and every
/// voter on it runs. Half-way, voters that were restarted may wait for the rest for ever.
fn settle(plan: &Plan) -> bool {
    let mut lists = first(plan);
    for planned in &plan.faults {
        deploy(&mut lists, &planned.fault);
    }
    let Some(list) = lists.values().next().copied() else { return false };
    lists.values().all(|other| *other == list)
        && (1..=list).all(|number| lists.contains_key(&node(number)))
}

fn first(plan: &Plan) -> Lists {
    plan.voter_nodes().chain(plan.observer_nodes()).map(|node| (node, plan.voters)).collect()
}

fn deploy(lists: &mut Lists, fault: &Fault) {
    match fault {
        Fault::Deploy { node, voters, .. } => {
            lists.insert(*node, *voters);
        }
        Fault::Retire { node } => {
            lists.remove(node);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::generate;
    use crate::scenario::Scenario;

    fn plan(faults: &str) -> Plan {
        let text = format!(
            "name = \"t\"\ncluster = {{ voters = 3 }}\nhorizon = \"60s\"\nfaults = [{faults}]"
        );
        generate(&Scenario::parse("t", &text).unwrap(), 1)
    }

    const FOUR: &str = "{ at = \"1s\", deploy = \"all\", voters = 4, gap = \"1s\" },";

    #[test]
    fn one_voter_at_a_time() {
        let five = "{ at = \"20s\", deploy = \"all\", voters = 5, gap = \"1s\" },";
        assert!(are_kept_in_step(&plan("")));
        assert!(are_kept_in_step(&plan(&format!("{FOUR}{five}"))));
        assert!(!stay_close(&plan(five)));
    }

    #[test]
    fn a_deployment_settles_when_all_have_the_list() {
        let back = "{ at = \"9s\", deploy = \"all\", voters = 3, gap = \"1s\" },";
        let gone = "{ at = \"20s\", retire = \"n4\" },";
        assert!(are_kept_in_step(&plan(FOUR)));
        assert!(are_kept_in_step(&plan(&format!("{FOUR}{back}{gone}"))));
        assert!(!settle(&plan(&format!("{FOUR}{back}"))), "n4 still has four");
        assert!(!settle(&plan(&format!("{FOUR}{gone}"))), "n4 is missed");
        assert!(!settle(&plan("{ at = \"1s\", deploy = \"n1\", voters = 4 },")));
    }
}
