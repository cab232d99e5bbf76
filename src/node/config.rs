//! The TOML file of `fencepost node`: one file for each node, nothing implicit.
//!
//! Every mistake is reported at its place in the file, with what was expected and what to do. A
//! file that passes here starts: addresses, names and timing have all been checked together.

mod error;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::frame::MAX_CLUSTER_NAME_LEN;
use crate::delivery::DispatcherConfig;
use crate::election::{Config, ConfigError, Timing};
use crate::id::NodeId;
use error::{Draft, nearest};

pub use error::{ConfigFileError, Mistake};

/// The largest `delivery.batch`.
pub const MAX_BATCH: usize = 10_000;

/// Everything that `fencepost node` is told, checked. Paths are absolute or relative to the
/// process, not to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The cluster's name: nodes of different clusters do not talk.
    pub cluster: String,
    /// This node, the voters and the timing; valid.
    pub election: Config,
    /// Where this node listens.
    pub listen: SocketAddr,
    /// Where the voters are reached, this node among them.
    pub voters: BTreeMap<NodeId, SocketAddr>,
    /// The directory for what this node must remember.
    pub data: PathBuf,
    /// The SQLite file with fence and outbox.
    pub sqlite: PathBuf,
    /// The file that messages are delivered to.
    pub sink_file: PathBuf,
    /// How messages are looked for.
    pub delivery: Delivery,
}

