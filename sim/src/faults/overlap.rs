//! Faults that are certainly in each other's way: a bounce of a node that is down already, a pause
//! of one that is paused, two rates of one clock. They would do nothing, or not what they say.
//!
//! Only what is certain counts: roles, events and ranges leave it open, and are let pass. Listed
//! faults of that kind are refused; of drawn ones the later is left out, so that every plan reads
//! back.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::cluster::STOP_LIMIT;

use super::inject::STOP_SLACK;
use super::plan::{Fault, PlannedFault, Size, Start, Target};
use crate::scenario::units::Between;
use crate::scenario::{FaultLine, FaultSpec, StartSpec};

/// How long a graceful stop takes at most until the process is gone.
const STOP_MAX: Duration = Duration::from_secs(STOP_LIMIT.as_secs() + STOP_SLACK.as_secs());

/// What a fault keeps a node in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its process is gone.
    Down {
        /// It may take its time to end.
        graceful: bool,
    },
    /// It stands still.
    Paused,
    /// Its clock runs at another rate.
    Rate,
}

/// Whom a fault holds, and when.
#[derive(Debug, Clone)]
pub struct Extent {
    hold: Hold,
    /// Those it meets by name.
    nodes: Vec<NodeId>,
    /// It also meets whoever has a role then, or nodes that not all seeds have.
    more: bool,
    /// When it begins; none: at an event.
    begins: Option<Between<Duration>>,
    lasts: Between<Duration>,
}

/// Two faults that are in each other's way, by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clash {
    /// The one that begins first.
    pub first: usize,
    /// The one that is in vain.
    pub second: usize,
    /// A node that both meet.
    pub node: NodeId,
    /// What the second would do.
    pub hold: Hold,
    /// Until when the first certainly holds the node.
    pub until: Duration,
}

/// How many nodes a cluster has, as far as all seeds agree.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// The voters.
    pub voters: Between<u32>,
    /// The observers.
    pub observers: Between<u32>,
}

impl Counts {
    fn size(self) -> Option<Size> {
        let agreed =
            self.voters.low == self.voters.high && self.observers.low == self.observers.high;
        agreed.then_some(Size { voters: self.voters.low, observers: self.observers.low })
    }
}

/// The place of a fault that is in vain, if there is one.
pub(super) fn in_vain(faults: &[PlannedFault], size: Size) -> Option<usize> {
    let extents: Vec<(usize, Extent)> = faults
        .iter()
        .enumerate()
        .filter_map(|(index, planned)| Some((index, of_planned(planned, size)?)))
        .collect();
    clashes(&extents).next().map(|clash| clash.second)
}

/// The clashes between the lines of a scenario, by the numbers of the lines.
pub fn of_lines(lines: &[FaultLine], counts: Counts) -> Vec<Clash> {
    let mut extents: Vec<(usize, Extent)> = lines
        .iter()
        .enumerate()
        .flat_map(|(index, line)| of_line(line, counts).into_iter().map(move |e| (index, e)))
        .collect();
    // As in a plan: by time, and those of one moment in the order of the file.
    extents.sort_by_key(|(_, extent)| extent.begins.map(|begins| begins.low));
    let mut found: Vec<Clash> = clashes(&extents).collect();
    found.dedup_by_key(|clash| (clash.first, clash.second));
    found
}

/// What is in vain, given what comes before it.
fn clashes(extents: &[(usize, Extent)]) -> impl Iterator<Item = Clash> {
    extents.iter().enumerate().filter_map(|(place, (index, second))| {
        let begins = second.begins?;
        let mut clash = None;
        // It is in vain if each that it meets is held already.
        let held = !second.nodes.is_empty() && !second.more;
        let in_vain = held
            && second.nodes.iter().all(|node| {
                let holds = |(before, (_, first)): &(usize, &(usize, Extent))| {
                    first.holds(*node, second.hold, begins)
                        && first.is_sure(*before, *node, extents)
                };
                let first = extents[..place].iter().enumerate().find(holds);
                let Some((_, (line, first))) = first else { return false };
                let until = first.certain().map_or(Duration::ZERO, |span| span.high);
                let hold = second.hold;
                let found = Clash { first: *line, second: *index, node: *node, hold, until };
                clash.get_or_insert(found);
                true
            });
        clash.filter(|_| in_vain)
    })
}

impl Extent {
    /// From when to when it certainly holds what it meets; the end is exclusive.
    fn certain(&self) -> Option<Between<Duration>> {
        let begins = self.begins?;
        let low = match self.hold {
            Hold::Down { graceful: true } => begins.high + STOP_MAX,
            _ => begins.high,
        };
        let high = begins.low + self.lasts.low;
        (low < high).then_some(Between { low, high })
    }

    /// Whether it certainly holds that node whenever in `moments` another such fault begins.
    fn holds(&self, node: NodeId, hold: Hold, moments: Between<Duration>) -> bool {
        let alike = match hold {
            Hold::Down { .. } => matches!(self.hold, Hold::Down { .. }),
            _ => self.hold == hold,
        };
        alike
            && self.nodes.contains(&node)
            && self
                .certain()
                .is_some_and(|span| span.low <= moments.low && moments.high < span.high)
    }

