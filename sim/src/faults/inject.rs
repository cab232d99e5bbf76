//! Injecting the faults of a plan into the running world, and ending all of them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencepost::NodeId;
use fencepost::node::STOP_LIMIT;
use madsim::net::NetSim;
use madsim::runtime::Handle;

use super::plan::{Fault, Links, Noise, PlannedFault, Target, Transport};
use crate::history::Kind;
use crate::world::place::Place;
use crate::world::timer::nanos;
use crate::world::voters::Cluster;

/// How much longer than its own limit a graceful stop may take before it becomes a kill.
const STOP_SLACK: Duration = Duration::from_secs(1);

/// How often a graceful stop is looked at.
const STOP_LOOK: Duration = Duration::from_millis(5);

/// Injects faults. Faults may overlap: what one of them does, only its own end undoes.
#[derive(Clone)]
pub struct Injector {
    cluster: Arc<Cluster>,
    handle: Handle,
    /// madsim's node of each machine.
    machines: Arc<Vec<madsim::task::NodeId>>,
    /// By voter: how many pauses hold it.
    pauses: Arc<Mutex<Vec<u32>>>,
    /// By voter: the deviations of the clock rate that hold, newest last.
    rates: Arc<Mutex<Vec<Vec<i32>>>>,
}

impl Injector {
    /// Injects into that cluster; `machines` are madsim's nodes, in the order of the places.
    pub fn new(cluster: Arc<Cluster>, handle: Handle, machines: Vec<madsim::task::NodeId>) -> Self {
        let voters = cluster.places.voters().len();
        Self {
            cluster,
            handle,
            machines: Arc::new(machines),
            pauses: Arc::new(Mutex::new(vec![0; voters])),
            rates: Arc::new(Mutex::new(vec![Vec::new(); voters])),
        }
    }

    /// Kills every machine: the end of the run.
    pub fn kill_all(&self) {
        for machine in self.machines.iter() {
            self.handle.kill(*machine);
        }
    }

    /// Injects one fault and sees it through to its end.
    pub async fn inject(self, planned: PlannedFault) {
        let timing = &self.cluster.timing;
        let line = planned.to_string();
        let kind = planned.fault.kind(timing);
        self.cluster.recorder.record(Kind::Fault { kind, line: line.clone() });
        match planned.fault {
            Fault::Pause { node, lasts } => self.pause(self.node(node), lasts).await,
            Fault::Cut { links, lasts } => {
                let pairs = self.pairs(&links);
                self.each(&pairs, |from, to| self.cut(from, to));
                self.wait(lasts).await;
                self.each(&pairs, |from, to| self.mend(from, to));
            }
            Fault::Slow { links, by, lasts } => {
                let pairs = self.pairs(&links);
                let by = nanos(by);
                self.each(&pairs, |from, to| self.cluster.links.slow(from, to, by));
                self.wait(lasts).await;
                self.each(&pairs, |from, to| self.cluster.links.hasten(from, to, by));
            }
            Fault::Noise { links, noise, lasts } => self.noise(&links, noise, lasts).await,
            Fault::Bounce { node, graceful, down, slow_start } => {
                self.bounce(self.node(node), graceful, down, slow_start).await;
            }
            Fault::WallStep { node, by_ms } => {
                let node = self.node(node);
                self.cluster.clocks.step_wall(self.place(node), by_ms);
                self.cluster.recorder.record(Kind::WallStep { node, by_ms });
            }
            Fault::Rate { node, ppm, lasts } => self.rate(self.node(node), ppm, lasts).await,
        }
        self.cluster.recorder.record(Kind::FaultEnded { line });
    }

    async fn wait(&self, lasts: Duration) {
        self.cluster.timer.sleep(lasts).await;
    }

    async fn pause(&self, node: NodeId, lasts: Duration) {
        let place = self.place(node);
        if self.count_pause(place, 1) == 1 {
            self.cluster.recorder.record(Kind::Paused { node });
            self.handle.pause(self.machines[place.0]);
        }
        self.wait(lasts).await;
        if self.count_pause(place, -1) == 0 {
            self.cluster.recorder.record(Kind::Resumed { node });
            self.handle.resume(self.machines[place.0]);
        }
    }

    fn count_pause(&self, place: Place, change: i32) -> u32 {
        let mut pauses = self.pauses.lock().expect("never held across a panic");
        pauses[place.0] = pauses[place.0].checked_add_signed(change).expect("balanced");
        pauses[place.0]
    }

    async fn noise(&self, links: &Links, noise: Noise, lasts: Duration) {
        let pairs = self.pairs(links);
        self.each(&pairs, |from, to| self.cluster.links.disturb(from, to, noise));
        self.wait(lasts).await;
        self.each(&pairs, |from, to| self.cluster.links.calm(from, to, noise));
    }