/// The `[delivery]` table, with its defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long to wait before looking again when there was nothing to deliver.
    pub poll: Duration,
    /// How many messages to take from one look.
    pub batch: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: Spanned<String>,
    node: Spanned<String>,
    listen: Option<Spanned<String>>,
    data: PathBuf,
    voters: Spanned<BTreeMap<Spanned<String>, Spanned<String>>>,
    timing: Option<Spanned<TimingTable>>,
    store: StoreTable,
    sink: SinkTable,
    delivery: Option<DeliveryTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreTable {
    sqlite: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SinkTable {
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryTable {
    poll: Option<Spanned<String>>,
    batch: Option<Spanned<usize>>,
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
        let me = draft.node_among(&file.node, &voters)?;
        let listen = draft.listen(me, file.listen.as_ref(), &voters)?;
        let timing = draft.timing(file.timing.as_ref())?;
        let voters_listed = voters.keys().copied().collect();
        let election = Config { timing, ..Config::of_voter(me, voters_listed) };
        election.validate().map_err(|error| draft.invalid_election(&error, &file))?;
        let delivery = draft.delivery(file.delivery)?;
        Ok(Self {
            cluster,
            election,
            listen,
            voters,
            data: directory.join(file.data),
            sqlite: directory.join(file.store.sqlite),
            sink_file: directory.join(file.sink.file),
            delivery,
        })
    }

    /// How the dispatcher shall work.
    pub fn dispatcher(&self) -> DispatcherConfig {
        DispatcherConfig {
            poll: self.delivery.poll,
            batch: self.delivery.batch,
            ..DispatcherConfig::default()
        }
    }
}

impl Draft<'_> {
    fn cluster_name(&self, name: &Spanned<String>) -> Result<String, ConfigFileError> {
        let len = name.get_ref().len();
        if len == 0 || len > MAX_CLUSTER_NAME_LEN || name.get_ref().chars().any(char::is_control) {
            return Err(self.mistake(
                name.span(),
                "this cannot name a cluster",
                "here",
                format!("give it 1 to {MAX_CLUSTER_NAME_LEN} bytes without control characters"),
            ));
        }
        Ok(name.get_ref().clone())
    }

    fn node_id(&self, name: &Spanned<String>) -> Result<NodeId, ConfigFileError> {
        name.get_ref().parse().map_err(|error: crate::id::InvalidName| {
            self.mistake(name.span(), error, "this name", "choose a shorter or simpler name")
        })
    }

    fn voters(
        &self,
        table: &BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> Result<BTreeMap<NodeId, SocketAddr>, ConfigFileError> {
        let mut voters: BTreeMap<NodeId, SocketAddr> = BTreeMap::new();
        for (name, address) in table {
            let voter = self.node_id(name)?;
            let address_is = self.address(address)?;
            if address_is.ip().is_unspecified() {
                return Err(self.mistake(
                    address.span(),
                    format!("no node can be reached at {address_is}"),
                    "means every interface of a machine, not one machine",
                    "put the address here that the other nodes connect to; `listen` may say \
                     0.0.0.0",
                ));
            }
            if let Some((twin, _)) = voters.iter().find(|(_, other)| **other == address_is) {
                return Err(self.mistake(
                    address.span(),
                    format!("{twin} and {voter} have the same address"),
                    format!("{twin} has it already"),
                    "give each voter an address or a port of its own",
                ));
            }
            voters.insert(voter, address_is);
        }
        Ok(voters)
    }

    fn address(&self, text: &Spanned<String>) -> Result<SocketAddr, ConfigFileError> {
        let help = "write an IP address and a port, as in \"10.0.0.7:7400\" or \"[::1]:7400\"; \
                    host names are not looked up";
        let address: SocketAddr = text.get_ref().parse().map_err(|_| {
            self.mistake(text.span(), "this is no address", "not an IP address and a port", help)
        })?;
        if address.port() == 0 {
            return Err(self.mistake(text.span(), "port 0 is no port", "here", help));
        }
        Ok(address)
    }

    fn node_among(
        &self,
        node: &Spanned<String>,
        voters: &BTreeMap<NodeId, SocketAddr>,
    ) -> Result<NodeId, ConfigFileError> {
        let me = self.node_id(node)?;
        if voters.contains_key(&me) {
            return Ok(me);
        }
        let help = match nearest(me.as_str(), voters.keys().map(NodeId::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("add a line `{me} = \"address:port\"` to [voters] on every node"),
        };
        Err(self.mistake(
            node.span(),
            format!("{me} is not among the voters"),
            "has no line in [voters]",
            help,
        ))
    }

    /// Where to listen: at the own line in `[voters]`, unless `listen` says otherwise.
    fn listen(
        &self,
        me: NodeId,
        listen: Option<&Spanned<String>>,
        voters: &BTreeMap<NodeId, SocketAddr>,
    ) -> Result<SocketAddr, ConfigFileError> {
        let own = voters[&me];
        let Some(listen) = listen else { return Ok(own) };
        let address = self.address(listen)?;
        let reaches = address.ip() == own.ip() || address.ip().is_unspecified();
        if address.port() == own.port() && reaches {
            return Ok(address);
        }
        Err(self.mistake(
            listen.span(),
            format!("{me} listens at {address}, but the others look for it at {own}"),
            format!("[voters] says {own}"),
            "make the two equal, leave `listen` out, or listen at 0.0.0.0 with the same port",
        ))
    }

    fn duration(&self, text: &Spanned<String>) -> Result<Duration, ConfigFileError> {
        humantime::parse_duration(text.get_ref()).map_err(|error| {
            self.mistake(
                text.span(),
                "this is no duration",
                error.to_string(),
                "write a number with its unit, as in \"100ms\", \"1s\" or \"1m 30s\"",
            )
        })
    }

    fn timing(&self, table: Option<&Spanned<TimingTable>>) -> Result<Timing, ConfigFileError> {
        let mut timing = Timing::default();
        let Some(table) = table.map(Spanned::get_ref) else { return Ok(timing) };
        for (text, slot) in [
            (&table.heartbeat, &mut timing.heartbeat),
            (&table.lease, &mut timing.lease),
            (&table.promise, &mut timing.promise),
            (&table.quarantine, &mut timing.quarantine),
            (&table.election_timeout, &mut timing.election_timeout),
            (&table.jitter, &mut timing.jitter),
            (&table.margin, &mut timing.margin),
        ] {
            if let Some(text) = text {
                *slot = self.duration(text)?;
            }
        }
        if let Some(ppm) = &table.max_drift_ppm {
            timing.max_drift_ppm = *ppm.get_ref();
        }
        Ok(timing)
    }

    /// Puts an error of the election's configuration where it was written.
    fn invalid_election(&self, error: &ConfigError, file: &File) -> ConfigFileError {
        let (span, label, help) = match error {
            ConfigError::NotAVoter { .. }
            | ConfigError::ObserverVotes { .. }
            | ConfigError::PriorityOutOfRange { .. } => {
                (file.node.span(), "this node", "correct one of them")
            }
            ConfigError::NoVoters
            | ConfigError::TooManyVoters { .. }
            | ConfigError::DuplicateVoter { .. } => {
                (file.voters.span(), "these voters", "list the same voters on every node")
            }
            ConfigError::BreaksLeaseRule { .. }
            | ConfigError::TooShort { .. }
            | ConfigError::OutOfRange { .. }
            | ConfigError::DriftOutOfRange { .. } => {
                let span = file.timing.as_ref().map_or(0..0, Spanned::span);
                let help = "values that are not written have their defaults; use the same timing \
                            on every node";
                (span, "with this timing", help)
            }
        };
        self.mistake(span, error, label, help)
    }

    fn delivery(&self, table: Option<DeliveryTable>) -> Result<Delivery, ConfigFileError> {
        let defaults = DispatcherConfig::default();
        let mut delivery = Delivery { poll: defaults.poll, batch: defaults.batch };
        let Some(table) = table else { return Ok(delivery) };
        if let Some(text) = &table.poll {
            delivery.poll = self.duration(text)?;
            if !(Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&delivery.poll) {
                let help = "look every 1 ms to 1 h";
                return Err(self.mistake(text.span(), "poll is out of range", "here", help));
            }
        }
        if let Some(batch) = &table.batch {
            delivery.batch = *batch.get_ref();
            if !(1..=MAX_BATCH).contains(&delivery.batch) {
                let help = format!("take 1 to {MAX_BATCH} messages at once");
                return Err(self.mistake(batch.span(), "batch is out of range", "here", help));
            }
        }
        Ok(delivery)
    }
}

#[cfg(test)]
mod tests;