    /// Whether nothing can keep it from meeting the node: a bounce of a process that happens to be
    /// down is none, and then holds nobody.
    fn is_sure(&self, place: usize, node: NodeId, extents: &[(usize, Extent)]) -> bool {
        let Some(begins) = self.begins else { return false };
        if !matches!(self.hold, Hold::Down { .. }) {
            return true;
        }
        let before = |(at, (_, other)): (usize, &(usize, Extent))| {
            let Hold::Down { graceful } = other.hold else { return false };
            if at == place || !(other.more || other.nodes.contains(&node)) {
                return false;
            }
            let Some(moments) = other.begins else { return true };
            let stopping = if graceful { STOP_MAX } else { Duration::ZERO };
            let over = moments.high + other.lasts.high + stopping;
            (at < place || moments.low < begins.high) && begins.low < over
        };
        !extents.iter().enumerate().any(before)
    }
}

fn of_planned(planned: &PlannedFault, size: Size) -> Option<Extent> {
    let (hold, targets, lasts) = match &planned.fault {
        Fault::Pause { nodes, lasts } => (Hold::Paused, &nodes[..], *lasts),
        Fault::Rate { node, lasts, .. } => (Hold::Rate, std::slice::from_ref(node), *lasts),
        Fault::Bounce { nodes, graceful, down, .. } => {
            (Hold::Down { graceful: *graceful }, &nodes[..], *down)
        }
        // These end processes as well, and a retired node may come back: what they do to a later
        // bounce is left open.
        Fault::Deploy { .. }
        | Fault::Retire { .. }
        | Fault::Die { .. }
        | Fault::CrashLoop { .. }
        | Fault::Disk { .. } => {
            let hold = Hold::Down { graceful: true };
            let lasts = Between::exactly(Duration::ZERO);
            return Some(Extent { hold, nodes: Vec::new(), more: true, begins: None, lasts });
        }
        _ => return None,
    };
    let begins = match planned.start {
        Start::At(at) => Some(Between::exactly(at)),
        Start::When { .. } => None,
    };
    let (nodes, more) = named(targets, Some(size));
    Some(Extent { hold, nodes, more, begins, lasts: Between::exactly(lasts) })
}

fn of_line(line: &FaultLine, counts: Counts) -> Vec<Extent> {
    let begins = match line.start {
        StartSpec::At(at) => Some(at),
        StartSpec::When { .. } => None,
    };
    let size = counts.size();
    let extent = |hold, targets: &[Target], lasts| {
        let (nodes, more) = named(targets, size);
        vec![Extent { hold, nodes, more, begins, lasts }]
    };
    match &line.spec {
        FaultSpec::Pause { nodes, lasts } => extent(Hold::Paused, nodes, *lasts),
        FaultSpec::Rate { node, lasts, .. } => extent(Hold::Rate, &[*node], *lasts),
        FaultSpec::Bounce { nodes, graceful, down, .. } => {
            extent(Hold::Down { graceful: *graceful }, nodes, *down)
        }
        FaultSpec::Rolling { graceful, gap, down, .. } => {
            let hold = Hold::Down { graceful: *graceful };
            let all = counts.voters.high + counts.observers.high;
            let Some(size) = size else {
                let high = gap.high * all + down.high;
                return extent(hold, &[Target::All], Between { low: Duration::ZERO, high });
            };
            let turn = |number: u32| {
                let (nodes, more) = named(&[size.node(number + 1)], Some(size));
                let begins = begins.map(|begins| Between {
                    low: begins.low + gap.low * number,
                    high: begins.high + gap.high * number,
                });
                Extent { hold, nodes, more, begins, lasts: *down }
            };
            (0..all).map(turn).collect()
        }
        FaultSpec::Deploy { .. }
        | FaultSpec::Retire { .. }
        | FaultSpec::Die { .. }
        | FaultSpec::CrashLoop { .. }
        | FaultSpec::Disk { .. } => {
            let (hold, lasts) = (Hold::Down { graceful: true }, Between::exactly(Duration::ZERO));
            vec![Extent { hold, nodes: Vec::new(), more: true, begins: None, lasts }]
        }
        _ => Vec::new(),
    }
}

/// The nodes that are meant by name, and whether more are meant.
fn named(targets: &[Target], size: Option<Size>) -> (Vec<NodeId>, bool) {
    let (mut nodes, mut more) = (Vec::new(), false);
    for target in targets {
        match (target, size) {
            (Target::Node(node), _) => nodes.push(*node),
            (Target::All, Some(size)) => {
                nodes.extend((1..=size.nodes()).map(|number| match size.node(number) {
                    Target::Node(node) => node,
                    other => unreachable!("{other} is not a node"),
                }));
            }
            _ => more = true,
        }
    }
    (nodes, more)
}
