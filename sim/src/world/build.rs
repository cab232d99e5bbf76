//! Building the world of one run: machines, services and the nodes under test.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencepost::delivery::{Backoff, DispatcherConfig};
use madsim::plugin::simulator;
use madsim::runtime::Handle;
use madsim::time::TimeHandle;

use super::clocks::{Clocks, first_reading};
use super::database::{Books, Database, SharedBooks};
use super::disks::Disks;
use super::lies::Liars;
use super::links::{Links, Mailbox};
use super::operator::Operator;
use super::place::Places;
use super::recorder::Recorder;
use super::rpc::Server;
use super::service::Service;
use super::sinks::SinkServer;
use super::timer::Timer;
use super::voters::{Cluster, Switches, address};
use crate::faults::inject::Injector;
use crate::faults::plan::{DiskMode, Handling, Plan};
use crate::history::{Kind, WorldEvent};
use crate::streams::stream;

/// One run's world.
pub struct World {
    /// The nodes under test and all that they share.
    pub cluster: Arc<Cluster>,
    /// The database, opened from outside; none in an election-only run.
    pub books: Option<SharedBooks>,
    /// Who passes verdicts about messages; nobody in an election-only run.
    pub operator: Option<Operator>,
    /// What injects faults.
    pub injector: Injector,
}

impl World {
    /// Builds the world of a plan inside the running simulation; its processes start at once.
    pub fn build(plan: &Plan, handle: Handle) -> Self {
        let timer = Timer::new(TimeHandle::current());
        let places = Places::new(plan.voter_machines(), plan.observer_nodes());
        let recorder = Arc::new(Recorder::new(timer.clone()));
        let cluster = Arc::new(Cluster {
            seed: plan.seed,
            disk: plan.disk,
            timing: plan.timing.clone(),
            transport: plan.transport,
            sink: plan.workload.map(|workload| workload.sink),
            jobs: plan.jobs.clone(),
            dispatcher: dispatcher(plan.workload.map(|workload| workload.handling)),
            units: plan.workload.map_or(0, |workload| workload.handling.units),
            spread: plan.workload.map_or(0, |workload| workload.handling.spread),
            timer: timer.clone(),
            links: simulator::<Links>(),
            clocks: simulator::<Clocks>(),
            liars: Liars::new(plan.seed, &places),
            disks: simulator::<Disks>(),
            recorder,
            database: Arc::default(),
            database_state: Arc::new(Service::new(stream(plan.seed, "database", 0))),
            sink_state: Arc::new(Service::new(stream(plan.seed, "sink", 0))),
            sink_mailbox: Arc::default(),
            mailboxes: places.nodes().iter().map(|_| Arc::new(Mailbox::default())).collect(),
            switches: places.nodes().iter().map(|_| Switches::new(plan.voters)).collect(),
            places,
        });
        lay_out(plan, &cluster);

        for place in cluster.places.voter_places().skip(plan.voters as usize) {
            cluster.switches[place.0].absent.store(true, Ordering::Relaxed);
            cluster.recorder.absent(cluster.places.node(place));
        }
        let mut machines = Vec::new();
        for place in cluster.places.node_places() {
            let process = Arc::clone(&cluster);
            let machine = handle
                .create_node()
                .name(cluster.places.node(place).as_str())
                .ip(address(place))
                .init(move || Arc::clone(&process).run_process(place))
                .build();
            machines.push(machine.id());
        }
        let database = handle.create_node().name("db").build();
        let sink = handle.create_node().name("sink").build();
        let books = plan.workload.map(|workload| {
            let books = Books::new().expect("an empty database in memory can be made");
            let books: SharedBooks = Arc::new(Mutex::new(books));
            let server = Database {
                books: Arc::clone(&books),
                server: Server {
                    links: Arc::clone(&cluster.links),
                    here: cluster.places.database(),
                    service: Arc::clone(&cluster.database_state),
                },
                mailbox: Arc::clone(&cluster.database),
                clocks: Arc::clone(&cluster.clocks),
                recorder: Arc::clone(&cluster.recorder),
            };
            database.spawn(server.serve());
            let server = SinkServer::new(
                workload.sink,
                Server {
                    links: Arc::clone(&cluster.links),
                    here: cluster.places.sink(),
                    service: Arc::clone(&cluster.sink_state),
                },
                Arc::clone(&cluster.sink_mailbox),
                timer,
                Arc::clone(&cluster.recorder),
            );
            sink.spawn(server.serve());
            books
        });
        machines.extend([database.id(), sink.id()]);
        let operator = books.clone().map(|books| {
            let cluster = Arc::clone(&cluster);
            Operator { books, cluster }
        });
        let injector = Injector::new(
            plan.seed,
            Arc::clone(&cluster),
            handle,
            machines,
            plan.disk,
            operator.clone(),
        );
        Self { cluster, books, operator, injector }
    }
}

/// How the nodes deliver. A message that is refused for now waits no longer than a run takes to heal.
fn dispatcher(handling: Option<Handling>) -> DispatcherConfig {
    let handling = handling.unwrap_or_default();
    DispatcherConfig {
        batch: handling.batch as usize,
        backoff: Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) },
        attempts_max: handling.attempts.into(),
        pause_max: Duration::from_secs(2),
        ..DispatcherConfig::default()
    }
}

/// Links, clocks and disks of all machines.
fn lay_out(plan: &Plan, cluster: &Cluster) {
    let random = stream(plan.seed, "network", 0);
    let network = &plan.network;
    cluster.links.lay(cluster.places.count(), network.latency, network.noise, random);
    for link in &network.links {
        // Links are laid before anybody leads.
        let pairs = cluster.places.pairs(&link.between, &|role| panic!("{role} has no links yet"));
        let mut told = Vec::new();
        for (from, to) in pairs {
            cluster.links.lengthen(from, to, link.latency);
            let spot = |place| cluster.places.spot(place);
            told.push((spot(from), spot(to), cluster.links.state(from, to)));
        }
        cluster.recorder.record(Kind::World(WorldEvent::Links(told)));
    }
    let mut origins = stream(plan.seed, "clock origins", 0);
    for place in 0..cluster.places.count() {
        let reading = first_reading(&mut origins);
        cluster.clocks.add(reading);
        if let Some(&node) = cluster.places.nodes().get(place) {
            let (ppm, within_bound) = (0, true);
            cluster.recorder.record(Kind::ClockRate { node, reading, ppm, within_bound });
            let number = place as u64;
            let latencies = stream(plan.seed, "disk", number);
            let damage = stream(plan.seed, "disk damage", number);
            cluster.disks.add(plan.disk != DiskMode::None, latencies, damage);
        }
    }
}
