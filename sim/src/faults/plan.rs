//! The plan: everything that one run does, without a choice left. It prints as a scenario file and
//! reads back to itself, so a failing run can be read, edited, replayed and kept.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::Timing;

pub use super::fault::{
    Case, DiskTrouble, Fault, Harm, Links, Service, ServiceTrouble, Target, Topology,
};
pub use super::job::PlannedJob;
pub use super::start::{PlannedFault, Start, Trigger};
use crate::oracles::SinkKind;

/// What one run executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// The seed: of the plan, if it was drawn, and of all other random streams of the run.
    pub seed: u64,
    /// How many voters there are; their names are [`node`]`(1..=voters)`.
    pub voters: u32,
    /// How many observers there are; their names are [`observer`]`(1..=observers)`.
    pub observers: u32,
    /// What a restarted process finds on its disk.
    pub disk: DiskMode,
    /// How the nodes reach each other.
    pub transport: Transport,
    /// The timing of every node.
    pub timing: Timing,
    /// The network when no fault is active.
    pub network: Network,
    /// The messages to deliver; none in an election-only run.
    pub workload: Option<Workload>,
    /// The scheduled jobs; none in an election-only run.
    pub jobs: Vec<PlannedJob>,
    /// How long faults happen, from the end of the warm-up.
    pub horizon: Duration,
    /// How soon after the faults the liveness oracles must hold.
    pub heal: Duration,
    /// Whether the leader must stay in spite of the faults.
    pub stable: bool,
    /// How long nobody may act at most, if that is limited.
    pub outage: Option<Duration>,
    /// The faults: those with a time by time, then those that wait for an event. All have ended at
    /// the horizon.
    pub faults: Vec<PlannedFault>,
}

impl Plan {
    /// The voters of the list that the run begins with, in order.
    pub fn voter_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.voters).map(node)
    }

    /// The observers in order.
    pub fn observer_nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.observers).map(observer)
    }

    /// The nodes that are voters at some time, in order: those of the first list, and those that a
    /// deployment brings.
    pub fn voter_machines(&self) -> impl Iterator<Item = NodeId> + use<> {
        let deployed = self.faults.iter().map(|planned| match planned.fault {
            Fault::Deploy { voters, .. } => voters,
            _ => 0,
        });
        (1..=deployed.fold(self.voters, u32::max)).map(node)
    }

    /// All nodes in order: the voters, then the observers.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        self.voter_machines().chain(self.observer_nodes())
    }
}

/// The voter with that number: 1 is `n1`.
pub fn node(number: u32) -> NodeId {
    format!("n{number}").parse().expect("a letter and a number name a node")
}

/// The observer with that number: 1 is `o1`.
pub fn observer(number: u32) -> NodeId {
    format!("o{number}").parse().expect("a letter and a number name a node")
}

/// How many nodes a cluster has, and how they are numbered when all count alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub voters: u32,
    pub observers: u32,
}

impl Size {
    /// Voters and observers.
    pub fn nodes(self) -> u32 {
        self.voters + self.observers
    }

    /// The node with that number, from 1: the voters, then the observers.
    pub fn node(self, number: u32) -> Target {
        Target::Node(match number.checked_sub(self.voters) {
            None | Some(0) => node(number),
            Some(beyond) => observer(beyond),
        })
    }
}

/// What the nodes of a cluster keep over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskMode {
    /// What was written.
    Kept,
    /// Nothing: the deployment wipes the disk whenever it starts a process.
    Wiped,
    /// Nothing: there is no disk.
    None,
}

impl DiskMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Wiped, Self::None];

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Wiped => "wiped",
            Self::None => "none",
        }
    }

    /// What comes of the harm that a bounce means to do.
    pub fn fit(self, harm: Harm) -> Harm {
        match self {
            Self::Kept => harm,
            Self::Wiped => Harm::Wipe,
            Self::None => Harm::None,
        }
    }
}

/// How the nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The in-memory link plugin.
    Links,
    /// The real TCP transport over simulated streams.
    Tcp,
}

impl Transport {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Tcp => "tcp",
        }
    }
}

/// The network between any two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// How long messages take.
    pub latency: Latency,
    /// What else happens to election messages.
    pub noise: Noise,
    /// The links that are not like the others; of two that name one link, the later holds.
    pub links: Vec<LinkLatency>,
}

impl Default for Network {
    fn default() -> Self {
        let low = Duration::from_micros(300);
        let latency = Latency { low, high: Duration::from_millis(2), shape: Shape::Uniform };
        Self { latency, noise: Noise::default(), links: Vec::new() }
    }
}

/// Links whose latency is their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkLatency {
    /// Which: by name, since no role exists before the run.
    pub between: Links,
    /// How long messages take there.
    pub latency: Latency,
}

/// How long messages take on a link; each draws its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The least.
    pub low: Duration,
    /// The most.
    pub high: Duration,
    /// How they are spread between the two.
    pub shape: Shape,
}

/// How latencies are spread between the least and the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All alike.
    Uniform,
    /// Most in the middle.
    Normalish,
    /// Most near the least, and few, but some, far beyond.
    LongTail,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Uniform, Self::Normalish, Self::LongTail];

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Normalish => "normal-ish",
            Self::LongTail => "long-tail",
        }
    }
}

/// What happens to election messages at random, in parts per million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noise {
    /// How many never arrive.
    pub loss_ppm: u32,
    /// How many arrive twice.
    pub duplicate_ppm: u32,
    /// How many may be overtaken.
    pub reorder_ppm: u32,
}

/// The messages that the application writes into the outbox during the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// How many; at least one.
    pub messages: u32,
    /// The time between two of them.
    pub every: Duration,
    /// What the sink can do.
    pub sink: SinkKind,
    /// How they are ordered and delivered.
    pub handling: Handling,
}

/// How messages are ordered and delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handling {
    /// How many ordering keys they carry; zero: none.
    pub keys: u32,
    /// How many messages a leader claims at once; at least one.
    pub batch: u32,
    /// After how many known failures a message is a dead letter; at least one.
    pub attempts: u32,
    /// How many units of a work the nodes share besides; zero: there is none.
    pub units: u32,
    /// In how many units the participants share the delivery; zero: the leader delivers.
    pub spread: u32,
}

impl Default for Handling {
    /// No order, one after the other, and no dead letters in any run of a common length.
    fn default() -> Self {
        Self { keys: 0, batch: 1, attempts: 1_000, units: 0, spread: 0 }
    }
}
