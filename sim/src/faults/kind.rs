//! What a fault is called in reports, in `[expect]` and in `cargo sim list`.

use fencepost::election::Timing;

use super::plan::{
    Case, DiskTrouble, Fault, Harm, Links, Service, ServiceTrouble, Target, Topology,
};

/// Every kind of fault, with what it means: what [`Fault::kind`] answers, in the order of reports.
pub const FAULT_KINDS: &[(&str, &str)] = &[
    ("pause", "a whole process stands still"),
    ("pause-several", "several processes stand still at once"),
    ("suspend", "a machine sleeps, and its clocks go on"),
    ("suspend-uncounted", "a machine sleeps, and its monotonic clock does not count that"),
    ("kill", "a process is killed and started again"),
    ("stop", "a process is stopped gracefully and started again"),
    ("kill-wiped", "a process is killed and started again on an empty disk"),
    ("stop-wiped", "a process is stopped gracefully and started again on an empty disk"),
    ("torn", "a process is killed and started again on a damaged disk"),
    ("deploy", "a process is started with another list of voters"),
    ("retire", "a process is stopped and never started again"),
    ("silent-death", "a machine vanishes without a word, and starts again"),
    ("crash-loop", "a process is killed again and again, soon after each start"),
    ("disk-full", "what is written to a disk fails"),
    ("disk-unreadable", "what is read from a disk fails"),
    ("disk-slow", "a disk takes long to write"),
    ("lies", "what a machine tells other nodes is partly made up, in anybody's name"),
    ("cut-node", "a node is cut off from all others"),
    ("cut-link", "one link between two nodes is cut both ways"),
    ("cut-one-way", "messages between nodes pass in one direction only"),
    ("cut-halves", "the nodes are cut into groups"),
    ("flap", "links are cut and mended in turn"),
    ("ring", "only neighbours reach each other, the last and the first among them"),
    ("chain", "only neighbours reach each other"),
    ("star", "only one node reaches all others, and they reach only it"),
    ("slow-link", "messages between nodes take longer"),
    ("noise", "election messages are lost, doubled and reordered"),
    ("db-outage", "the database cannot be reached, or its answers cannot"),
    ("db-slow", "the database answers late"),
    ("db-restart", "the database's process ends, with all connections, and starts again"),
    (
        "db-failover-lost",
        "the database fails over to a standby that lacks commits which were acknowledged",
    ),
    ("db-fails", "the database answers that it failed, and has done nothing"),
    ("commit-late", "the database commits, and acknowledges it late"),
    ("commit-lost", "the database commits, and its acknowledgement is lost"),
    ("sink-outage", "the sink cannot be reached, or its answers cannot"),
    ("sink-slow", "the sink answers late"),
    ("sink-restart", "the sink's process ends, with all connections, and starts again"),
    ("sink-fails", "the sink answers that it failed, and has done nothing"),
    (
        "sink-refuses",
        "the sink refuses for good whatever it is sent, though nothing is wrong with it",
    ),
    ("effect-late", "the sink takes a message, and acknowledges it late"),
    ("effect-lost", "the sink takes a message, and its acknowledgement is lost"),
    ("verdicts", "a person settles what is in doubt"),
    ("requeue", "a person has dead letters tried anew"),
    ("wall-step", "a wall clock jumps"),
    ("db-wall-step", "the database's wall clock jumps, which is the store's"),
    ("wall-strobe", "a wall clock jumps to and fro"),
    ("rate", "a monotonic clock runs fast or slow within the configured bound"),
    ("rate-outside", "a monotonic clock runs fast or slow beyond the configured bound"),
];

impl Fault {
    /// The kind of this fault, one of [`FAULT_KINDS`]. The timing says which clock rates are
    /// within the bound.
    pub fn kind(&self, timing: &Timing) -> &'static str {
        match self {
            Self::Pause { nodes, .. } => match nodes[..] {
                [Target::Node(_) | Target::Leader | Target::Follower] => "pause",
                _ => "pause-several",
            },
            Self::Suspend { counted: true, .. } => "suspend",
            Self::Suspend { counted: false, .. } => "suspend-uncounted",
            Self::Lies { .. } => "lies",
            Self::Cut { links, .. } => links.kind(Cause::Cut),
            Self::Slow { links, .. } => links.kind(Cause::Slow),
            Self::Flap { .. } => "flap",
            Self::Topology { topology, .. } => match topology {
                Topology::Ring => "ring",
                Topology::Chain => "chain",
                Topology::Star(_) => "star",
            },
            Self::Noise { .. } => "noise",
            Self::Bounce { graceful, harm, .. } => match (harm, graceful) {
                (Harm::None, false) => "kill",
                (Harm::None, true) => "stop",
                (Harm::Wipe, false) => "kill-wiped",
                (Harm::Wipe, true) => "stop-wiped",
                (Harm::Tear, _) => "torn",
            },
            Self::Deploy { .. } => "deploy",
            Self::Retire { .. } => "retire",
            Self::Die { .. } => "silent-death",
            Self::CrashLoop { .. } => "crash-loop",
            Self::Disk { trouble, .. } => match trouble {
                DiskTrouble::Full => "disk-full",
                DiskTrouble::Unreadable => "disk-unreadable",
                DiskTrouble::Slow { .. } => "disk-slow",
            },
            Self::Restart { service: Service::Database, loses, .. } if !loses.is_zero() => {
                "db-failover-lost"
            }
            Self::Restart { service: Service::Database, .. } => "db-restart",
            Self::Restart { service: Service::Sink, .. } => "sink-restart",
            Self::Service { service, trouble, .. } => match (service, trouble) {
                (Service::Database, ServiceTrouble::Fails) => "db-fails",
                (Service::Database, ServiceTrouble::Late { .. }) => "commit-late",
                (Service::Database, ServiceTrouble::Lost) => "commit-lost",
                (Service::Sink, ServiceTrouble::Fails) => "sink-fails",
                (_, ServiceTrouble::Refuses) => "sink-refuses",
                (Service::Sink, ServiceTrouble::Late { .. }) => "effect-late",
                (Service::Sink, ServiceTrouble::Lost) => "effect-lost",
            },
            Self::Judge { case: Case::Doubts, .. } => "verdicts",
            Self::Judge { case: Case::DeadLetters, .. } => "requeue",
            Self::WallStep { node: Target::Database, .. } => "db-wall-step",
            Self::WallStep { .. } => "wall-step",
            Self::Strobe { .. } => "wall-strobe",
            Self::Rate { ppm, .. } if ppm.unsigned_abs() <= timing.max_drift_ppm => "rate",
            Self::Rate { .. } => "rate-outside",
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
