//! What a fault is called in reports, in `[expect]` and in `cargo sim list`.

use fencepost::election::Timing;

use super::plan::{Fault, Harm, Links, Target, Topology};

/// Every kind of fault, with what it means: what [`Fault::kind`] answers, in the order of reports.
pub const FAULT_KINDS: &[(&str, &str)] = &[
    ("pause", "a whole process stands still"),
    ("kill", "a process is killed and started again"),
    ("stop", "a process is stopped gracefully and started again"),
    ("kill-wiped", "a process is killed and started again on an empty disk"),
    ("stop-wiped", "a process is stopped gracefully and started again on an empty disk"),
    ("torn", "a process is killed and started again on a damaged disk"),
    ("deploy", "a process is started with another list of voters"),
    ("retire", "a process is stopped and never started again"),
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
            Self::WallStep { .. } => "wall-step",
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
