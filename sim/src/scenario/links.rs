//! Whom a fault meets: `n1`, `leader`, `n1, o1`, `n1, n2 <-> n3`, `all -> db`.

use std::ops::Range;

use fencepost::NodeId;

use super::fault::Around;
use super::field::{Section, text};
use super::problem::{Problems, suggest};
use super::units::Between;
use crate::faults::plan::{Links, Target, node, observer};

const WORDS: &[(&str, Target)] = &[
    ("leader", Target::Leader),
    ("follower", Target::Follower),
    ("majority", Target::Majority),
    ("others", Target::Others),
    ("all", Target::All),
    ("db", Target::Database),
    ("sink", Target::Sink),
];

/// Whether a word stands for nodes, and in which places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Nodes, the database and the sink; without an arrow: the rest of the world on the other side.
    Cut,
    /// Nodes, the database and the sink.
    Slow,
    /// Nodes only.
    Noise,
}

/// The single node that the fault `key` meets.
pub(super) fn one_node(
    key: &str,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<Target> {
    let value = section.get(key)?;
    let name = text(key, value, "a node, \"leader\" or \"follower\"", problems)?;
    single(key, name, value.span(), around, problems)
}

/// The node of that name or role.
pub(super) fn single(
    key: &str,
    name: &str,
    at: Range<usize>,
    around: Around,
    problems: &mut Problems,
) -> Option<Target> {
    let found = target(name, at.clone(), around, problems)?;
    if matches!(found, Target::Node(_) | Target::Leader | Target::Follower) {
        return Some(found);
    }
    problems.add(
        at,
        format!("{key} cannot meet \"{found}\""),
        "expected one node",
        "name a node such as \"n1\", or write \"leader\" or \"follower\"; for several nodes write \
         one fault each",
    );
    None
}

/// The voter of that name, for an event that only voters cause.
pub(super) fn voter(
    name: &str,
    at: Range<usize>,
    around: Around,
    problems: &mut Problems,
) -> Option<NodeId> {
    let (message, help) = match numbered(name) {
        Some(('n', number)) => {
            let found = one_of_the_nodes(name, 'n', number, at, around, problems)?;
            let Target::Node(node) = found else { unreachable!("a name is that of a node") };
            return Some(node);
        }
        Some(_) => (format!("{name} is an observer, and never leads"), "name a voter".to_owned()),
        None => {
            let voters = around.voters.map_or(3, |v| v.low);
            let known: Vec<String> = (1..=voters).map(|n| format!("n{n}")).collect();
            let help = suggest(name, known.iter().map(String::as_str));
            (format!("\"{name}\" is not a voter"), help)
        }
    };
    problems.add(at, message, "expected a voter", help);
    None
}

/// The nodes that the fault `key` meets: one or several.
pub(super) fn nodes(
    key: &str,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<Vec<Target>> {
    let value = section.get(key)?;
    let at = value.span();
    let all = text(key, value, "nodes such as \"n1\", \"n1, n2\" or \"all\"", problems)?;
    let found = targets(all, all, &at, around, problems)?;
    let (message, label, help) =
        if let Some(target) = found.iter().find(|t| !t.is_nodes() || **t == Target::Others) {
            (
                format!("{key} cannot meet \"{target}\""),
                "expected nodes",
                "name nodes such as \"n1\" or \"n1, n2\", or write \"leader\", \"follower\", \
                 \"majority\" or \"all\"",
            )
        } else if let Some(target) = twice(&found) {
            (format!("\"{target}\" is named twice"), "the same node", "name it once")
        } else if found.len() > 1 && found.contains(&Target::All) {
            (
                "\"all\" leaves nobody to be named beside it".to_owned(),
                "more than all",
                "write \"all\", or name the nodes that are meant",
            )
        } else {
            return Some(found);
        };
    problems.add(at, message, label, help);
    None
}

/// The links that the fault `key` meets.
pub(super) fn links(
    key: &str,
    ends: Ends,
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<Links> {
    let value = section.get(key)?;
    let at = value.span();
    let all = text(key, value, "links such as \"n1 -> n2, n3\"", problems)?;
    let (left, right, both_ways) = if let Some((left, right)) = all.split_once("<->") {
        (left, Some(right), true)
    } else if let Some((left, right)) = all.split_once("->") {
        (left, Some(right), false)
    } else {
        (all, None, true)
    };
    let mut side = |text| targets(all, text, &at, around, problems);
    let links = match right {
        Some(right) => {
            let (from, to) = (side(left), side(right));
            Links { from: from?, to: to?, both_ways }
        }
        None => {
            let from = side(left)?;
            let nodes = from.iter().all(|t| t.is_nodes() && *t != Target::Others);
            if ends != Ends::Cut || !nodes {
                problems.add(
                    at,
                    format!("{key} = \"{all}\" names no link"),
                    "expected an arrow",
                    "write \"n1 -> n2\" for one way or \"n1 <-> n2\" for both; only `cut` and \
                     `flap` with nodes may go without, and cut them off from all others, the database and \
                     the sink",
                );
                return None;
            }
            let to = vec![Target::Others, Target::Database, Target::Sink];
            Links { from, to, both_ways }
        }
    };
    sensible(&links, ends, all, &at, problems).then_some(links)
}

fn targets(
    whole: &str,
    side: &str,
    at: &Range<usize>,
    around: Around,
    problems: &mut Problems,
) -> Option<Vec<Target>> {
    // Every name is looked at, so that all wrong ones are reported.
    let found: Vec<Option<Target>> = side
        .split(',')
        .map(|name| {
            let name = name.trim();
            let place = problems.part(at, whole, name);
            target(name, place, around, problems)
        })
        .collect();
    found.into_iter().collect()
}

fn target(name: &str, at: Range<usize>, around: Around, problems: &mut Problems) -> Option<Target> {
    if let Some((letter, number)) = numbered(name) {
        return one_of_the_nodes(name, letter, number, at, around, problems);
    }
    if let Some((_, target)) = WORDS.iter().find(|(word, _)| *word == name) {
        return Some(*target);
    }
    let known = WORDS.iter().map(|(word, _)| *word);
    let (message, help) = if name.is_empty() {
        let known: Vec<&str> = known.collect();
        let help = format!("name a node such as n1, or write one of: {}", known.join(", "));
        ("a name is missing".to_owned(), help)
    } else {
        let voters = around.voters.map_or(3, |v| v.low);
        let observers = around.observers.map_or(0, |o| o.low);
        let nodes: Vec<String> = (1..=voters)
            .map(|n| format!("n{n}"))
            .chain((1..=observers).map(|n| format!("o{n}")))
            .collect();
        let help = suggest(name, nodes.iter().map(String::as_str).chain(known));
        (format!("\"{name}\" is neither a node nor a group"), help)
    };
    problems.add(at, message, "expected a node or a group", help);
    None
}

/// The letter and the number of a name such as `n12` or `o1`.
pub(super) fn numbered(name: &str) -> Option<(char, u32)> {
    let letter = name.chars().next().filter(|letter| matches!(letter, 'n' | 'o'))?;
    let digits = &name[1..];
    let fine = digits.starts_with(|c| ('1'..='9').contains(&c));
    digits.parse().ok().filter(|_| fine).map(|number| (letter, number))
}

/// That voter or observer, if every seed has it.
fn one_of_the_nodes(
    name: &str,
    letter: char,
    number: u32,
    at: Range<usize>,
    around: Around,
    problems: &mut Problems,
) -> Option<Target> {
    let (target, what, count) = match letter {
        'n' => (Target::Node(node(number)), "voters", around.voters),
        _ => (Target::Node(observer(number)), "observers", around.observers),
    };
    let Some(Between { low, high }) = count else { return Some(target) };
    if number <= low {
        return Some(target);
    }
    let help = if number > high {
        match (letter, low) {
            ('n', _) => format!("the cluster has the nodes n1 to n{low}"),
            (_, 0) if high == 0 => {
                format!("the cluster has no observers: write observers = {number} in cluster")
            }
            _ => format!("the cluster has the observers o1 to o{high}"),
        }
    } else if low == 0 {
        "some seeds have no observers: name a voter, or write \"all\"".to_owned()
    } else {
        format!(
            "some seeds have only {low} {what}: name {letter}1 to {letter}{low}, or write \
             \"leader\" or \"follower\""
        )
    };
    problems.add(at, format!("there is no node \"{name}\""), "no such node", help);
    None
}

/// The first target that stands in the list once more.
fn twice(side: &[Target]) -> Option<Target> {
    side.iter().enumerate().find(|(i, t)| side[..*i].contains(t)).map(|(_, t)| *t)
}

/// Whether the two sides make links at all.
fn sensible(
    links: &Links,
    ends: Ends,
    text: &str,
    at: &Range<usize>,
    problems: &mut Problems,
) -> bool {
    let Links { from, to, .. } = links;
    let nodes = |side: &[Target]| side.iter().any(|t| t.is_nodes());
    let others = |side: &[Target]| side.contains(&Target::Others);
    let named = |side: &[Target]| side.iter().any(|t| t.is_nodes() && *t != Target::Others);
    let both = from.iter().find(|t| **t != Target::All && to.contains(t)).copied();
    let (message, help) = if let Some(target) = twice(from).or_else(|| twice(to)) {
        (format!("\"{target}\" is named twice"), "name it once".to_owned())
    } else if let Some(target) = both.filter(|t| *t != Target::Others) {
        (
            format!("\"{target}\" is on both sides"),
            "name it on one side: a node has no link to itself".to_owned(),
        )
    } else if !nodes(from) && !nodes(to) {
        (
            format!("no node has a part in \"{text}\""),
            "put nodes on one side, as in \"all <-> db\"".to_owned(),
        )
    } else if others(from) && !named(to) || others(to) && !named(from) {
        (
            "\"others\" than whom?".to_owned(),
            "name nodes on the other side, as in \"leader -> others\", or write \"all\"".to_owned(),
        )
    } else if ends == Ends::Noise && from.iter().chain(to).any(|t| !t.is_nodes()) {
        (
            "noise meets election messages only".to_owned(),
            "name nodes; for the database and the sink use `cut` or `slow`".to_owned(),
        )
    } else {
        return true;
    };
    problems.add(at.clone(), message, "these links do not exist", help);
    false
}