    /// A bounce of a process that is down already is none.
    async fn bounce(&self, node: NodeId, graceful: bool, down: Duration, slow_start: Duration) {
        let Cluster { recorder, timer, switches, .. } = &*self.cluster;
        if recorder.is_down(node) {
            return;
        }
        let place = self.place(node);
        let machine = self.machines[place.0];
        let switches = &switches[place.0];
        let mut by_itself = false;
        if graceful {
            switches.stop();
            let give_up = timer.now() + nanos(STOP_LIMIT + STOP_SLACK);
            while timer.now() < give_up && !by_itself && !recorder.is_down(node) {
                timer.sleep(STOP_LOOK).await;
                by_itself = switches.ended.load(Ordering::Relaxed);
            }
            if recorder.is_down(node) {
                return; // another bounce was faster
            }
        }
        recorder.record(Kind::Down { node, graceful: by_itself });
        self.handle.kill(machine);
        timer.sleep(down).await;
        switches.slow_start.store(nanos(slow_start), Ordering::Relaxed);
        self.handle.restart(machine);
        // The new process must not run while the machine stands still.
        if self.count_pause(place, 0) > 0 {
            self.handle.pause(machine);
        }
        timer.sleep(slow_start).await;
    }

    async fn rate(&self, node: NodeId, ppm: i32, lasts: Duration) {
        let place = self.place(node);
        self.change_rates(place, |rates| rates.push(ppm));
        self.wait(lasts).await;
        self.change_rates(place, |rates| {
            let mine = rates.iter().position(|rate| *rate == ppm).expect("it was put there");
            rates.remove(mine);
        });
    }

    fn change_rates(&self, place: Place, change: impl FnOnce(&mut Vec<i32>)) {
        let mut rates = self.rates.lock().expect("never held across a panic");
        let before = rates[place.0].last().copied().unwrap_or(0);
        change(&mut rates[place.0]);
        let ppm = rates[place.0].last().copied().unwrap_or(0);
        if ppm != before {
            let reading = self.cluster.clocks.set_rate(place, ppm);
            let node = self.cluster.places.voters()[place.0];
            let within_bound = ppm.unsigned_abs() <= self.cluster.timing.max_drift_ppm;
            self.cluster.recorder.record(Kind::ClockRate { node, reading, ppm, within_bound });
        }
    }

    fn cut(&self, from: Place, to: Place) {
        self.cluster.links.cut(from, to);
        if self.cluster.transport == Transport::Tcp {
            NetSim::current().clog_link(self.machines[from.0], self.machines[to.0]);
        }
    }

    fn mend(&self, from: Place, to: Place) {
        self.cluster.links.mend(from, to);
        if self.cluster.transport == Transport::Tcp && !self.cluster.links.is_cut(from, to) {
            NetSim::current().unclog_link(self.machines[from.0], self.machines[to.0]);
        }
    }

    fn each(&self, pairs: &[(Place, Place)], act: impl Fn(Place, Place)) {
        for &(from, to) in pairs {
            act(from, to);
        }
    }

    /// The directed links that are meant, each once.
    fn pairs(&self, links: &Links) -> Vec<(Place, Place)> {
        let (from, to) = (self.group(&links.from, &links.to), self.group(&links.to, &links.from));
        let mut pairs = std::collections::BTreeSet::new();
        for &a in &from {
            for &b in &to {
                if a != b {
                    pairs.insert((a, b));
                    if links.both_ways {
                        pairs.insert((b, a));
                    }
                }
            }
        }
        pairs.into_iter().collect()
    }

    fn group(&self, targets: &[Target], other_side: &[Target]) -> Vec<Place> {
        let places = &self.cluster.places;
        let mut group = Vec::new();
        for target in targets {
            match target {
                Target::Database => group.push(places.database()),
                Target::Sink => group.push(places.sink()),
                Target::All => group.extend(places.voter_places()),
                Target::Others => {
                    let named: Vec<_> =
                        other_side.iter().filter(|t| **t != Target::Others).copied().collect();
                    let other_side = self.group(&named, &[]);
                    group.extend(places.voter_places().filter(|p| !other_side.contains(p)));
                }
                Target::Node(_) | Target::Leader | Target::Follower => {
                    group.push(self.place(self.node(*target)));
                }
            }
        }
        group
    }

    /// The node that is meant at this moment.
    fn node(&self, target: Target) -> NodeId {
        let voters = self.cluster.places.voters();
        let leader = self.cluster.recorder.last_holder().unwrap_or(voters[0]);
        match target {
            Target::Node(node) => node,
            Target::Follower => {
                let other = voters
                    .iter()
                    .find(|node| **node != leader && !self.cluster.recorder.is_down(**node));
                *other.unwrap_or(&leader)
            }
            _ => leader,
        }
    }

    fn place(&self, node: NodeId) -> Place {
        self.cluster.places.of(node).expect("a plan names only nodes of its cluster")
    }
}
