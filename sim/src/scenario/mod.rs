//! Scenario files: what a cluster is put through, and what must come of it.
//!
//! A scenario leaves choices to the seed, written as ranges (`1s..3s`) or drawn by its `[swarm]`;
//! [`crate::faults::generate()`] makes them and yields a [`crate::faults::Plan`]. A plan prints as
//! a scenario without choices and with its `seed`.

mod bounce;
mod cluster;
mod deploy;
mod expect;
mod fault;
mod field;
mod jobs;
mod links;
mod machines;
mod network;
mod origin;
mod parse;
mod print;
mod problem;
mod services;
mod start;
mod swarm;
pub(crate) mod timing;
mod topology;
pub mod units;
mod validate;
mod workload;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use fencepost::NodeId;
use fencepost::probe::Mutant;

pub use self::jobs::JobSpec;
pub use self::origin::Origin;
pub use self::print::print;
pub use self::problem::{Problem, ScenarioError};
pub use self::start::StartSpec;
pub use self::swarm::{DrawKind, Ranges, Swarm};
pub use self::timing::TimingSpec;
use self::units::Between;
use crate::faults::plan::{
    Case, DiskMode, Harm, Links, Network, Noise, Service, Target, Topology, Transport,
};
use crate::oracles::SinkKind;

/// How long the liveness oracles get if a scenario does not say.
pub const DEFAULT_HEAL: Duration = Duration::from_secs(15);

/// A scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is for, in one sentence.
    pub about: Option<String>,
    /// The seed of a printed plan: what a replay uses unless it is told another.
    pub seed: Option<u64>,
    /// How many voters.
    pub voters: Between<u32>,
    /// How many observers.
    pub observers: Between<u32>,
    /// What the nodes keep over a restart: of these, each seed draws one; at least one.
    pub disks: Vec<DiskMode>,
    /// How the nodes reach each other.
    pub transport: Transport,
    /// The timing of every node; every draw keeps the lease rule.
    pub timing: TimingSpec,
    /// The network when no fault is active.
    pub network: Network,
    /// The messages to deliver; none for an election-only scenario.
    pub workload: Option<WorkloadSpec>,
    /// The scheduled jobs, for the seeds that have messages and so a store.
    pub jobs: Vec<JobSpec>,
    /// How long faults happen, from the end of the warm-up.
    pub horizon: Between<Duration>,
    /// How soon after the faults the liveness oracles must hold.
    pub heal: Between<Duration>,
    /// Whether the leader must stay in spite of the faults.
    pub stable: bool,
    /// The listed faults, in the order of the file.
    pub faults: Vec<FaultLine>,
    /// Faults that each seed draws in addition.
    pub swarm: Option<Swarm>,
    /// What must come of it.
    pub expect: Expect,
}

/// The messages that the application writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// How many; zero is an election-only run.
    pub messages: Between<u32>,
    /// The time between two of them.
    pub every: Between<Duration>,
    /// The kinds of sink of which each seed draws one; at least one.
    pub sinks: Vec<SinkKind>,
    /// How long a dedup sink remembers a key.
    pub window: Between<Duration>,
    /// How many ordering keys the messages carry; zero: none.
    pub keys: Between<u32>,
    /// How many messages a leader claims at once; at least one.
    pub batch: Between<u32>,
    /// After how many known failures a message is a dead letter; at least one.
    pub attempts: Between<u32>,
    /// How many units of a work the nodes share besides; zero: there is none.
    pub units: Between<u32>,
    /// In how many units the participants share the delivery; zero: the leader delivers.
    pub spread: Between<u32>,
}

/// One line of `faults`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultLine {
    /// When.
    pub start: StartSpec,
    /// What.
    pub spec: FaultSpec,
    /// Where it is written.
    pub origin: Origin,
}

