//! Whom a record's fault meets: sets of nodes and groups, a bit each, and what can be made of them.

use fencepost::NodeId;

use crate::faults::plan::{Links, Plan, Target, node, observer};

/// A set of targets, a bit each.
#[derive(Clone, Copy)]
pub(super) struct Targets(pub u16);

/// A node that a bit stands for.
#[derive(Clone, Copy)]
enum Member {
    Voter(u32),
    Observer(u32),
}

impl Member {
    fn id(self) -> NodeId {
        match self {
            Self::Voter(number) => node(number),
            Self::Observer(number) => observer(number),
        }
    }

    fn is(self, id: NodeId) -> bool {
        self.id() == id
    }
}

/// The bits from the lowest: first the nodes,
const NODES: [Member; 7] = [
    Member::Voter(1),
    Member::Voter(2),
    Member::Voter(3),
    Member::Voter(4),
    Member::Voter(5),
    Member::Observer(1),
    Member::Observer(2),
];

/// then what stands for some of them, or for no node.
const GROUPS: [Target; 7] = [
    Target::Leader,
    Target::Follower,
    Target::Majority,
    Target::Others,
    Target::All,
    Target::Database,
    Target::Sink,
];

impl Targets {
    /// Those that the plan's cluster has, in order; `else_` if there are none.
    pub fn of(self, plan: &Plan, else_: Target) -> Vec<Target> {
        let has = |bit: usize| self.0 >> bit & 1 == 1;
        let there = |member: &Member| match *member {
            Member::Voter(number) => number <= plan.voters,
            Member::Observer(number) => number <= plan.observers,
        };
        let nodes = NODES.iter().enumerate().filter(|(bit, node)| has(*bit) && there(node));
        let nodes = nodes.map(|(_, member)| Target::Node(member.id()));
        let groups = GROUPS.iter().enumerate().filter(|(bit, _)| has(NODES.len() + bit));
        let mut targets: Vec<Target> = nodes.chain(groups.map(|(_, target)| *target)).collect();
        if targets.is_empty() {
            targets.push(else_);
        }
        targets
    }

    pub fn from_list(targets: &[Target]) -> Self {
        let bit = |target: &Target| match target {
            Target::Node(id) => NODES.iter().position(|member| member.is(*id)),
            group => GROUPS.iter().position(|known| known == group).map(|at| NODES.len() + at),
        };
        Self(targets.iter().filter_map(bit).fold(0, |bits, bit| bits | 1 << bit))
    }
}

/// Which of the nodes it is, from 0; also 0 for one that no bit stands for.
pub(super) fn number_of(id: NodeId) -> u8 {
    let number = NODES.iter().position(|member| member.is(id)).unwrap_or(0);
    u8::try_from(number).expect("few nodes")
}

/// Of what a link can end at, what a process can run on.
pub(super) fn nodes_of(ends: &[Target]) -> Vec<Target> {
    let nodes = ends.iter().filter(|end| end.is_nodes() && **end != Target::Others);
    let nodes: Vec<Target> = nodes.copied().collect();
    match nodes.as_slice() {
        [] => vec![Target::Leader],
        some if some.contains(&Target::All) => vec![Target::All],
        _ => nodes,
    }
}

/// Links that a scenario may name, made of those ends: no end is on both sides, others are others
/// than somebody, and nodes have a part.
pub(super) fn links_of(
    from: Vec<Target>,
    to: Vec<Target>,
    both_ways: bool,
    nodes_only: bool,
) -> Links {
    let fits = |end: &Target| !nodes_only || end.is_nodes();
    let is_named = |end: &Target| end.is_nodes() && *end != Target::Others;
    let (mut from, mut to) = (from, to);
    from.retain(fits);
    to.retain(|end| fits(end) && (*end == Target::All || !from.contains(end)));
    if !to.iter().any(is_named) {
        from.retain(|end| *end != Target::Others);
    }
    if from.is_empty() {
        from.push(Target::Leader);
        to.retain(|end| *end != Target::Leader);
    }
    if !from.iter().any(is_named) {
        to.retain(|end| *end != Target::Others);
    }
    if !from.iter().chain(&to).any(|end| end.is_nodes()) {
        to.clear();
    }
    if to.is_empty() {
        let rest = if from.iter().any(is_named) { Target::Others } else { Target::All };
        to.push(rest);
    }
    Links { from, to, both_ways }
}

/// The first that is one node.
pub(super) fn one_of(ends: &[Target]) -> Target {
    let one = |end: &&Target| matches!(end, Target::Node(_) | Target::Leader | Target::Follower);
    ends.iter().find(one).copied().unwrap_or(Target::Leader)
}
