//! The nodes under test, voters and observers: the product's own [`ClusterService`] and dispatcher,
//! with everything around them simulated.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencepost::NodeId;
use fencepost::cluster::{ClusterService, Stopped, Watched};
use fencepost::delivery::DispatcherConfig;
use fencepost::election::{Config, Timing};
use fencepost::node::tcp::{TcpConfig, TcpTransport};
use fencepost::node::{DiskError, DriverError, Packet, Quorum, Transport};
use fencepost::store::{Fence, Unfenced};
use rand::Rng;
use tracing::info;

use super::clocks::{Clocks, SimClock};
use super::database::{self, DatabaseMail, RemoteStore};
use super::disks::{Disks, SimDisk};
use super::jobs::jobs_of;
use super::lies::Liars;
use super::links::{Links, Mailbox, SharedMailbox, Traffic};
use super::place::{Place, Places};
use super::recorder::{NodeRecorder, Recorder};
use super::rpc::Client;
use super::service::Service;
use super::sinks::{self, RemoteSink, SinkMail};
use super::timer::Timer;
use super::work;
use crate::faults::plan;
use crate::history::{Arrivals, Kind, WorkEvent};
use crate::oracles::SinkKind;
use crate::streams::stream;

/// How long a node waits for an answer of the database or the sink.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// The port that the real TCP transport listens on in the simulation.
const PORT: u16 = 7100;

/// Everything that the nodes of one run share.
pub struct Cluster {
    /// The seed of the run.
    pub seed: u64,
    /// Who lives where.
    pub places: Places,
    /// What a restarted process finds on its disk.
    pub disk: plan::DiskMode,
    /// Timing of every node.
    pub timing: Timing,
    /// How the election's messages travel.
    pub transport: plan::Transport,
    /// What the sink can do; `None` in an election-only run.
    pub sink: Option<SinkKind>,
    /// The jobs that every node runs by schedule.
    pub jobs: Vec<plan::PlannedJob>,
    /// How the nodes deliver.
    pub dispatcher: DispatcherConfig,
    /// How many units of a work the nodes share; zero: there is none.
    pub units: u32,
    /// In how many units they share the delivery; zero: the leader delivers.
    pub spread: u32,
    /// True time.
    pub timer: Timer,
    /// The network.
    pub links: Arc<Links>,
    /// All clocks.
    pub clocks: Arc<Clocks>,
    /// What is made up on its way out of machines that lie.
    pub liars: Liars,
    /// All disks.
    pub disks: Arc<Disks>,
    /// The history.
    pub recorder: Arc<Recorder>,
    /// The database's mailbox.
    pub database: SharedMailbox<DatabaseMail>,
    /// The sink's mailbox.
    pub sink_mailbox: SharedMailbox<SinkMail>,
    /// The state of the database's process.
    pub database_state: Arc<Service>,
    /// The state of the sink's process.
    pub sink_state: Arc<Service>,
    /// Each node's mailbox for what other nodes send.
    pub mailboxes: Vec<SharedMailbox<Packet>>,
    /// Each node's switches.
    pub switches: Vec<Switches>,
}

/// What the testbed sets and reads from outside a process.
pub struct Switches {
    /// Counts the processes of the node.
    boots: AtomicU32,
    /// How long the next process takes before the node's code runs, in nanoseconds.
    pub slow_start: AtomicU64,
    /// Set while a graceful stop is under way; replaced at each boot.
    stop: std::sync::Mutex<Arc<Watched<bool>>>,
    /// Set when a process ended by itself.
    pub ended: AtomicBool,
    /// How many voters the list of the next process has: n1 to this one.
    pub voters: AtomicU32,
    /// How many voters the list of the last process had.
    listed: AtomicU32,
    /// The machine is there, but no process is to run on it.
    pub absent: AtomicBool,
    /// Set when a process ended with an error, because of its disk.
    pub failed: Watched<bool>,
}

impl Switches {
    /// Those of a node whose list is the voters n1 to this one.
    pub fn new(voters: u32) -> Self {
        Self {
            boots: AtomicU32::default(),
            slow_start: AtomicU64::default(),
            stop: std::sync::Mutex::default(),
            ended: AtomicBool::default(),
            voters: AtomicU32::new(voters),
            listed: AtomicU32::new(voters),
            absent: AtomicBool::default(),
            failed: Watched::new(false),
        }
    }

    /// Asks the running process to stop gracefully.
    pub fn stop(&self) {
        self.stop.lock().expect("never held across a panic").set(true);
    }
}

