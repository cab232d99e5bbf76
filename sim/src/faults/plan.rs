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
    /// How long faults happen, from the end of the warm-up.
    pub horizon: Duration,
    /// How soon after the faults the liveness oracles must hold.
    pub heal: Duration,
    /// Whether the leader must stay in spite of the faults.
    pub stable: bool,
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
    /// When.
    pub start: Start,
    /// What.
    pub fault: Fault,
}

impl PlannedFault {
    /// A fault at that time from the end of the warm-up.
    pub fn at(at: Duration, fault: Fault) -> Self {
        Self { start: Start::At(at), fault }
    }
}

/// When a fault begins. Ordered as in a plan: times first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// At this time from the end of the warm-up.
    At(Duration),
    /// When something happens, and never if it does not happen before the horizon.
    When {
        /// What must happen.
        event: Trigger,
        /// For the how-many-th time since the end of the warm-up; from 1.
        nth: u32,
        /// How long after it.
        after: Duration,
    },
}

/// What a fault can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A guard is handed out: to this voter, or to any.
    Leader(Option<NodeId>),
    /// A holder asks the database to claim a message; the claim is under way.
    ClaimAsked,
    /// A claim is durable.
    Claim,
    /// A message is on its way to the sink.
    Send,
    /// The floor rises.
    Floor,
}

/// One fault. `lasts` counts from the injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Whole processes stand still.
    Pause {
        /// Whose.
        nodes: Vec<Target>,
        /// How long.
        lasts: Duration,
    },
    /// Machines sleep: nothing runs, what is sent to them is lost, and timers go off late.
    Suspend {
        /// Which.
        nodes: Vec<Target>,
        /// Whether the monotonic clocks count the time asleep. Else they are broken: they stand
        /// still, which is outside every bound.
        counted: bool,
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
    /// Processes end, all at once, and others start, all at once.
    Bounce {
        /// Whose.
        nodes: Vec<Target>,
        /// They end by themselves after a stop signal; else they are killed.
        graceful: bool,
        /// What happens to their disks. In a cluster that wipes at start it is always a wipe, and
        /// in one without disks nothing.
        harm: Harm,
        /// From the end of the last old process to the start of the new ones.
        down: Duration,
        /// From the start of the new process to the first step of the node's code.
        slow_start: Duration,
    },
    /// A node gets another list of voters: its process is stopped gracefully and started again
    /// with it, or started for the first time.
    Deploy {
        /// Whose.
        node: NodeId,
        /// The list is the voters n1 to this one.
        voters: u32,
        /// From the end of the old process to the start of the new one.
        down: Duration,
    },
    /// A node's process is stopped gracefully and never started again.
    Retire {
        /// Whose.
        node: NodeId,
    },
    /// Machines vanish: they answer nothing and close no connection. Later they start again.
    Die {
        /// Which.
        nodes: Vec<Target>,
        /// As of a bounce.
        harm: Harm,
        /// From their death to the start of the new processes.
        down: Duration,
        /// As of a bounce.
        slow_start: Duration,
    },
    /// Processes are killed again and again, each soon after its start.
    CrashLoop {
        /// Whose.
        nodes: Vec<Target>,
        /// As of a bounce, each time.
        harm: Harm,
        /// How many kills; at least one.
        times: u32,
        /// From a start to the next kill.
        up: Duration,
        /// From a kill to the start.
        down: Duration,
    },
    /// Disks do not work as they should. A process that ends because of that is started again
    /// until its disk works.
    Disk {
        /// Whose.
        nodes: Vec<Target>,
        /// In which way.
        trouble: DiskTrouble,
        /// How long.
        lasts: Duration,
    },
    /// The process of a service ends and another one starts. What is committed stays; questions
    /// and answers under way are lost with their connections.
    Restart {
        /// Which.
        service: Service,
        /// From the end of the old process to the start of the new one.
        down: Duration,
    },
    /// A service does not answer as it should.
    Service {
        /// Which.
        service: Service,
        /// In which way.
        trouble: ServiceTrouble,
        /// How many of the questions it meets, in parts per million.
        share_ppm: u32,
        /// How long.
        lasts: Duration,
    },
    /// The wall clock jumps to and fro, and is right again at the end.
    Strobe {
        /// Whose.
        node: Target,
        /// How far, in milliseconds.
        by_ms: i64,
        /// The time between two jumps.
        every: Duration,
        /// How long.
        lasts: Duration,
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

/// What a bounce does to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Nothing.
    None,
    /// The new process finds it empty.
    Wipe,
    /// The write that was under way, or else the content, is damaged.
    Tear,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskTrouble {
    /// Writes fail; what they were to replace may be replaced all the same.
    Full,
    /// Reads fail.
    Unreadable,
    /// Writes take that much longer.
    Slow {
        /// How much.
        by: Duration,
    },
}

/// A service that the nodes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The database.
    Database,
    /// The sink.
    Sink,
}

/// What is wrong with the answers of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTrouble {
    /// They say that it failed and nothing was done, which is true.
    Fails,
    /// What was asked is done at once, and acknowledged that much later.
    Late {
        /// How much.
        by: Duration,
    },
    /// What was asked is done, and the acknowledgement is lost.
    Lost,
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
    /// The voter that leads.
    Leader,
    /// Some voter that does not lead.
    Follower,
    /// The leader, and as many other voters as make a majority with it.
    Majority,
    /// All nodes that are not on the other side of the link.
    Others,
    /// All nodes, voters and observers.
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

impl Fault {
    /// How long it takes until everything is as it was. A wall clock stays where it was put.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Pause { lasts, .. }
            | Self::Suspend { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Noise { lasts, .. }
            | Self::Disk { lasts, .. }
            | Self::Service { lasts, .. }
            | Self::Strobe { lasts, .. }
            | Self::Rate { lasts, .. } => *lasts,
            Self::Bounce { down, slow_start, .. } | Self::Die { down, slow_start, .. } => {
                *down + *slow_start
            }
            Self::CrashLoop { times, up, down, .. } => *down * *times + *up * (*times - 1),
            Self::Restart { down, .. } | Self::Deploy { down, .. } => *down,
            Self::Retire { .. } | Self::WallStep { .. } => Duration::ZERO,
        }
    }

    /// Shortens it to at most `limit`. A bounce gives up its slow start before its time down, a
    /// crash loop its last rounds.
    pub fn clip(&mut self, limit: Duration) {
        match self {
            Self::Pause { lasts, .. }
            | Self::Suspend { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Noise { lasts, .. }
            | Self::Disk { lasts, .. }
            | Self::Service { lasts, .. }
            | Self::Strobe { lasts, .. }
            | Self::Rate { lasts, .. } => *lasts = limit.min(*lasts),
            Self::CrashLoop { times, up, down, .. } => {
                while *times > 1 && *down * *times + *up * (*times - 1) > limit {
                    *times -= 1;
                }
                *down = limit.min(*down);
            }
            Self::Restart { down, .. } => *down = limit.min(*down),
            Self::Bounce { down, slow_start, .. } | Self::Die { down, slow_start, .. } => {
                *down = limit.min(*down);
                *slow_start = (limit - *down).min(*slow_start);
            }
            Self::Deploy { down, .. } => *down = limit.min(*down),
            Self::Retire { .. } | Self::WallStep { .. } => {}
        }
    }

    /// What it does to disks when their processes end, if it ends any.
    pub(super) fn harm_mut(&mut self) -> Option<&mut Harm> {
        match self {
            Self::Bounce { harm, .. } | Self::Die { harm, .. } | Self::CrashLoop { harm, .. } => {
                Some(harm)
            }
            _ => None,
        }
    }
}
