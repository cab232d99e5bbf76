//! `deploy` and `retire`: the list of voters changes, node by node.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::MAX_VOTERS;

use super::FaultSpec;
use super::fault::Around;
use super::field::{Section, count, fixed, text};
use super::links::numbered;
use super::problem::Problems;
use super::units::Between;
use crate::faults::plan::{node, observer};

/// A `deploy`.
pub(super) fn deploy(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let voters = voters(section, problems);
    let name =
        text("deploy", section.get("deploy")?, "a node such as \"n4\", or \"all\"", problems)?;
    let node = match name {
        "all" => Some(None),
        _ => named("deploy", voters.unwrap_or(MAX_VOTERS as u32), section, around, problems)
            .map(Some),
    };
    let gap = match (name, section.get("gap")) {
        ("all", _) => section.need_some_time("gap", problems),
        (_, None) => Some(Between::exactly(Duration::ZERO)),
        (_, Some(_)) => {
            problems.add(
                section.place("gap"),
                "one node is deployed without a gap",
                "nothing follows it",
                "leave the gap out, or write deploy = \"all\"",
            );
            None
        }
    };
    let down = section.duration_or("down", Duration::ZERO, problems);
    Some(FaultSpec::Deploy { node: node?, voters: voters?, gap: gap?, down: down? })
}

/// The node of a `retire`: it may be one that only a `deploy` brings.
pub(super) fn retired(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<NodeId> {
    named("retire", MAX_VOTERS as u32, section, around, problems)
}

fn voters(section: &Section, problems: &mut Problems) -> Option<u32> {
    let value = section.need("voters", "4", problems)?;
    let voters = fixed("voters", count("voters", value, problems)?, section, problems)?;
    if (1..=MAX_VOTERS as u32).contains(&voters) {
        return Some(voters);
    }
    problems.add(
        value.span(),
        format!("a list of {voters} voters"),
        format!("expected 1 to {MAX_VOTERS}"),
        "voters = 4 is the list n1, n2, n3, n4",
    );
    None
}

/// The node that `key` names: a voter up to `most`, or an observer of the cluster.
fn named(
    key: &str,
    most: u32,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<NodeId> {
    let value = section.get(key)?;
    let name = text(key, value, "a node such as \"n4\"", problems)?;
    let help = match numbered(name) {
        Some(('n', number)) if number <= most => return Some(node(number)),
        Some(('n', _)) => format!("the list is n1 to n{most}: a voter stands in its own list"),
        Some((_, number)) if around.observers.is_none_or(|o| number <= o.low) => {
            return Some(observer(number));
        }
        Some(_) => "name an observer that every seed has".to_owned(),
        None => "name a voter such as \"n4\" or an observer such as \"o1\"".to_owned(),
    };
    let message = format!("\"{name}\" is no node that {key} can meet");
    problems.add(value.span(), message, "expected a node", help);
    None
}