/// The address of a node in the simulated IP network.
pub fn address(place: Place) -> IpAddr {
    let number = u8::try_from(place.0 + 1).expect("few nodes");
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

impl Cluster {
    /// One process of one node, from start to end.
    pub async fn run_process(self: Arc<Self>, place: Place) {
        let node = self.places.node(place);
        let switches = &self.switches[place.0];
        if switches.absent.load(Ordering::Relaxed) {
            return;
        }
        let boot = switches.boots.fetch_add(1, Ordering::Relaxed) + 1;
        let stop = Arc::new(Watched::new(false));
        *switches.stop.lock().expect("never held across a panic") = Arc::clone(&stop);
        switches.ended.store(false, Ordering::Relaxed);
        switches.failed.set(false);
        self.disks.begin(place);
        let slow = switches.slow_start.swap(0, Ordering::Relaxed);
        if slow > 0 {
            self.timer.sleep(Duration::from_nanos(slow)).await;
        }
        // What arrived before this process listened was lost.
        self.mailboxes[place.0].clear();
        self.recorder.record(Kind::Booted { node, boot });
        let voters = switches.voters.load(Ordering::Relaxed);
        if switches.listed.swap(voters, Ordering::Relaxed) != voters {
            self.recorder.record(Kind::Listed { node, voters });
        }
        info!(%node, boot, "process starts");
        let asked = Arc::clone(&stop);
        let result = match self.transport {
            plan::Transport::Links => {
                let transport = LinkTransport { cluster: Arc::clone(&self), here: place };
                self.run_node(place, boot, transport, stop).await
            }
            plan::Transport::Tcp => {
                let socket = |place| SocketAddr::new(address(place), PORT);
                let voters: BTreeMap<NodeId, SocketAddr> =
                    self.listed(place).map(|p| (self.places.node(p), socket(p))).collect();
                let config = TcpConfig {
                    cluster: "sim".into(),
                    me: node,
                    listen: (!self.places.is_observer(place)).then(|| socket(place)),
                    voters,
                    observers: None,
                    process: u64::from(boot),
                };
                let bound = TcpTransport::bind(config).await;
                let inner = bound.expect("a fresh process can bind its own port");
                let transport = Recorded { inner, recorder: Arc::clone(&self.recorder) };
                self.run_node(place, boot, transport, stop).await
            }
        };
        match result {
            Ok(()) if asked.get() => info!(%node, boot, "process ends"),
            // Whoever supervises it kills what is left and starts it again.
            Err(error) if is_of_the_disk(&error) && self.disks.has_failed(place) => {
                info!(%node, boot, %error, "process fails");
                switches.failed.set(true);
                return std::future::pending().await;
            }
            // Nothing in this world excuses it, and a dead node must not pass for a quiet one.
            Err(error) => panic!("process {boot} of {node} failed: {error}"),
            Ok(()) => panic!("process {boot} of {node} ended, and nobody had asked it to"),
        }
        switches.ended.store(true, Ordering::Relaxed);
    }

    async fn run_node<T: Transport>(
        &self,
        place: Place,
        boot: u32,
        transport: T,
        stop: Arc<Watched<bool>>,
    ) -> Result<(), Stopped> {
        let stop = stop.wait_for(|stop| stop.then_some(()));
        let Some(kind) = self.sink else {
            let store = Arc::new(Unfenced);
            return self.join(place, boot, transport, store).await?.run_until(stop).await;
        };
        let store = Arc::new(self.remote_store(place));
        let service = self.join(place, boot, transport, store).await?;
        let (sink, config) = (Arc::new(self.remote_sink(place, kind)), self.dispatcher.clone());
        if self.spread > 0 {
            let shared =
                service.deliver_shared(sink, config, work::named(WorkEvent::DELIVERY, self.spread));
            shared.expect("a planned work is one, and has a name of its own");
        } else {
            service.deliver(sink, config).expect("a process delivers once");
        }
        let node = self.places.node(place);
        let jobs = jobs_of(&self.jobs, self.seed, node, service.clock(), &self.recorder);
        service.schedule(jobs).expect("a process schedules once");
        if self.units > 0 {
            let (clock, recorder) = (service.clock().clone(), Arc::clone(&self.recorder));
            let act = move |guard| work::act(guard, clock.clone(), Arc::clone(&recorder));
            let distributed = service.distribute(work::named("work", self.units), act);
            distributed.expect("a planned work is one, and has a name of its own");
        }
        service.run_until(stop).await
    }

    async fn join<T: Transport, S: Fence>(
        &self,
        place: Place,
        boot: u32,
        transport: T,
        store: Arc<S>,
    ) -> Result<ClusterService<S, SimClock>, Stopped> {
        let node = self.places.node(place);
        let config = self.config_of(place);
        let seed = stream(self.seed, &format!("node {node}"), u64::from(boot)).next_u64();
        let clock = SimClock { clocks: Arc::clone(&self.clocks), place };
        let disk = SimDisk { disks: Arc::clone(&self.disks), place };
        let observer = Arc::new(NodeRecorder { recorder: Arc::clone(&self.recorder), node });
        let (fence, told) = (Arc::clone(&store), observer.clone());
        let quorum = Quorum::start(config, seed, transport, clock, disk, fence, told).await;
        let quorum = quorum.map_err(|error| Stopped::Coordinator(Arc::new(error)))?;
        Ok(ClusterService::start(quorum, store, observer))
    }

    /// The voters of the node's list.
    fn listed(&self, place: Place) -> impl Iterator<Item = Place> + use<> {
        let voters = self.switches[place.0].voters.load(Ordering::Relaxed);
        self.places.voter_places().take(voters as usize)
    }

    /// What the node is told of its cluster.
    fn config_of(&self, place: Place) -> Config {
        let me = self.places.node(place);
        let voters = self.listed(place).map(|p| self.places.node(p)).collect();
        let observer = self.places.is_observer(place);
        let timing = self.timing.clone();
        Config { observer, timing, ..Config::of_voter(me, voters) }
    }

    fn remote_store(&self, place: Place) -> RemoteStore {
        let client: Client<database::Question, database::Answer> = Client {
            links: Arc::clone(&self.links),
            timer: self.timer.clone(),
            here: place,
            there: self.places.database(),
            service: Arc::clone(&self.database_state),
            mailbox: Arc::clone(&self.database),
            timeout: ANSWER_TIMEOUT,
        };
        RemoteStore {
            client,
            recorder: Arc::clone(&self.recorder),
            node: self.places.node(place),
            clocks: Arc::clone(&self.clocks),
            look: Mutex::default(),
        }
    }

    fn remote_sink(&self, place: Place, kind: SinkKind) -> RemoteSink {
        let client: Client<sinks::Question, sinks::Answer> = Client {
            links: Arc::clone(&self.links),
            timer: self.timer.clone(),
            here: place,
            there: self.places.sink(),
            service: Arc::clone(&self.sink_state),
            mailbox: Arc::clone(&self.sink_mailbox),
            timeout: ANSWER_TIMEOUT,
        };
        RemoteSink {
            kind,
            client,
            connected: AtomicBool::new(false),
            recorder: Arc::clone(&self.recorder),
            node: self.places.node(place),
            clocks: Arc::clone(&self.clocks),
        }
    }
}

/// Whether a process ended because its disk failed, which a fault can make it do.
fn is_of_the_disk(error: &Stopped) -> bool {
    let Stopped::Coordinator(error) = error else { return false };
    matches!(error.downcast_ref(), Some(DriverError::Disk(DiskError::Io { .. })))
}

/// The fast transport: the link plugin, one mailbox a node.
struct LinkTransport {
    cluster: Arc<Cluster>,
    here: Place,
}

impl Transport for LinkTransport {
    fn send(&mut self, to: NodeId, packet: Packet) {
        let Some(there) = self.cluster.places.of(to) else { return };
        let links = &self.cluster.links;
        let Some(packet) = self.cluster.liars.say(self.here, packet, |made_up| {
            if let Some(arrives) = links.route(self.here, there, Traffic::Datagram).arrives[0] {
                self.cluster.mailboxes[there.0].send(links, arrives, made_up);
            }
        }) else {
            return;
        };
        let fate = links.route(self.here, there, Traffic::Datagram);
        self.cluster.recorder.sent(to, &packet, fate.arrivals());
        let mailbox: &Arc<Mailbox<Packet>> = &self.cluster.mailboxes[there.0];
        if let Some(arrives) = fate.arrives[1] {
            mailbox.send(links, arrives, packet.clone());
        }
        if let Some(arrives) = fate.arrives[0] {
            mailbox.send(links, arrives, packet);
        }
    }

    async fn recv(&mut self) -> Packet {
        self.cluster.mailboxes[self.here.0].take().await
    }
}

/// Another transport, with what it sends written down; when that arrives is unknown.
struct Recorded<T> {
    inner: T,
    recorder: Arc<Recorder>,
}

impl<T: Transport> Transport for Recorded<T> {
    fn send(&mut self, to: NodeId, packet: Packet) {
        self.recorder.sent(to, &packet, Arrivals::Untold);
        self.inner.send(to, packet);
    }

    async fn recv(&mut self) -> Packet {
        self.inner.recv().await
    }

    async fn flush(&mut self) {
        self.inner.flush().await;
    }
}
