//! What can be taken from one fault. All that depends on the kinds of fault is here, in matches
//! without a wildcard, so that a new kind says how it is made less.

use std::time::Duration;

use fencepost::NodeId;

use super::numbers::{below, nanos};
use crate::faults::plan::{DiskTrouble, Fault, Harm, Links, ServiceTrouble, Target, Topology};

/// The least time that a fault lasts, or that something is late: none at all is no fault.
const INSTANT: Duration = Duration::from_millis(1);

/// Whom a fault meets.
pub(super) enum Whom<'f> {
    /// One node.
    One(&'f mut Target),
    /// One node, by its name.
    Named(&'f mut NodeId),
    /// A service of the world, not a node.
    Service,
    /// Lists, none of which may become empty.
    Lists(Vec<&'f mut Vec<Target>>),
}

/// A number of a fault.
pub(super) struct Amount<'f> {
    value: Value<'f>,
    /// How small it may become.
    least: u64,
}

enum Value<'f> {
    /// How long something lasts.
    Time(&'f mut Duration),
    /// How much later something comes.
    Delay(&'f mut Duration),
    Share(&'f mut u32),
    Count(&'f mut u32),
    Deviation(&'f mut i32),
    Step(&'f mut i64),
}

/// Whom the fault meets.
pub(super) fn whom(fault: &mut Fault) -> Whom<'_> {
    match fault {
        Fault::WallStep { node, .. } | Fault::Strobe { node, .. } | Fault::Rate { node, .. } => {
            Whom::One(node)
        }
        Fault::Cut { links, .. }
        | Fault::Flap { links, .. }
        | Fault::Slow { links, .. }
        | Fault::Noise { links, .. } => Whom::Lists(vec![&mut links.from, &mut links.to]),
        Fault::Topology { topology: Topology::Star(centre), .. } => Whom::One(centre),
        Fault::Topology { topology: Topology::Ring | Topology::Chain, .. } => {
            Whom::Lists(Vec::new())
        }
        Fault::Pause { nodes, .. }
        | Fault::Suspend { nodes, .. }
        | Fault::Lies { nodes, .. }
        | Fault::Bounce { nodes, .. }
        | Fault::Die { nodes, .. }
        | Fault::CrashLoop { nodes, .. }
        | Fault::Disk { nodes, .. } => Whom::Lists(vec![nodes]),
        Fault::Restart { .. } | Fault::Service { .. } | Fault::Judge { .. } => Whom::Service,
        Fault::Deploy { node, .. } | Fault::Retire { node } => Whom::Named(node),
    }
}

/// The links that the fault meets, if it meets links.
pub(super) fn links(fault: &mut Fault) -> Option<&mut Links> {
    match fault {
        Fault::Cut { links, .. }
        | Fault::Flap { links, .. }
        | Fault::Slow { links, .. }
        | Fault::Noise { links, .. } => Some(links),
        Fault::Pause { .. }
        | Fault::Suspend { .. }
        | Fault::Lies { .. }
        | Fault::Bounce { .. }
        | Fault::Die { .. }
        | Fault::CrashLoop { .. }
        | Fault::Topology { .. }
        | Fault::Disk { .. }
        | Fault::Restart { .. }
        | Fault::Service { .. }
        | Fault::Judge { .. }
        | Fault::Deploy { .. }
        | Fault::Retire { .. }
        | Fault::Strobe { .. }
        | Fault::WallStep { .. }
        | Fault::Rate { .. } => None,
    }
}

/// The numbers of the fault: the less, the milder.
pub(super) fn amounts(fault: &mut Fault) -> Vec<Amount<'_>> {
    match fault {
        Fault::Pause { lasts, .. }
        | Fault::Suspend { lasts, .. }
        | Fault::Lies { lasts, .. }
        | Fault::Cut { lasts, .. }
        | Fault::Topology { lasts, .. } => vec![Amount::lasting(lasts)],
        Fault::Flap { up, down, lasts, .. } => {
            vec![Amount::lasting(lasts), Amount::lasting(down), Amount::lasting(up)]
        }
        Fault::Slow { by, lasts, .. } => vec![Amount::lasting(lasts), Amount::late(by)],
        Fault::Noise { noise, lasts, .. } => {
            let shares = [&mut noise.loss_ppm, &mut noise.duplicate_ppm, &mut noise.reorder_ppm];
            let some = shares.iter().filter(|share| ***share > 0).count();
            // The last that is left cannot be taken away: what is no noise is no fault.
            let shares = shares.map(|share| {
                let least = u64::from(some == 1 && *share > 0);
                Amount { value: Value::Share(share), least }
            });
            [Amount::lasting(lasts)].into_iter().chain(shares).collect()
        }
        Fault::Bounce { down, slow_start, .. } | Fault::Die { down, slow_start, .. } => {
            vec![Amount::short(slow_start), Amount::short(down)]
        }
        Fault::CrashLoop { times, up, down, .. } => vec![
            Amount { value: Value::Count(times), least: 1 },
            Amount::short(up),
            Amount::short(down),
        ],
        Fault::Disk { trouble, lasts, .. } => {
            let mut amounts = vec![Amount::lasting(lasts)];
            match trouble {
                DiskTrouble::Full | DiskTrouble::Unreadable => {}
                DiskTrouble::Slow { by } => amounts.push(Amount::late(by)),
            }
            amounts
        }
        Fault::Restart { loses, down, .. } => vec![Amount::short(loses), Amount::short(down)],
        Fault::Service { trouble, share_ppm, lasts, .. } => {
            let mut amounts =
                vec![Amount::lasting(lasts), Amount { value: Value::Share(share_ppm), least: 1 }];
            match trouble {
                ServiceTrouble::Fails | ServiceTrouble::Refuses | ServiceTrouble::Lost => {}
                ServiceTrouble::Late { by } => amounts.push(Amount::late(by)),
            }
            amounts
        }
        Fault::Strobe { by_ms, lasts, .. } => {
            vec![Amount::lasting(lasts), Amount { value: Value::Step(by_ms), least: 1 }]
        }
        Fault::Deploy { down, .. } => vec![Amount::short(down)],
        Fault::Judge { thinks, .. } => vec![Amount::short(thinks)],
        Fault::Retire { .. } => Vec::new(),
        Fault::WallStep { by_ms, .. } => vec![Amount { value: Value::Step(by_ms), least: 1 }],
        Fault::Rate { ppm, lasts, .. } => {
            vec![Amount::lasting(lasts), Amount { value: Value::Deviation(ppm), least: 1 }]
        }
    }
}

/// The same fault one degree milder, in each way that there is. Each has fewer of these itself.
pub(super) fn milder(fault: &Fault) -> Vec<Fault> {
    match fault {
        Fault::Flap { links, lasts, .. } => {
            // A cut is not less of a fault, but less to read.
            let cut = Fault::Cut { links: links.clone(), lasts: *lasts };
            one_way(fault, links.both_ways).into_iter().chain([cut]).collect()
        }
        Fault::Topology { topology: Topology::Chain, lasts } => {
            vec![Fault::Topology { topology: Topology::Ring, lasts: *lasts }]
        }
        Fault::Cut { links, .. } | Fault::Slow { links, .. } | Fault::Noise { links, .. } => {
            one_way(fault, links.both_ways)
        }
        Fault::Bounce { nodes, graceful, harm, down, slow_start } => {
            let bounce = |graceful, harm| Fault::Bounce {
                nodes: nodes.clone(),
                graceful,
                harm,
                down: *down,
                slow_start: *slow_start,
            };
            let less_harm = match harm {
                Harm::None => &[][..],
                Harm::Wipe => &[Harm::None],
                Harm::Tear => &[Harm::None, Harm::Wipe],
            };
            let mut milder: Vec<Fault> =
                less_harm.iter().map(|harm| bounce(*graceful, *harm)).collect();
            // A stop that tears the disk is none that can be written.
            if !graceful && *harm != Harm::Tear {
                milder.push(bounce(true, *harm));
            }
            milder
        }
        Fault::Die { nodes, harm, down, slow_start } => as_a_kill(nodes, *harm, *down, *slow_start),
        Fault::CrashLoop { nodes, harm, down, .. } => {
            as_a_kill(nodes, *harm, *down, Duration::ZERO)
        }
        Fault::Suspend { nodes, counted, lasts } => {
            let mut milder = vec![Fault::Pause { nodes: nodes.clone(), lasts: *lasts }];
            if !counted {
                milder.push(Fault::Suspend { nodes: nodes.clone(), counted: true, lasts: *lasts });
            }
            milder
        }
        Fault::Pause { .. }
        | Fault::Lies { .. }
        | Fault::Disk { .. }
        | Fault::Restart { .. }
        | Fault::Service { .. }
        | Fault::Judge { .. }
        | Fault::Strobe { .. }
        | Fault::Topology { .. }
        | Fault::Deploy { .. }
        | Fault::Retire { .. }
        | Fault::WallStep { .. }
        | Fault::Rate { .. } => Vec::new(),
    }
}

/// A kill, and whatever is milder than that.
fn as_a_kill(nodes: &[Target], harm: Harm, down: Duration, slow_start: Duration) -> Vec<Fault> {
    let nodes = nodes.to_vec();
    let kill = Fault::Bounce { nodes, graceful: false, harm, down, slow_start };
    let mut all = milder(&kill);
    all.insert(0, kill);
    all
}

/// A fault of links that is meant both ways, in each of the two directions alone.
fn one_way(fault: &Fault, both_ways: bool) -> Vec<Fault> {
    if !both_ways {
        return Vec::new();
    }
    let (mut there, mut back) = (fault.clone(), fault.clone());
    for (one_way, turned) in [(&mut there, false), (&mut back, true)] {
        if let Some(links) = links(one_way) {
            links.both_ways = false;
            if turned {
                std::mem::swap(&mut links.from, &mut links.to);
            }
        }
    }
    vec![there, back]
}

/// Every way to take something from a fault: one list for each thing that can be made less, the
/// boldest attempt first. `nodes` are those of the cluster.
pub(super) fn weaker(fault: &Fault, nodes: &[Target]) -> Vec<Vec<Fault>> {
    let mut ways = vec![milder(fault)];
    ways.extend(narrower(fault, nodes));
    for index in 0..amounts(&mut fault.clone()).len() {
        let mut changed = fault.clone();
        let rungs = {
            let amount = &amounts(&mut changed)[index];
            below(amount.size(), amount.least)
        };
        let with = |rung: u64| {
            let mut weaker = fault.clone();
            amounts(&mut weaker)[index].set(rung);
            weaker
        };
        ways.push(rungs.into_iter().map(with).collect());
    }
    ways
}

/// The fault with fewer nodes: one list for each end.
fn narrower(fault: &Fault, nodes: &[Target]) -> Vec<Vec<Fault>> {
    let mut met = fault.clone();
    let Whom::Lists(lists) = whom(&mut met) else { return Vec::new() };
    let lists: Vec<Vec<Target>> = lists.into_iter().map(|list| list.clone()).collect();
    let mut ways = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let with = |list: Vec<Target>| {
            let mut narrower = fault.clone();
            if let Whom::Lists(mut lists) = whom(&mut narrower) {
                *lists[index] = list;
            }
            narrower
        };
        // Just one of those that are named or meant, then one less than now.
        let one = list.iter().flat_map(|target| {
            let alone = (list.len() > 1).then_some(*target);
            alone.into_iter().chain(members(*target, nodes))
        });
        let mut tries: Vec<Fault> = one.map(|target| with(vec![target])).collect();
        if list.len() > 2 {
            tries.extend((0..list.len()).map(|left_out| {
                let mut fewer = list.clone();
                fewer.remove(left_out);
                with(fewer)
            }));
        }
        ways.push(tries);
    }
    ways
}

/// Whom a word for several stands for, one by one.
fn members(target: Target, nodes: &[Target]) -> Vec<Target> {
    match target {
        Target::Node(_) | Target::Leader | Target::Follower | Target::Database | Target::Sink => {
            Vec::new()
        }
        Target::Majority | Target::Others | Target::All => {
            [Target::Leader, Target::Follower].into_iter().chain(nodes.iter().copied()).collect()
        }
    }
}

/// How much a fault is, apart from its numbers: what [`milder`] and fewer nodes bring down.
pub(super) fn severity(fault: &Fault) -> u64 {
    let weight = |target: &Target| match target {
        Target::Node(_) | Target::Leader | Target::Follower | Target::Database | Target::Sink => 1,
        Target::Majority | Target::Others => 10,
        Target::All => 11,
    };
    let met: u64 = match whom(&mut fault.clone()) {
        Whom::One(target) => weight(target),
        Whom::Named(_) | Whom::Service => 1,
        Whom::Lists(lists) => lists.iter().flat_map(|list| list.iter()).map(weight).sum(),
    };
    met + milder(fault).len() as u64
}

/// The sum of its numbers. They are not of one kind, but each of them counts downwards.
pub(super) fn total(fault: &Fault) -> u128 {
    amounts(&mut fault.clone()).iter().map(|amount| u128::from(amount.size())).sum()
}

/// The fault with other nodes in place of some, or without them; nothing if nobody is left.
pub(super) fn renamed(fault: &Fault, rename: impl Fn(NodeId) -> Option<NodeId>) -> Option<Fault> {
    let new = |target: &Target| match target {
        Target::Node(node) => rename(*node).map(Target::Node),
        other => Some(*other),
    };
    let mut fault = fault.clone();
    match whom(&mut fault) {
        Whom::One(target) => *target = new(target)?,
        Whom::Named(node) => *node = rename(*node)?,
        Whom::Service => {}
        Whom::Lists(lists) => {
            for list in lists {
                *list = list.iter().filter_map(new).collect();
                if list.is_empty() {
                    return None;
                }
            }
        }
    }
    Some(fault)
}

/// The nodes that the fault names.
pub(super) fn named(fault: &Fault) -> Vec<NodeId> {
    let node = |target: &Target| match target {
        Target::Node(node) => Some(*node),
        _ => None,
    };
    match whom(&mut fault.clone()) {
        Whom::One(target) => node(target).into_iter().collect(),
        Whom::Named(node) => vec![*node],
        Whom::Service => Vec::new(),
        Whom::Lists(lists) => lists.iter().flat_map(|list| list.iter()).filter_map(node).collect(),
    }
}

impl<'f> Amount<'f> {
    /// A delay that may become none.
    fn short(value: &'f mut Duration) -> Self {
        Self { value: Value::Delay(value), least: 0 }
    }

    /// A delay that is all there is to the fault.
    fn late(value: &'f mut Duration) -> Self {
        Self { value: Value::Delay(value), least: nanos(INSTANT) }
    }

    fn lasting(value: &'f mut Duration) -> Self {
        Self { value: Value::Time(value), least: nanos(INSTANT) }
    }

    /// How small it may become.
    pub fn least(&self) -> u64 {
        self.least
    }

    /// Whether it is by how much something comes later.
    pub fn is_delay(&self) -> bool {
        matches!(self.value, Value::Delay(_))
    }

    /// Its distance from zero.
    pub fn size(&self) -> u64 {
        match &self.value {
            Value::Time(value) | Value::Delay(value) => nanos(**value),
            Value::Share(value) | Value::Count(value) => u64::from(**value),
            Value::Deviation(value) => u64::from(value.unsigned_abs()),
            Value::Step(value) => value.unsigned_abs(),
        }
    }

    /// Puts it that far from zero, on the side on which it is. A number that does not fit is left
    /// as it is.
    pub fn set(&mut self, size: u64) {
        match &mut self.value {
            Value::Time(value) | Value::Delay(value) => **value = Duration::from_nanos(size),
            Value::Share(value) | Value::Count(value) => {
                **value = u32::try_from(size).unwrap_or(**value)
            }
            Value::Deviation(value) => {
                **value = i32::try_from(size).map_or(**value, |size| size * value.signum());
            }
            Value::Step(value) => {
                **value = i64::try_from(size).map_or(**value, |size| size * value.signum());
            }
        }
    }

    /// What it is, if it is a time.
    pub fn time(&self) -> Option<Duration> {
        match &self.value {
            Value::Time(value) | Value::Delay(value) => Some(**value),
            Value::Share(_) | Value::Count(_) | Value::Deviation(_) | Value::Step(_) => None,
        }
    }
}
