//! The plan: everything that one run does, without a choice left. It prints as a scenario file and
//! reads back to itself, so a failing run can be read, edited, replayed and kept.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::Timing;

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
    /// How the nodes reach each other.
    pub transport: Transport,
    /// The timing of every node.
    pub timing: Timing,
    /// The network when no fault is active.
    pub network: Network,
    /// The messages to deliver; none in an election-only run.
    pub workload: Option<Workload>,
    /// How long faults happen, from the end of the warm-up.
    pub horizon: Duration,
    /// How soon after the faults the liveness oracles must hold.
    pub heal: Duration,
    /// The faults, by time. All have ended at the horizon.
    pub faults: Vec<PlannedFault>,
}

impl Plan {
    /// The nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        (1..=self.voters).map(node)
    }
}

/// The node with that number: 1 is `n1`.
pub fn node(number: u32) -> NodeId {
    format!("n{number}").parse().expect("a letter and a number name a node")
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The least latency.
    pub latency_low: Duration,
    /// The highest latency; each message draws its own.
    pub latency_high: Duration,
    /// What else happens to election messages.
    pub noise: Noise,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            latency_low: Duration::from_micros(300),
            latency_high: Duration::from_millis(2),
            noise: Noise::default(),
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
}

/// A fault and its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFault {
    /// When, from the end of the warm-up.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// One fault. `lasts` counts from the injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The whole process stands still.
    Pause {
        /// Whose.
        node: Target,
        /// How long.
        lasts: Duration,
    },
    /// Nothing passes on some links.
    Cut {
        /// Which.
        links: Links,
        /// How long.
        lasts: Duration,
    },
    /// Everything on some links takes longer.
    Slow {
        /// Which.
        links: Links,
        /// How much longer, each way that is named.
        by: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Election messages on some links are lost, doubled and overtaken at random.
    Noise {
        /// Which.
        links: Links,
        /// How often.
        noise: Noise,
        /// How long.
        lasts: Duration,
    },
    /// A process ends and another one starts.
    Bounce {
        /// Whose.
        node: Target,
        /// Ends by itself after a stop signal; else it is killed.
        graceful: bool,
        /// From the end of the old process to the start of the new one.
        down: Duration,
        /// From the start of the new process to the first step of the node's code.
        slow_start: Duration,
    },
    /// The wall clock jumps.
    WallStep {
        /// Whose.
        node: Target,
        /// By how many milliseconds.
        by_ms: i64,
    },
    /// The monotonic clock runs fast or slow.
    Rate {
        /// Whose.
        node: Target,
        /// Deviation from true time in parts per million.
        ppm: i32,
        /// How long.
        lasts: Duration,
    },
}

/// The links between two groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// From each of these.
    pub from: Vec<Target>,
    /// To each of these.
    pub to: Vec<Target>,
    /// And back.
    pub both_ways: bool,
}

/// Whom a fault meets. Roles are resolved at the moment of injection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// That node.
    Node(NodeId),
    /// The node that leads.
    Leader,
    /// Some node that does not lead.
    Follower,
    /// All nodes that are not on the other side of the link.
    Others,
    /// All nodes.
    All,
    /// The database.
    Database,
    /// The sink.
    Sink,
}

impl Target {
    /// Whether it stands for nodes.
    pub fn is_nodes(self) -> bool {
        !matches!(self, Self::Database | Self::Sink)
    }
}

/// Every kind of fault, with what it means: what [`Fault::kind`] answers, in the order of reports.
pub const FAULT_KINDS: &[(&str, &str)] = &[
    ("pause", "a whole process stands still"),
    ("kill", "a process is killed and started again"),
    ("stop", "a process is stopped gracefully and started again"),
    ("cut-node", "a node is cut off from all others"),
    ("cut-link", "one link between two nodes is cut both ways"),
    ("cut-one-way", "messages between nodes pass in one direction only"),
    ("cut-halves", "the nodes are cut into groups"),
    ("slow-link", "messages between nodes take longer"),
    ("noise", "election messages are lost, doubled and reordered"),
    ("db-outage", "the database cannot be reached, or its answers cannot"),
    ("db-slow", "the database answers late"),
    ("sink-outage", "the sink cannot be reached, or its answers cannot"),
    ("sink-slow", "the sink answers late"),
    ("wall-step", "a wall clock jumps"),
    ("rate", "a monotonic clock runs fast or slow within the configured bound"),
    ("rate-outside", "a monotonic clock runs fast or slow beyond the configured bound"),
];

impl Fault {
    /// The kind of this fault, one of [`FAULT_KINDS`]. The timing says which clock rates are
    /// within the bound.
    pub fn kind(&self, timing: &Timing) -> &'static str {
        match self {
            Self::Pause { .. } => "pause",
            Self::Cut { links, .. } => links.kind(Cause::Cut),
            Self::Slow { links, .. } => links.kind(Cause::Slow),
            Self::Noise { .. } => "noise",
            Self::Bounce { graceful: false, .. } => "kill",
            Self::Bounce { graceful: true, .. } => "stop",
            Self::WallStep { .. } => "wall-step",
            Self::Rate { ppm, .. } if ppm.unsigned_abs() <= timing.max_drift_ppm => "rate",
            Self::Rate { .. } => "rate-outside",
        }
    }

    /// How long it takes until everything is as it was. A wall clock stays where it was put.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Pause { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Noise { lasts, .. }
            | Self::Rate { lasts, .. } => *lasts,
            Self::Bounce { down, slow_start, .. } => *down + *slow_start,
            Self::WallStep { .. } => Duration::ZERO,
        }
    }

    /// Shortens it to at most `limit`. A bounce gives up its slow start before its time down.
    pub fn clip(&mut self, limit: Duration) {
        match self {
            Self::Pause { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Noise { lasts, .. }
            | Self::Rate { lasts, .. } => *lasts = limit.min(*lasts),
            Self::Bounce { down, slow_start, .. } => {
                *down = limit.min(*down);
                *slow_start = (limit - *down).min(*slow_start);
            }
            Self::WallStep { .. } => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Cut,
    Slow,
}

impl Links {
    fn kind(&self, cause: Cause) -> &'static str {
        let nodes = |side: &[Target]| side.iter().any(|target| target.is_nodes());
        // A cut between nodes that takes database and sink along is a cut between nodes.
        if !nodes(&self.from) || !nodes(&self.to) {
            let database = self.from.iter().chain(&self.to).any(|t| *t == Target::Database);
            return match (cause, database) {
                (Cause::Cut, true) => "db-outage",
                (Cause::Cut, false) => "sink-outage",
                (Cause::Slow, true) => "db-slow",
                (Cause::Slow, false) => "sink-slow",
            };
        }
        let one =
            |side: &[Target]| matches!(side, [Target::Node(_) | Target::Leader | Target::Follower]);
        let rest = |side: &[Target]| side.iter().any(|t| matches!(t, Target::Others | Target::All));
        match cause {
            Cause::Slow => "slow-link",
            Cause::Cut if !self.both_ways => "cut-one-way",
            Cause::Cut if one(&self.from) && one(&self.to) => "cut-link",
            Cause::Cut
                if one(&self.from) && rest(&self.to) || one(&self.to) && rest(&self.from) =>
            {
                "cut-node"
            }
            Cause::Cut => "cut-halves",
        }
    }
}
