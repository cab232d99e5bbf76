//! The TOML file of `fencepost node`: one file for each node, nothing implicit.
//!
//! Every mistake is reported at its place in the file, with what was expected and what to do. A
//! file that passes here starts: addresses, names and timing have all been checked together.

mod check;
mod error;
mod hide;
mod secret;
mod sink;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::cluster_config::ClusterConfig;
use crate::delivery::sinks::SinkConfig;
use crate::delivery::{Backoff, DispatcherConfig};
use crate::election::Config;
use crate::id::NodeId;
use crate::store::{StoreConfig, WorkName};
use crate::work::Work;
use error::Draft;
use sink::SinkTable;
use store::StoreTable;

pub use error::{ConfigFileError, Mistake};

/// The largest `delivery.batch`: a batch is held in memory, and can be in doubt after a crash.
pub const MAX_BATCH: usize = 1_000;

/// The largest `delivery.spread`: the outbox is in so many lots.
pub const MAX_SPREAD: u32 = 256;

/// The work by which nodes share the delivery.
const DELIVERY: &str = "delivery";

/// Everything that `fencepost node` is told, checked. Paths are absolute or relative to the
/// process, not to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The cluster's name: nodes of different clusters do not talk.
    pub cluster: String,
    /// This node, the voters and the timing; valid.
    pub election: Config,
    /// Where this voter listens; nowhere if it is an observer.
    pub listen: Option<SocketAddr>,
    /// Where the voters are reached, this node among them unless it is an observer.
    pub voters: BTreeMap<NodeId, SocketAddr>,
    /// The observers that are let in; anybody, if there is no list.
    pub observers: Option<BTreeSet<NodeId>>,
    /// The directory for what this voter remembers; none if it remembers nothing.
    pub data: Option<PathBuf>,
    /// Where fence and outbox are.
    pub store: StoreConfig,
    /// For how long a leader waits for the store before it lets others try.
    pub store_patience: Duration,
    /// Where messages are delivered to.
    pub sink: SinkConfig,
    /// How messages are looked for.
    pub delivery: Delivery,
}

/// The `[delivery]` table, with its defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long to wait before looking again when there was nothing to deliver.
    pub poll: Duration,
    /// How many messages to claim, send and settle together.
    pub batch: usize,
    /// How long a message waits after an attempt that failed.
    pub backoff: Backoff,
    /// After so many such attempts it is a dead letter.
    pub attempts: u64,
    /// The longest pause of a sink that refuses whatever it is sent.
    pub pause_max: Duration,
    /// For how long a sink is left alone at most because it asks for that.
    pub retry_after_max: Duration,
    /// In how many units the outbox is shared among all nodes; if none, the leader delivers.
    pub spread: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: Spanned<String>,
    node: Spanned<String>,
    observer: Option<Spanned<bool>>,
    observers: Option<Vec<Spanned<String>>>,
    priority: Option<Spanned<i64>>,
    listen: Option<Spanned<String>>,
    disk: Option<Spanned<String>>,
    data: Option<Spanned<PathBuf>>,
    voters: Spanned<BTreeMap<Spanned<String>, Spanned<String>>>,
    timing: Option<Spanned<TimingTable>>,
    store: Spanned<StoreTable>,
    sink: Spanned<SinkTable>,
    delivery: Option<DeliveryTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryTable {
    poll: Option<Spanned<String>>,
    batch: Option<Spanned<usize>>,
    backoff: Option<Spanned<String>>,
    backoff_max: Option<Spanned<String>>,
    attempts: Option<Spanned<u64>>,
    pause_max: Option<Spanned<String>>,
    retry_after_max: Option<Spanned<String>>,
    spread: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimingTable {
    heartbeat: Option<Spanned<String>>,
    lease: Option<Spanned<String>>,
    promise: Option<Spanned<String>>,
    quarantine: Option<Spanned<String>>,
    election_timeout: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
    margin: Option<Spanned<String>>,
    max_drift_ppm: Option<Spanned<u32>>,
}

impl NodeConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It cannot be read, or has a mistake.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigFileError::Unreadable { path: path.to_owned(), source })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, &path.display().to_string(), directory)
    }

    /// Checks the text of a file that is called `name` in errors and whose relative paths start at
    /// `directory`.
    ///
    /// # Errors
    /// It has a mistake.
    pub fn parse(text: &str, name: &str, directory: &Path) -> Result<Self, ConfigFileError> {
        let draft = Draft { text, name };
        let file: File = toml::from_str(text).map_err(|error| draft.not_toml(&error))?;
        let cluster = draft.cluster_name(&file.cluster)?;
        let voters = draft.voters(file.voters.get_ref())?;
        let observer = draft.observer(&file)?;
        let me = draft.node(&file.node, observer, &voters)?;
        let listen = voters.get(&me).map(|&own| draft.listen(me, file.listen.as_ref(), own));
        let listen = listen.transpose()?;
        let observers = draft.observers(&file, &voters)?;
        let priority = draft.priority(file.priority.as_ref())?;
        let data = draft.data(&file, observer)?;
        let timing = draft.timing(file.timing.as_ref())?;
        let voters_listed = voters.keys().copied().collect();
        let election = Config { observer, priority, timing, ..Config::of_voter(me, voters_listed) };
        election.validate().map_err(|error| draft.invalid_election(&error, &file))?;
        let store = draft.store(&file.store, directory)?;
        let store_patience = draft.patience(&file.store)?;
        let sink = draft.sink(&file.sink, directory)?;
        let delivery = draft.delivery(file.delivery.as_ref())?;
        Ok(Self {
            cluster,
            election,
            listen,
            voters,
            observers,
            data: data.map(|data| directory.join(data)),
            store,
            store_patience,
            sink,
            delivery,
        })
    }

    /// What the cluster service is told.
    pub fn cluster_config(&self) -> ClusterConfig {
        let (cluster, voters) = (self.cluster.clone(), self.voters.clone());
        let Config { me, observer, priority, ref timing, .. } = self.election;
        let config = match observer {
            true => ClusterConfig::observer(cluster, me, voters),
            false => ClusterConfig::voter(cluster, me, voters),
        };
        let config = config.priority(priority).timing(timing.clone());
        let mut config = config.store_patience(self.store_patience);
        config.observers.clone_from(&self.observers);
        (config.listen, config.data) = (self.listen, self.data.clone());
        config
    }

    /// How nodes share the delivery, if they do.
    pub fn shared_delivery(&self) -> Option<Work> {
        let name = WorkName::new(DELIVERY).ok()?;
        self.delivery.spread.map(|units| Work { name, units })
    }

    /// How the dispatcher shall work.
    pub fn dispatcher(&self) -> DispatcherConfig {
        DispatcherConfig {
            poll: self.delivery.poll,
            batch: self.delivery.batch,
            backoff: self.delivery.backoff,
            attempts_max: self.delivery.attempts,
            pause_max: self.delivery.pause_max,
            retry_after_max: self.delivery.retry_after_max,
            ..DispatcherConfig::default()
        }
    }
}

#[cfg(test)]
mod tests;