/// A fault with its choices: [`crate::faults::Fault`] field by field, and what expands to several.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are those of `Fault`
pub enum FaultSpec {
    Pause {
        nodes: Vec<Target>,
        lasts: Between<Duration>,
    },
    Lies {
        nodes: Vec<Target>,
        lasts: Between<Duration>,
    },
    Suspend {
        nodes: Vec<Target>,
        counted: bool,
        lasts: Between<Duration>,
    },
    Cut {
        links: Links,
        lasts: Between<Duration>,
    },
    Flap {
        links: Links,
        up: Between<Duration>,
        down: Between<Duration>,
        lasts: Between<Duration>,
    },
    Topology {
        topology: Topology,
        lasts: Between<Duration>,
    },
    Slow {
        links: Links,
        by: Between<Duration>,
        lasts: Between<Duration>,
    },
    Noise {
        links: Links,
        noise: Noise,
        lasts: Between<Duration>,
    },
    Bounce {
        nodes: Vec<Target>,
        graceful: bool,
        harm: HarmSpec,
        down: Between<Duration>,
        slow_start: Between<Duration>,
    },
    /// One bounce for each node in turn.
    Rolling {
        graceful: bool,
        harm: HarmSpec,
        /// From the start of one bounce to the start of the next.
        gap: Between<Duration>,
        down: Between<Duration>,
        slow_start: Between<Duration>,
    },
    /// One node gets another list of voters, or, without a node, all in turn.
    Deploy {
        node: Option<NodeId>,
        voters: u32,
        /// From the start of one bounce to the start of the next.
        gap: Between<Duration>,
        down: Between<Duration>,
    },
    Retire {
        node: NodeId,
    },
    Die {
        nodes: Vec<Target>,
        harm: HarmSpec,
        down: Between<Duration>,
        slow_start: Between<Duration>,
    },
    CrashLoop {
        nodes: Vec<Target>,
        harm: HarmSpec,
        times: Between<u32>,
        up: Between<Duration>,
        down: Between<Duration>,
    },
    Disk {
        nodes: Vec<Target>,
        trouble: DiskSpec,
        lasts: Between<Duration>,
    },
    Restart {
        service: Service,
        loses: Between<Duration>,
        down: Between<Duration>,
    },
    Service {
        service: Service,
        trouble: ServiceSpec,
        share_ppm: u32,
        lasts: Between<Duration>,
    },
    Judge {
        case: Case,
        thinks: Between<Duration>,
    },
    Strobe {
        node: Target,
        by_ms: Between<i64>,
        every: Between<Duration>,
        lasts: Between<Duration>,
    },
    WallStep {
        node: Target,
        by_ms: Between<i64>,
    },
    Rate {
        node: Target,
        ppm: Between<i32>,
        lasts: Between<Duration>,
    },
}

/// What is wrong with a disk: [`crate::faults::plan::DiskTrouble`] with its choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DiskSpec {
    Full,
    Unreadable,
    Slow { by: Between<Duration> },
}

/// What is wrong with a service: [`crate::faults::plan::ServiceTrouble`] with its choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceSpec {
    Fails,
    Refuses,
    Late { by: Between<Duration> },
    Lost,
}

/// What a bounce does to the disk, as a line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HarmSpec {
    /// What.
    pub harm: Harm,
    /// Each seed decides, for each bounce, whether.
    pub sometimes: bool,
}

/// The `[expect]` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The properties of which at least one must be broken; none: all must hold.
    pub violates: Vec<&'static str>,
    /// Reach points of the product that the batch of seeds must reach.
    pub reach: Vec<&'static str>,
    /// Kinds of fault that the batch must have injected.
    pub faults: Vec<&'static str>,
    /// The planted bugs that this scenario must catch.
    pub kills: Vec<Mutant>,
    /// How often leadership must change at least over the batch.
    pub leader_changes: u32,
    /// How long nobody may be able to act at most, in one stretch, from the end of the warm-up to the end
    /// of each run.
    pub outage: Option<Duration>,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The file cannot be read, or what is wrong with it, line by line.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ScenarioError::Unreadable {
            path: path.display().to_string(),
            cause,
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads a scenario from `text`; errors call it `file`.
    ///
    /// # Errors
    /// Everything that is wrong with it, line by line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        parse::parse(text).map_err(|problems| ScenarioError::unusable(file, text, problems))
    }
}
