//! What lasts: roles, processes that are down or stand still, faults, and leadership in three versions:
//! what a node believes, what its lease says by its own clock, and what is true at the fence.

use std::collections::BTreeMap;

use fencepost::election::Role;
use fencepost::{Instant, NodeId, Term};

use super::Lanes;
use crate::history::{Event, Kind, Phase, SimTime};
use crate::oracles::{Held, gaps_in, held_in};

/// What a span shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // `name` tells
pub enum Layer {
    Phase,
    Fault,
    Rejoining,
    Observer,
    Follower,
    PreCandidate,
    Candidate,
    Leader,
    Down,
    Paused,
    Believes,
    Lease,
    Holds,
    /// Somebody held a valid guard.
    Act,
    /// Nobody did, after the warm-up.
    Gap,
}

impl Layer {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Phase,
        Self::Fault,
        Self::Rejoining,
        Self::Observer,
        Self::Follower,
        Self::PreCandidate,
        Self::Candidate,
        Self::Leader,
        Self::Down,
        Self::Paused,
        Self::Believes,
        Self::Lease,
        Self::Holds,
        Self::Act,
        Self::Gap,
    ];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Fault => "fault",
            Self::Rejoining => "rejoining",
            Self::Observer => "observer",
            Self::Follower => "follower",
            Self::PreCandidate => "pre-candidate",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
            Self::Down => "down",
            Self::Paused => "paused",
            Self::Believes => "believes",
            Self::Lease => "lease",
            Self::Holds => "holds",
            Self::Act => "act",
            Self::Gap => "gap",
        }
    }

    fn of(role: Role) -> Self {
        match role {
            Role::Rejoining => Self::Rejoining,
            Role::Observer => Self::Observer,
            Role::Follower => Self::Follower,
            Role::PreCandidate => Self::PreCandidate,
            Role::Candidate => Self::Candidate,
            Role::Leader => Self::Leader,
        }
    }
}

/// Something that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// On this lane.
    pub lane: usize,
    /// What it shows.
    pub layer: Layer,
    /// From here.
    pub from: SimTime,
    /// To here, exclusive.
    pub to: SimTime,
    /// What to write on it.
    pub label: String,
}

/// All spans, each list of a lane and layer in order. The faults that `never_began` stand where the
/// faults end.
pub fn spans(events: &[Event], lanes: &Lanes, never_began: &[String]) -> Vec<Span> {
    let end = events.last().map_or(SimTime(0), |event| event.at);
    let mut story = Story {
        lanes,
        now: SimTime(0),
        open: BTreeMap::new(),
        done: Vec::new(),
        nodes: BTreeMap::new(),
    };
    for event in events {
        story.now = event.at;
        if event.kind == Kind::Phase(Phase::Healing) {
            never_began.iter().for_each(|line| story.mark("never began", line));
        }
        story.take(&event.kind);
    }
    story.now = end;
    story.close_all();
    story.done.extend(who_may_act(events, lanes));
    story.done.retain(|span| span.from < span.to || span.layer == Layer::Fault);
    story.done.sort_by_key(|span| (span.from, span.lane, span.layer));
    story.done
}

/// Every valid guard, and every stretch without one, on a lane of their own.
fn who_may_act(events: &[Event], lanes: &Lanes) -> Vec<Span> {
    let held = held_in(events.iter());
    let lane = lanes.act();
    let guards = held.iter().map(|Held { node, token, from, to }| Span {
        lane,
        layer: Layer::Act,
        from: *from,
        to: *to,
        label: format!("{node}, token {token}"),
    });
    let gaps = gaps_in(events.iter(), &held).into_iter().map(|gap| Span {
        lane,
        layer: Layer::Gap,
        from: gap.from,
        to: gap.to,
        label: format!("nobody for {:.2} s", gap.lasts() as f64 / 1e9),
    });
    guards.chain(gaps).collect()
}

/// What keeps spans apart that may be open on one lane at a time.
type Key = (usize, Slot, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Phase,
    Fault,
    Role,
    Down,
    Paused,
    Believes,
    Holds,
}

#[derive(Default)]
struct Node {
    /// The monotonic clock: it showed this then, and deviates by so many ppm.
    clock: Option<(SimTime, Instant, i32)>,
    lease: Option<Lease>,
}

struct Lease {
    term: Term,
    from: SimTime,
    until: Instant,
}

struct Story<'a> {
    lanes: &'a Lanes,
    now: SimTime,
    open: BTreeMap<Key, (SimTime, Layer, String)>,
    done: Vec<Span>,
    nodes: BTreeMap<NodeId, Node>,
}

