//! How far the lists of voters drift apart while a plan's deployments are under way.

use std::collections::BTreeMap;

use super::plan::{Fault, Plan};

/// Whether the lists of the running nodes differ by one voter at most at any time, as operators are
/// told to keep them. What a plan that does not is good for is to see that such lists are refused.
pub fn stay_close(plan: &Plan) -> bool {
    let mut lists: BTreeMap<_, u32> =
        plan.voter_nodes().chain(plan.observer_nodes()).map(|node| (node, plan.voters)).collect();
    plan.faults.iter().all(|planned| {
        match planned.fault {
            Fault::Deploy { node, voters, .. } => {
                lists.insert(node, voters);
            }
            Fault::Retire { node } => {
                lists.remove(&node);
            }
            _ => return true,
        }
        let (least, most) = (lists.values().min(), lists.values().max());
        least.zip(most).is_none_or(|(least, most)| most - least <= 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::generate;
    use crate::scenario::Scenario;

    fn close(faults: &str) -> bool {
        let text = format!(
            "name = \"t\"\ncluster = {{ voters = 3 }}\nhorizon = \"60s\"\nfaults = [{faults}]"
        );
        stay_close(&generate(&Scenario::parse("t", &text).unwrap(), 1))
    }

    #[test]
    fn one_voter_at_a_time() {
        let four = "{ at = \"1s\", deploy = \"all\", voters = 4, gap = \"1s\" },";
        let five = "{ at = \"20s\", deploy = \"all\", voters = 5, gap = \"1s\" },";
        assert!(close(""));
        assert!(close(&format!("{four}{five}")));
        assert!(!close(five));
    }
}
