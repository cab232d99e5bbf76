//! The values of a configuration file, one by one and against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::error::{ConfigFileError, Draft, nearest};
use super::{Delivery, DeliveryTable, File, MAX_BATCH, MAX_SPREAD, TimingTable};
use crate::delivery::DispatcherConfig;
use crate::election::{ConfigError, MAX_PRIORITY, Timing};
use crate::id::NodeId;
use crate::node::frame::MAX_CLUSTER_NAME_LEN;

impl Draft<'_> {
    pub(super) fn cluster_name(&self, name: &Spanned<String>) -> Result<String, ConfigFileError> {
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

    pub(super) fn voters(
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

    /// Whether the node is an observer. What only voters have is refused beside it, so that nobody
    /// believes in a setting that does nothing.
    pub(super) fn observer(&self, file: &File) -> Result<bool, ConfigFileError> {
        if !file.observer.as_ref().is_some_and(|observer| *observer.get_ref()) {
            return Ok(false);
        }
        let refused = [
            (file.listen.as_ref().map(Spanned::span), "listen", "listens nowhere"),
            (file.priority.as_ref().map(Spanned::span), "priority", "never leads"),
            (file.disk.as_ref().map(Spanned::span), "disk", "remembers nothing"),
            (file.data.as_ref().map(Spanned::span), "data", "remembers nothing"),
        ];
        match refused.into_iter().find_map(|(span, name, why)| Some((span?, name, why))) {
            None => Ok(true),
            Some((span, name, why)) => Err(self.mistake(
                span,
                format!("an observer {why}: it has no `{name}`"),
                "not for an observer",
                format!("remove `{name}`, or make the node a voter: remove `observer = true`"),
            )),
        }
    }

    /// The names of the observers that a voter lets in.
    pub(super) fn observers(
        &self,
        file: &File,
        voters: &BTreeMap<NodeId, SocketAddr>,
    ) -> Result<Option<BTreeSet<NodeId>>, ConfigFileError> {
        let Some(names) = &file.observers else { return Ok(None) };
        let name = |name: &Spanned<String>| {
            let mistake = |what: String, help: &str| {
                Err(self.mistake(name.span(), what, "no observer", help.to_owned()))
            };
            match name.get_ref().parse::<NodeId>() {
                Err(error) => mistake(error.to_string(), "write the name of a node"),
                Ok(node) if voters.contains_key(&node) => mistake(
                    format!("{node} is a voter and cannot be an observer"),
                    "list it in one place only",
                ),
                Ok(node) => Ok(node),
            }
        };
        names.iter().map(name).collect::<Result<_, _>>().map(Some)
    }

    /// This node, which is either on the list of voters or an observer.
    pub(super) fn node(
        &self,
        node: &Spanned<String>,
        observer: bool,
        voters: &BTreeMap<NodeId, SocketAddr>,
    ) -> Result<NodeId, ConfigFileError> {
        let me = self.node_id(node)?;
        let (what, label, help) = match (observer, voters.contains_key(&me)) {
            (false, true) | (true, false) => return Ok(me),
            (true, true) => (
                format!("{me} is an observer and among the voters"),
                "has a line in [voters]",
                format!(
                    "take {me} out of [voters] on every node, or remove `observer = true`: an \
                     observer has no vote"
                ),
            ),
            (false, false) => (
                format!("{me} is not among the voters"),
                "has no line in [voters]",
                match nearest(me.as_str(), voters.keys().map(NodeId::as_str)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!(
                        "add a line `{me} = \"address:port\"` to [voters] on every node, or write \
                         `observer = true`, if it shall work without a vote"
                    ),
                },
            ),
        };
        Err(self.mistake(node.span(), what, label, help))
    }

    /// Where to listen: at the own line in `[voters]`, unless `listen` says otherwise.
    pub(super) fn listen(
        &self,
        me: NodeId,
        listen: Option<&Spanned<String>>,
        own: SocketAddr,
    ) -> Result<SocketAddr, ConfigFileError> {
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

    pub(super) fn priority(&self, priority: Option<&Spanned<i64>>) -> Result<u8, ConfigFileError> {
        let Some(priority) = priority else { return Ok(MAX_PRIORITY) };
        let in_range = u8::try_from(*priority.get_ref()).ok().filter(|it| *it <= MAX_PRIORITY);
        in_range.ok_or_else(|| {
            self.mistake(
                priority.span(),
                "priority is out of range",
                "here",
                format!(
                    "write 0 to {MAX_PRIORITY}: a node leads the more readily the higher it is, and \
                     {MAX_PRIORITY} is the default"
                ),
            )
        })
    }

    /// Where a node keeps what it remembers; none if it remembers nothing.
    pub(super) fn data<'a>(
        &self,
        file: &'a File,
        observer: bool,
    ) -> Result<Option<&'a Path>, ConfigFileError> {
        let kept = match file.disk.as_ref() {
            None => !observer,
            Some(disk) => match disk.get_ref().as_str() {
                "kept" => true,
                "none" => false,
                other => {
                    let help = match nearest(other, ["kept", "none"]) {
                        Some(name) => format!("did you mean \"{name}\"?"),
                        None => {
                            "write \"kept\", or \"none\" for a node that remembers nothing and \
                                 rejoins at each start"
                                .to_owned()
                        }
                    };
                    return Err(self.mistake(disk.span(), "this is no disk", "here", help));
                }
            },
        };
        match (kept, &file.data) {
            (true, Some(data)) => Ok(Some(data.get_ref())),
            (false, None) => Ok(None),
            (true, None) => Err(self.mistake(
                file.node.span(),
                format!("{} does not say where its data are", file.node.get_ref()),
                "this node",
                "add `data = \"a directory\"`; or write `disk = \"none\"`, if the node has no place \
                 to keep anything",
            )),
            (false, Some(data)) => Err(self.mistake(
                data.span(),
                "a node without a disk has no data directory",
                "nothing would be kept here",
                "remove `data`, or `disk = \"none\"`",
            )),
        }
    }

    pub(super) fn duration(&self, text: &Spanned<String>) -> Result<Duration, ConfigFileError> {
        humantime::parse_duration(text.get_ref()).map_err(|error| {
            self.mistake(
                text.span(),
                "this is no duration",
                error.to_string(),
                "write a number with its unit, as in \"100ms\", \"1s\" or \"1m 30s\"",
            )
        })
    }

    pub(super) fn timing(
        &self,
        table: Option<&Spanned<TimingTable>>,
    ) -> Result<Timing, ConfigFileError> {
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
    pub(super) fn invalid_election(&self, error: &ConfigError, file: &File) -> ConfigFileError {
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

    pub(super) fn delivery(
        &self,
        table: Option<&DeliveryTable>,
    ) -> Result<Delivery, ConfigFileError> {
        let defaults = DispatcherConfig::default();
        let mut delivery = Delivery {
            poll: defaults.poll,
            batch: defaults.batch,
            backoff: defaults.backoff,
            attempts: defaults.attempts_max,
            pause_max: defaults.pause_max,
            retry_after_max: defaults.retry_after_max,
            spread: None,
        };
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
        for (name, text, value) in [
            ("backoff", &table.backoff, &mut delivery.backoff.first),
            ("backoff_max", &table.backoff_max, &mut delivery.backoff.max),
            ("pause_max", &table.pause_max, &mut delivery.pause_max),
            ("retry_after_max", &table.retry_after_max, &mut delivery.retry_after_max),
        ] {
            let Some(text) = text else { continue };
            *value = self.duration(text)?;
            if !(Duration::from_millis(1)..=Duration::from_secs(24 * 3600)).contains(value) {
                let problem = format!("{name} is out of range");
                return Err(self.mistake(text.span(), problem, "here", "wait 1 ms to 24 h"));
            }
        }
        if let Some(attempts) = &table.attempts {
            delivery.attempts = *attempts.get_ref();
            if delivery.attempts == 0 {
                let help = "a message is sent at least once";
                return Err(self.mistake(attempts.span(), "attempts is zero", "here", help));
            }
        }
        if let Some(spread) = &table.spread {
            let units = *spread.get_ref();
            if !(1..=MAX_SPREAD).contains(&units) {
                let help = format!(
                    "share the delivery in 1 to {MAX_SPREAD} units, a few times as many as there are \
                     nodes, the same on every node; or remove `spread`: then the leader delivers"
                );
                return Err(self.mistake(spread.span(), "spread is out of range", "here", help));
            }
            delivery.spread = Some(units);
        }
        Ok(delivery)
    }
}