impl Story<'_> {
    fn open(&mut self, lane: usize, slot: Slot, name: &str, layer: Layer, label: String) {
        self.close(lane, slot, name);
        self.open.insert((lane, slot, name.to_owned()), (self.now, layer, label));
    }

    fn close(&mut self, lane: usize, slot: Slot, name: &str) {
        if let Some((from, layer, label)) = self.open.remove(&(lane, slot, name.to_owned())) {
            self.done.push(Span { lane, layer, from, to: self.now, label });
        }
    }

    /// A fault that did nothing: it lasts no time.
    fn mark(&mut self, what: &str, line: &str) {
        let (lane, layer, label) = (Lanes::WORLD, Layer::Fault, format!("{what}: {line}"));
        self.done.push(Span { lane, layer, from: self.now, to: self.now, label });
    }

    fn close_all(&mut self) {
        let keys: Vec<Key> = self.open.keys().cloned().collect();
        keys.iter().for_each(|(lane, slot, name)| self.close(*lane, *slot, name));
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.end_lease(node));
    }

    fn take(&mut self, kind: &Kind) {
        match kind {
            Kind::Phase(phase) => {
                let label = match phase {
                    Phase::WarmUp => "warm-up",
                    Phase::Faults => "faults",
                    Phase::Healing => "healing",
                };
                self.open(Lanes::WORLD, Slot::Phase, "", Layer::Phase, label.to_owned());
            }
            Kind::Fault { line, .. } => {
                self.open(Lanes::WORLD, Slot::Fault, line, Layer::Fault, line.clone());
            }
            Kind::FaultMissed { line } => self.mark("met nothing", line),
            Kind::FaultEnded { line } => self.close(Lanes::WORLD, Slot::Fault, line),
            Kind::Booted { node, .. } => self.ends(*node, Slot::Down),
            Kind::Down { node, .. } => {
                for slot in [Slot::Role, Slot::Believes, Slot::Paused] {
                    self.ends(*node, slot);
                }
                self.end_lease(*node);
                self.begins(*node, Slot::Down, Layer::Down, "down".to_owned());
            }
            Kind::Paused { node } => {
                self.begins(*node, Slot::Paused, Layer::Paused, "stands still".to_owned());
            }
            Kind::Rejoins { boot, .. } => {
                self.begins(boot.node, Slot::Role, Layer::Rejoining, "rejoining".to_owned());
            }
            Kind::Resumed { node } => self.ends(*node, Slot::Paused),
            Kind::Status { node, role, term, .. } => {
                let layer = Layer::of(*role);
                let label = match role {
                    Role::Rejoining => "rejoining".to_owned(),
                    _ => format!("{} {term}", layer.name()),
                };
                let key = (self.lanes.node(*node), Slot::Role, String::new());
                if self.open.get(&key).is_none_or(|(_, _, open)| *open != label) {
                    self.begins(*node, Slot::Role, layer, label);
                }
            }
            Kind::GuardIssued { holder, token } => {
                let label = format!("may act, it believes: token {token}");
                self.begins(holder.node, Slot::Believes, Layer::Believes, label);
            }
            Kind::SteppedDown { node, .. } => {
                self.ends(*node, Slot::Believes);
                self.end_lease(*node);
            }
            Kind::ClockRate { node, reading, ppm, .. } => {
                self.nodes.entry(*node).or_default().clock = Some((self.now, *reading, *ppm));
            }
            Kind::LeaseExtended { node, term, until } => self.extend(*node, *term, *until),
            Kind::Activated { token, holder, again: false, .. } => {
                (0..self.lanes.count()).for_each(|lane| self.close(lane, Slot::Holds, ""));
                let label = format!("token {token}: {}", holder.node);
                self.open(self.lanes.database(), Slot::Holds, "", Layer::Holds, label);
                let label = format!("may act, the fence says: token {token}");
                self.begins(holder.node, Slot::Holds, Layer::Holds, label);
            }
            _ => {}
        }
    }

    fn begins(&mut self, node: NodeId, slot: Slot, layer: Layer, label: String) {
        self.open(self.lanes.node(node), slot, "", layer, label);
    }

    fn ends(&mut self, node: NodeId, slot: Slot) {
        self.close(self.lanes.node(node), slot, "");
    }

    /// When the node's clock shows `until`, by what is known of its rate; never later than the end.
    fn shown_at(&self, node: NodeId, until: Instant) -> SimTime {
        let clock = self.nodes.get(&node).and_then(|node| node.clock);
        let Some((at, reading, ppm)) = clock else { return self.now };
        let rate = 1_000_000 + i128::from(ppm);
        if rate <= 0 {
            return self.now;
        }
        let own = i128::from(until.0) - i128::from(reading.0);
        let passed = (own.max(0) * 1_000_000 / rate).try_into().unwrap_or(u64::MAX);
        SimTime(at.0.saturating_add(passed))
    }

    fn extend(&mut self, node: NodeId, term: Term, until: Instant) {
        let lease = self.nodes.get(&node).and_then(|node| node.lease.as_ref());
        let lasts = lease.is_some_and(|lease| {
            lease.term == term && self.shown_at(node, lease.until) >= self.now
        });
        if !lasts {
            self.end_lease(node);
        }
        let now = self.now;
        let lease = &mut self.nodes.entry(node).or_default().lease;
        let from = lease.as_ref().map_or(now, |lease| lease.from);
        *lease = Some(Lease { term, from, until });
    }

    fn end_lease(&mut self, node: NodeId) {
        let lease = self.nodes.get_mut(&node).and_then(|node| node.lease.take());
        let Some(Lease { term, from, until }) = lease else { return };
        let to = self.shown_at(node, until).min(self.now);
        let (lane, label) =
            (self.lanes.node(node), format!("lease of term {term}, by its own clock"));
        self.done.push(Span { lane, layer: Layer::Lease, from, to, label });
    }
}
