//! One fault of a plan: what it does, to whom, and for how long.

use std::time::Duration;

use fencepost::NodeId;

use super::plan::Noise;

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
    /// Of what leaves these machines for other nodes, much is made up: any field, any value, what was
    /// said before, in anybody's name. Their processes are honest and know nothing of it.
    Lies {
        /// Which.
        nodes: Vec<Target>,
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
    /// Some links are cut and mended in turn; cut first, and mended at the end.
    Flap {
        /// Which.
        links: Links,
        /// How long they are mended each time; above zero.
        up: Duration,
        /// How long they are cut each time; above zero.
        down: Duration,
        /// How long.
        lasts: Duration,
    },
    /// Only some pairs of nodes reach each other. Database and sink are left alone.
    Topology {
        /// Which pairs.
        topology: Topology,
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
        /// For how long, until then, what the database commits is acknowledged and yet lost: a standby
        /// takes over that lagged. Zero: nothing is.
        loses: Duration,
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
    /// A person looks at the outbox, and later passes verdicts about what there was.
    Judge {
        /// About which messages.
        case: Case,
        /// From the look to the verdicts.
        thinks: Duration,
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

/// Which pairs of nodes reach each other when not all do. The nodes stand in their order: the
/// voters, then the observers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Neighbours, the last and the first among them.
    Ring,
    /// Neighbours.
    Chain,
    /// Each and the one in the centre.
    Star(Target),
}

impl Topology {
    /// With fewer nodes than these, nothing would be cut.
    pub fn least_nodes(self) -> u32 {
        match self {
            Self::Ring => 4,
            Self::Chain | Self::Star(_) => 3,
        }
    }
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
    /// The sink's say that it refuses the message for good, whichever it is, and nothing was done.
    Refuses,
    /// What was asked is done at once, and acknowledged that much later.
    Late {
        /// How much.
        by: Duration,
    },
    /// What was asked is done, and the acknowledgement is lost.
    Lost,
}

/// What a person passes verdicts about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Messages in doubt, parked or not: delivered if the recipient has them, else to be sent again
    /// or given up, unless a send may be on its way.
    Doubts,
    /// Dead letters, which are tried anew.
    DeadLetters,
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
            | Self::Lies { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Flap { lasts, .. }
            | Self::Topology { lasts, .. }
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
            Self::Restart { down, loses, .. } => *loses + *down,
            Self::Deploy { down, .. } => *down,
            Self::Judge { thinks, .. } => *thinks,
            Self::Retire { .. } | Self::WallStep { .. } => Duration::ZERO,
        }
    }

    /// Shortens it to at most `limit`. A bounce gives up its slow start before its time down, a
    /// crash loop its last rounds.
    pub fn clip(&mut self, limit: Duration) {
        match self {
            Self::Pause { lasts, .. }
            | Self::Suspend { lasts, .. }
            | Self::Lies { lasts, .. }
            | Self::Cut { lasts, .. }
            | Self::Flap { lasts, .. }
            | Self::Topology { lasts, .. }
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
            Self::Restart { down, loses, .. } => {
                *loses = limit.min(*loses);
                *down = (limit - *loses).min(*down);
            }
            Self::Bounce { down, slow_start, .. } | Self::Die { down, slow_start, .. } => {
                *down = limit.min(*down);
                *slow_start = (limit - *down).min(*slow_start);
            }
            Self::Deploy { down, .. } => *down = limit.min(*down),
            Self::Judge { thinks, .. } => *thinks = limit.min(*thinks),
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
