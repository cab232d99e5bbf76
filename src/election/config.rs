//! Who votes and how long things take, and the rule that makes leases safe.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MAX_VOTERS;
use super::roll::fingerprint;
use crate::id::NodeId;

/// Everything the election is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Config {
    /// This node: one of the voters, unless it is an observer.
    pub me: NodeId,
    /// The configured voters, distinct, at most [`MAX_VOTERS`]. The list may change by one voter at
    /// a time, by restarting one node after the other with the new list.
    pub voters: Vec<NodeId>,
    /// Whether this node has no vote, and is not on the list.
    pub observer: bool,
    /// How much this node wants to lead, 0 to [`MAX_PRIORITY`]: the less, the longer it waits
    /// before it campaigns, and the later it is asked to take over. The same on most nodes.
    pub priority: u8,
    /// How a cluster starts of which too few voters remember anything.
    pub cold_start: ColdStart,
    /// Durations.
    pub timing: Timing,
}

/// The priority of a node that has no reason to lead less than others.
pub const MAX_PRIORITY: u8 = 3;

/// How a cluster starts, for the first time or anew, of which too few voters remember anything. The
/// same on all nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ColdStart {
    /// A majority of the voters suffices; the roll call is a transaction of the store, which also
    /// remembers the highest token ever.
    #[default]
    ByStore,
    /// There is no store: it takes all voters, and tokens rise only as far as any of them remembers.
    ByAllVoters,
}

/// Names a list of voters: a fingerprint, whatever their order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigId(pub u64);

impl ConfigId {
    /// The id of that list.
    pub fn of(voters: &[NodeId]) -> Self {
        let mut sorted: Vec<_> = voters.iter().collect();
        sorted.sort_unstable();
        Self(fingerprint(sorted.iter().flat_map(|voter| voter.as_str().bytes().chain([0]))))
    }
}

impl fmt::Debug for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// By how many voters two lists differ. Majorities of lists that differ by at most one share a
/// voter (Ongaro 2014, §4.1); of others, two may miss each other.
pub fn steps_apart(one: &[NodeId], other: &[NodeId]) -> usize {
    let only = |a: &[NodeId], b: &[NodeId]| a.iter().filter(|voter| !b.contains(voter)).count();
    only(one, other) + only(other, one)
}

/// The durations of the election, all on monotonic clocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timing {
    /// H: how often a leader sends heartbeats.
    pub heartbeat: Duration,
    /// L: how long a lease lasts on the leader's clock, from the sending of its heartbeat.
    pub lease: Duration,
    /// A: how long a follower promises no vote to others, on its own clock.
    pub promise: Duration,
    /// Q: how long a starting node withholds its vote, on its own clock.
    pub quarantine: Duration,
    /// E: how long a follower waits for a heartbeat before it campaigns; at least A.
    pub election_timeout: Duration,
    /// J: the range of the random addition to E, and how long one poll for votes lasts.
    pub jitter: Duration,
    /// m: what the lease rule adds to L for the time between reading a clock and acting on it.
    pub margin: Duration,
    /// How far a clock's rate may be off, in parts per million: rates lie in [1 − d, 1 + d].
    pub max_drift_ppm: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(100),
            lease: Duration::from_millis(900),
            promise: Duration::from_millis(950),
            quarantine: Duration::from_millis(950),
            election_timeout: Duration::from_millis(1000),
            jitter: Duration::from_millis(500),
            margin: Duration::from_millis(20),
            max_drift_ppm: 10_000,
        }
    }
}

/// A configuration that cannot work. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each variant's message says it
pub enum ConfigError {
    #[error("no voters: list at least this node")]
    NoVoters,
    #[error("{count} voters: at most {MAX_VOTERS} are supported; make the others observers")]
    TooManyVoters { count: usize },
    #[error("voter {voter} is listed twice: list each voter once")]
    DuplicateVoter { voter: NodeId },
    #[error(
        "{me} is not on its own list of voters: add it, start the node under a listed name, or make \
         it an observer"
    )]
    NotAVoter { me: NodeId },
    #[error("{me} is an observer and on the list of voters: take it off, or make it a voter")]
    ObserverVotes { me: NodeId },
    #[error("priority = {priority} is out of range: 0 to {MAX_PRIORITY}")]
    PriorityOutOfRange { priority: u8 },
    #[error(
        "{name} = {value:?} is shorter than the lease rule allows: at least {least:?} for lease = \
         {lease:?} and margin = {margin:?} with clocks that may be {max_drift_ppm} ppm off; \
         lengthen {name} or shorten lease"
    )]
    BreaksLeaseRule {
        name: &'static str,
        value: Duration,
        least: Duration,
        lease: Duration,
        margin: Duration,
        max_drift_ppm: u32,
    },
    #[error(
        "{name} = {value:?} is too short beside {other} = {other_value:?}: make it at least \
         {least:?}"
    )]
    TooShort {
        name: &'static str,
        value: Duration,
        other: &'static str,
        other_value: Duration,
        least: Duration,
    },
    #[error("{name} = {value:?} is out of range: 1 ms to 1 h")]
    OutOfRange { name: &'static str, value: Duration },
    #[error("max_drift_ppm = {max_drift_ppm} is out of range: 0 to 500000")]
    DriftOutOfRange { max_drift_ppm: u32 },
}

