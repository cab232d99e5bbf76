//! What an application tells of its cluster, in code or as a part of its own configuration file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::cluster::ACTIVATION_PATIENCE;
use crate::election::{Config, MAX_PRIORITY, Timing};
use crate::id::NodeId;

/// Which cluster, which node of it, and where the others are.
///
/// ```
/// use fencepost::ClusterConfig;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let voters = [
///     ("n1".parse()?, "10.0.0.1:7400".parse()?),
///     ("n2".parse()?, "10.0.0.2:7400".parse()?),
///     ("n3".parse()?, "10.0.0.3:7400".parse()?),
/// ];
/// let config = ClusterConfig::voter("orders", "n1".parse()?, voters).data("/var/lib/orders");
///
/// let from_file: ClusterConfig = toml::from_str(
///     r#"
///     cluster = "orders"
///     node = "n1"
///     data = "/var/lib/orders"
///     voters = { n1 = "10.0.0.1:7400", n2 = "10.0.0.2:7400", n3 = "10.0.0.3:7400" }
///     "#,
/// )?;
/// assert_eq!(config, from_file);
/// # Ok(())
/// # }
/// ```
///
/// In a file, as a table of any format that serde reads, there are also `observer` (false or true),
/// `observers` (a list of names), `listen`, `priority`, `store_patience`, and a table `timing` with the
/// names of [`Timing`], whose durations are texts
/// such as `"100ms"`. What they mean together is checked when the service starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConfig {
    pub(super) cluster: String,
    node: NodeId,
    pub(super) voters: BTreeMap<NodeId, SocketAddr>,
    #[serde(default)]
    pub(super) observers: Option<BTreeSet<NodeId>>,
    #[serde(default)]
    observer: bool,
    #[serde(default)]
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(super) data: Option<PathBuf>,
    #[serde(default = "max_priority")]
    priority: u8,
    #[serde(default, deserialize_with = "timing")]
    timing: Timing,
    #[serde(default = "store_patience", deserialize_with = "duration")]
    pub(super) store_patience: Duration,
    /// In code only: nobody shall become a cluster of one by an empty list in a file.
    #[serde(skip)]
    pub(super) standalone: bool,
}

impl ClusterConfig {
    /// A member of the quorum: `node`, one of the `voters`, which have the same names and addresses on
    /// every node. `cluster` is 1 to [`MAX_CLUSTER_NAME_LEN`](super::frame::MAX_CLUSTER_NAME_LEN)
    /// bytes; nodes of different clusters do not talk.
    pub fn voter(
        cluster: impl Into<String>,
        node: NodeId,
        voters: impl IntoIterator<Item = (NodeId, SocketAddr)>,
    ) -> Self {
        Self {
            cluster: cluster.into(),
            node,
            voters: voters.into_iter().collect(),
            observers: None,
            observer: false,
            listen: None,
            data: None,
            priority: MAX_PRIORITY,
            timing: Timing::default(),
            store_patience: ACTIVATION_PATIENCE,
            standalone: false,
        }
    }

    /// A node without a vote, which is not among the `voters` and never leads.
    pub fn observer(
        cluster: impl Into<String>,
        node: NodeId,
        voters: impl IntoIterator<Item = (NodeId, SocketAddr)>,
    ) -> Self {
        Self { observer: true, ..Self::voter(cluster, node, voters) }
    }

    /// A cluster of one, which is its own quorum and has no network: for development and tests.
    pub fn standalone() -> Self {
        let node = "standalone".parse().expect("a valid name");
        Self { standalone: true, ..Self::voter("standalone", node, []) }
    }

    /// The observers that this voter lets in, by name. Without a list it takes whoever says to be one,
    /// up to [`MAX_OBSERVERS`](crate::election::MAX_OBSERVERS).
    pub fn observers(self, names: impl IntoIterator<Item = NodeId>) -> Self {
        Self { observers: Some(names.into_iter().collect()), ..self }
    }

    /// A directory for what a voter remembers. Without one, or when it was wiped, the voter rejoins
    /// at each start, which takes a second and the help of the others.
    pub fn data(self, directory: impl Into<PathBuf>) -> Self {
        Self { data: Some(directory.into()), ..self }
    }

    /// Where a voter listens, if it is not the address that the others look for it at, as behind
    /// 0.0.0.0.
    pub fn listen(self, address: SocketAddr) -> Self {
        Self { listen: Some(address), ..self }
    }

    /// How much a voter wants to lead, 0 to [`MAX_PRIORITY`], which is the default.
    pub fn priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    /// The durations of the election; the same on all nodes.
    pub fn timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// For how long a leader whose store is out of reach leads on, before it lets others try. It doubles
    /// with each leadership that comes to nothing for that, up to
    /// [`PATIENCE_GROWTH`](crate::cluster::PATIENCE_GROWTH) times as long.
    /// [`ACTIVATION_PATIENCE`](crate::cluster::ACTIVATION_PATIENCE) is the default.
    pub fn store_patience(self, patience: Duration) -> Self {
        Self { store_patience: patience, ..self }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where this node listens; nowhere if it is an observer.
    pub(super) fn listens(&self) -> Option<SocketAddr> {
        self.listen.or_else(|| self.voters.get(&self.node).copied())
    }

    /// What the election is told.
    pub(super) fn election(&self) -> Config {
        let mut voters: Vec<_> = self.voters.keys().copied().collect();
        if self.standalone {
            voters.push(self.node);
        }
        let (observer, priority, timing) = (self.observer, self.priority, self.timing.clone());
        Config { observer, priority, timing, ..Config::of_voter(self.node, voters) }
    }
}

fn store_patience() -> Duration {
    ACTIVATION_PATIENCE
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Text::deserialize(from).map(|Text(duration)| duration)
}

fn max_priority() -> u8 {
    MAX_PRIORITY
}

/// [`Timing`] as a table of texts, each of which may be left out.
fn timing<'de, D: Deserializer<'de>>(from: D) -> Result<Timing, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Table {
        heartbeat: Option<Text>,
        lease: Option<Text>,
        promise: Option<Text>,
        quarantine: Option<Text>,
        election_timeout: Option<Text>,
        jitter: Option<Text>,
        margin: Option<Text>,
        max_drift_ppm: Option<u32>,
    }
    let table = Table::deserialize(from)?;
    let defaults = Timing::default();
    let or = |text: Option<Text>, default| text.map_or(default, |Text(duration)| duration);
    Ok(Timing {
        heartbeat: or(table.heartbeat, defaults.heartbeat),
        lease: or(table.lease, defaults.lease),
        promise: or(table.promise, defaults.promise),
        quarantine: or(table.quarantine, defaults.quarantine),
        election_timeout: or(table.election_timeout, defaults.election_timeout),
        jitter: or(table.jitter, defaults.jitter),
        margin: or(table.margin, defaults.margin),
        max_drift_ppm: table.max_drift_ppm.unwrap_or(defaults.max_drift_ppm),
    })
}

/// A duration such as `"100ms"`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Text(Duration);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|error| format!("{text:?} is no duration, as in \"100ms\" or \"1s\": {error}"))
    }
}

#[cfg(test)]
mod tests;