/// The largest supported [`Timing::max_drift_ppm`].
pub const MAX_DRIFT_PPM: u32 = 500_000;

impl Config {
    /// Of a voter like any other, with the default timing.
    pub fn of_voter(me: NodeId, voters: Vec<NodeId>) -> Self {
        Self {
            me,
            voters,
            observer: false,
            priority: MAX_PRIORITY,
            cold_start: ColdStart::default(),
            timing: Timing::default(),
        }
    }

    /// Names the list of voters.
    pub fn id(&self) -> ConfigId {
        ConfigId::of(&self.voters)
    }

    /// What works and is probably not meant.
    pub fn warning(&self) -> Option<String> {
        let voters = self.voters.len();
        (voters > 1 && voters.is_multiple_of(2)).then(|| {
            format!(
                "{voters} voters survive the loss of {} like {} do: add one, or make one an observer",
                (voters - 1) / 2,
                voters - 1,
            )
        })
    }

    /// Checks voters and timing.
    ///
    /// # Errors
    /// The first thing that is wrong, with the values that collide.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.voters.is_empty() {
            return Err(ConfigError::NoVoters);
        }
        if self.voters.len() > MAX_VOTERS {
            return Err(ConfigError::TooManyVoters { count: self.voters.len() });
        }
        for (index, voter) in self.voters.iter().enumerate() {
            if self.voters[..index].contains(voter) {
                return Err(ConfigError::DuplicateVoter { voter: *voter });
            }
        }
        match (self.observer, self.voters.contains(&self.me)) {
            (false, false) => return Err(ConfigError::NotAVoter { me: self.me }),
            (true, true) => return Err(ConfigError::ObserverVotes { me: self.me }),
            (false, true) | (true, false) => {}
        }
        if self.priority > MAX_PRIORITY {
            return Err(ConfigError::PriorityOutOfRange { priority: self.priority });
        }
        self.timing.validate()
    }
}

impl Timing {
    /// The shortest A and Q that the lease rule allows: (L + m) · r_max / r_min, rounded up.
    pub fn least_promise(&self) -> Duration {
        let drift = u128::from(self.max_drift_ppm.min(MAX_DRIFT_PPM));
        let span = (self.lease + self.margin).as_nanos();
        let least = (span * (1_000_000 + drift)).div_ceil(1_000_000 - drift);
        Duration::from_nanos(u64::try_from(least).unwrap_or(u64::MAX))
    }

    /// Checks the ranges and the lease rule.
    ///
    /// # Errors
    /// The first thing that is wrong, with the two values that collide.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let range = Duration::from_millis(1)..=Duration::from_secs(3600);
        for (name, value) in [
            ("heartbeat", self.heartbeat),
            ("lease", self.lease),
            ("promise", self.promise),
            ("quarantine", self.quarantine),
            ("election_timeout", self.election_timeout),
            ("jitter", self.jitter),
        ] {
            if !range.contains(&value) {
                return Err(ConfigError::OutOfRange { name, value });
            }
        }
        if self.margin > *range.end() {
            return Err(ConfigError::OutOfRange { name: "margin", value: self.margin });
        }
        if self.max_drift_ppm > MAX_DRIFT_PPM {
            return Err(ConfigError::DriftOutOfRange { max_drift_ppm: self.max_drift_ppm });
        }
        let least = self.least_promise();
        for (name, value) in [("promise", self.promise), ("quarantine", self.quarantine)] {
            if value < least {
                return Err(ConfigError::BreaksLeaseRule {
                    name,
                    value,
                    least,
                    lease: self.lease,
                    margin: self.margin,
                    max_drift_ppm: self.max_drift_ppm,
                });
            }
        }
        let at_least = |name, value: Duration, other, other_value: Duration, least: Duration| {
            if value < least {
                return Err(ConfigError::TooShort { name, value, other, other_value, least });
            }
            Ok(())
        };
        at_least("election_timeout", self.election_timeout, "promise", self.promise, self.promise)?;
        // A lease that one lost heartbeat ends would flap.
        at_least("lease", self.lease, "heartbeat", self.heartbeat, 2 * self.heartbeat)
    }
}

#[cfg(test)]
mod tests;
