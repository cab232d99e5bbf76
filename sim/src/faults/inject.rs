//! Injecting the faults of a plan into the running world, and ending all of them.

mod clocks;
mod links;
mod machines;
mod services;
mod supervisor;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fencepost::NodeId;
use fencepost::cluster::STOP_LIMIT;
use madsim::net::NetSim;
use madsim::runtime::Handle;
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::sync::oneshot;

use super::plan::{DiskMode, Fault, Harm, Links, Noise, PlannedFault, Target, Transport};
use crate::history::{Kind, SimTime, WorldEvent};
use crate::streams::stream;
use crate::world::operator::Operator;
use crate::world::place::Place;
use crate::world::timer::nanos;
use crate::world::voters::Cluster;

/// How much longer than its own limit a graceful stop may take before it becomes a kill.
pub(super) const STOP_SLACK: Duration = Duration::from_secs(1);

/// How often a graceful stop is looked at.
const STOP_LOOK: Duration = Duration::from_millis(5);

/// Injects faults. Faults may overlap: what one of them does, only its own end undoes.
#[derive(Clone)]
pub struct Injector {
    cluster: Arc<Cluster>,
    handle: Handle,
    /// madsim's node of each machine.
    machines: Arc<Vec<madsim::task::NodeId>>,
    /// What a new process finds on its disk.
    disk: DiskMode,
    /// Who passes verdicts; nobody in an election-only run.
    operator: Option<Operator>,
    /// By node: how many pauses, sleeps and deaths hold it.
    pauses: Arc<Mutex<Vec<u32>>>,
    /// By node: how many sleeps hold it.
    sleeps: Arc<Mutex<Vec<u32>>>,
    /// By node: the deviations of the clock rate that hold, newest last.
    rates: Arc<Mutex<Vec<Vec<i32>>>>,
    /// By node: what its next process finds.
    machines_found: Arc<Mutex<Vec<Xoshiro256PlusPlus>>>,
}

impl Injector {
    /// Injects into that cluster; `machines` are madsim's nodes, in the order of the places.
    pub fn new(
        seed: u64,
        cluster: Arc<Cluster>,
        handle: Handle,
        machines: Vec<madsim::task::NodeId>,
        disk: DiskMode,
        operator: Option<Operator>,
    ) -> Self {
        let nodes = cluster.places.nodes().len();
        Self {
            cluster,
            handle,
            machines: Arc::new(machines),
            disk,
            operator,
            pauses: Arc::new(Mutex::new(vec![0; nodes])),
            sleeps: Arc::new(Mutex::new(vec![0; nodes])),
            rates: Arc::new(Mutex::new(vec![Vec::new(); nodes])),
            machines_found: Arc::new(Mutex::new(
                (0..nodes as u64).map(|node| stream(seed, "machines", node)).collect(),
            )),
        }
    }

    /// Kills every machine: the end of the run.
    pub fn kill_all(&self) {
        for machine in self.machines.iter() {
            self.handle.kill(*machine);
        }
    }

    /// Injects a fault `after` the event that `happens`, and sees it through to its end, which is
    /// at the `horizon` at the latest. A fault that would begin there is none.
    pub async fn inject_after(
        self,
        happens: oneshot::Receiver<SimTime>,
        after: Duration,
        mut planned: PlannedFault,
        horizon: u64,
    ) {
        let Ok(SimTime(at)) = happens.await else { return };
        let due = at + nanos(after);
        if due >= horizon {
            return;
        }
        self.cluster.timer.sleep_until(due).await;
        // The plan's line is what is reported, whatever the horizon leaves of it.
        let line = planned.to_string();
        planned.fault.clip(Duration::from_nanos(horizon - due));
        self.carry_out(planned.fault, line).await;
    }

    /// Injects one fault and sees it through to its end.
    pub async fn inject(self, planned: PlannedFault) {
        let line = planned.to_string();
        self.carry_out(planned.fault, line).await;
    }

    async fn carry_out(&self, fault: Fault, line: String) {
        if !self.meets_something(&fault) {
            self.cluster.recorder.record(Kind::FaultMissed { line });
            return;
        }
        let kind = fault.kind(&self.cluster.timing);
        self.cluster.recorder.record(Kind::Fault { kind, line: line.clone() });
        match fault {
            Fault::Pause { nodes, lasts } => self.pause(&self.set(&nodes), lasts).await,
            Fault::Suspend { nodes, counted, lasts } => {
                self.suspend(&self.set(&nodes), counted, lasts).await;
            }
            Fault::Lies { nodes, lasts } => self.lie(&self.set(&nodes), lasts).await,
            Fault::Die { nodes, harm, down, slow_start } => {
                self.die(self.set(&nodes), harm, down, slow_start).await;
            }
            Fault::CrashLoop { nodes, harm, times, up, down } => {
                self.crash_loop(&self.set(&nodes), harm, times, up, down).await;
            }
            Fault::Disk { nodes, trouble, lasts } => {
                self.trouble_disks(&self.set(&nodes), trouble, lasts).await;
            }
            Fault::Restart { service, loses, down } => {
                self.restart_service(service, loses, down).await;
            }
            Fault::Service { service, trouble, share_ppm, lasts } => {
                self.trouble_service(service, trouble, share_ppm, lasts).await;
            }
            Fault::Strobe { node, by_ms, every, lasts } => {
                self.strobe(self.node(node), by_ms, every, lasts).await;
            }
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
            Fault::Flap { links, up, down, lasts } => self.flap(&links, up, down, lasts).await,
            Fault::Topology { topology, lasts } => {
                let pairs = self.missing(topology);
                self.each(&pairs, |from, to| self.cut(from, to));
                self.wait(lasts).await;
                self.each(&pairs, |from, to| self.mend(from, to));
            }
            Fault::Noise { links, noise, lasts } => self.noise(&links, noise, lasts).await,
            Fault::Bounce { nodes, graceful, harm, down, slow_start } => {
                self.bounce(self.set(&nodes), graceful, harm, down, slow_start).await;
            }
            Fault::Deploy { node, voters, down } => self.deploy(node, voters, down).await,
            Fault::Retire { node } => self.retire(node).await,
            Fault::Judge { case, thinks } => self.judge(case, thinks).await,
            Fault::WallStep { node: Target::Database, by_ms } => self.step_store_clock(by_ms),
            Fault::WallStep { node, by_ms } => self.step_wall(self.node(node), by_ms),
            Fault::Rate { node, ppm, lasts } => self.rate(self.node(node), ppm, lasts).await,
        }
        self.cluster.recorder.record(Kind::FaultEnded { line });
    }

    /// Whether the fault does anything at this moment. One that does not must not be counted as
    /// injected: a scenario that asks for it would be worth running for nothing.
    fn meets_something(&self, fault: &Fault) -> bool {
        let someone_is_up = |nodes| self.set(nodes).into_iter().any(|place| self.is_up(place));
        // Without messages nobody asks the database or the sink.
        let asked = self.operator.is_some();
        let nodes = self.cluster.places.nodes().len();
        let is_used = |(from, to): (Place, Place)| asked || from.0 < nodes && to.0 < nodes;
        match fault {
            Fault::Bounce { nodes, .. } | Fault::Die { nodes, .. } => someone_is_up(nodes),
            // Whoever is down at the first kill may be up at the next.
            Fault::CrashLoop { nodes, times, .. } => *times > 1 || someone_is_up(nodes),
            Fault::Cut { links, .. }
            | Fault::Flap { links, .. }
            | Fault::Slow { links, .. }
            | Fault::Noise { links, .. } => self.pairs(links).into_iter().any(is_used),
            Fault::Topology { topology, .. } => !self.missing(*topology).is_empty(),
            Fault::Judge { case, .. } => {
                self.operator.as_ref().is_some_and(|operator| operator.finds(*case))
            }
            Fault::Restart { .. } | Fault::Service { .. } => asked,
            // A process that is down is held, or started with other voters, or never again.
            Fault::Pause { .. }
            | Fault::Suspend { .. }
            | Fault::Lies { .. }
            | Fault::Deploy { .. }
            | Fault::Retire { .. }
            | Fault::Disk { .. }
            | Fault::Strobe { .. }
            | Fault::WallStep { .. }
            | Fault::Rate { .. } => true,
        }
    }

    fn is_up(&self, place: Place) -> bool {
        !self.cluster.recorder.is_down(self.cluster.places.node(place))
    }

    async fn wait(&self, lasts: Duration) {
        self.cluster.timer.sleep(lasts).await;
    }

    /// Changes, and tells, how many hold the node.
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
    async fn bounce(
        &self,
        mut running: BTreeSet<Place>,
        graceful: bool,
        harm: Harm,
        down: Duration,
        slow_start: Duration,
    ) {
        let Cluster { timer, switches, places, recorder, .. } = &*self.cluster;
        running.retain(|place| self.is_up(*place));
        let mut ended = Vec::new();
        if graceful {
            for place in &running {
                recorder.record(Kind::StopAsked { node: places.node(*place) });
                switches[place.0].stop();
            }
            let give_up = timer.now() + nanos(STOP_LIMIT + STOP_SLACK);
            while timer.now() < give_up && !running.is_empty() {
                timer.sleep(STOP_LOOK).await;
                // Another bounce may have been faster.
                running.retain(|place| self.is_up(*place));
                let by_itself = |place: &Place| switches[place.0].ended.load(Ordering::Relaxed);
                for place in running.iter().copied().filter(by_itself).collect::<Vec<_>>() {
                    running.remove(&place);
                    self.end(place, true, harm);
                    ended.push(place);
                }
            }
        }
        for place in running {
            self.end(place, false, harm);
            ended.push(place);
        }
        if ended.is_empty() {
            return;
        }
        timer.sleep(down).await;
        for place in ended {
            self.start(place, harm, slow_start);
        }
        timer.sleep(slow_start).await;
    }

    /// Whatever starts the node's next process gives it the new list.
    async fn deploy(&self, node: NodeId, voters: u32, down: Duration) {
        let place = self.place(node);
        let (switches, harm) = (&self.cluster.switches[place.0], self.cluster.disk.fit(Harm::None));
        switches.voters.store(voters, Ordering::Relaxed);
        if switches.absent.swap(false, Ordering::Relaxed) {
            self.cluster.timer.sleep(down).await;
            self.start(place, harm, Duration::ZERO);
        } else {
            self.bounce([place].into(), true, harm, down, Duration::ZERO).await;
        }
    }

    /// Not even a bounce that is under way starts the node again.
    async fn retire(&self, node: NodeId) {
        let place = self.place(node);
        self.cluster.switches[place.0].absent.store(true, Ordering::Relaxed);
        self.bounce([place].into(), true, Harm::None, Duration::ZERO, Duration::ZERO).await;
        self.cluster.recorder.absent(node);
    }

    fn end(&self, place: Place, by_itself: bool, harm: Harm) {
        self.lose(place, by_itself, harm);
        self.handle.kill(self.machines[place.0]);
    }

    /// The process is gone, and with it what it had not yet made durable.
    fn lose(&self, place: Place, by_itself: bool, harm: Harm) {
        let node = self.cluster.places.node(place);
        self.cluster.recorder.record(Kind::Down { node, graceful: by_itself });
        // While the disk still knows which write was under way.
        if harm == Harm::Tear {
            self.cluster.disks.tear(place);
        }
        self.cluster.disks.cut_short(place);
    }

    fn start(&self, place: Place, harm: Harm, slow_start: Duration) {
        if self.cluster.switches[place.0].absent.load(Ordering::Relaxed) {
            return;
        }
        let machine = self.machines[place.0];
        if harm == Harm::Wipe {
            self.cluster.disks.wipe(place);
        }
        self.find_machine(place);
        self.cluster.switches[place.0].slow_start.store(nanos(slow_start), Ordering::Relaxed);
        self.handle.restart(machine);
        // The new process must not run while the machine stands still.
        if self.count_pause(place, 0) > 0 {
            self.handle.pause(machine);
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

    /// Does that to each of these directions, and tells what they are like from then on.
    fn each(&self, pairs: &[(Place, Place)], act: impl Fn(Place, Place)) {
        let Cluster { links, places, recorder, .. } = &*self.cluster;
        let mut changed = Vec::new();
        for &(from, to) in pairs {
            let before = links.state(from, to);
            act(from, to);
            let state = links.state(from, to);
            if state != before {
                changed.push((places.spot(from), places.spot(to), state));
            }
        }
        if !changed.is_empty() {
            recorder.record(Kind::World(WorldEvent::Links(changed)));
        }
    }

    /// The directed links that are meant at this moment, each once.
    fn pairs(&self, links: &Links) -> Vec<(Place, Place)> {
        self.cluster.places.pairs(links, &|role| self.role(role)).into_iter().collect()
    }

    /// The nodes that are meant, each once.
    fn set(&self, targets: &[Target]) -> BTreeSet<Place> {
        self.group(targets).into_iter().collect()
    }

    fn group(&self, targets: &[Target]) -> Vec<Place> {
        self.cluster.places.group(targets, &[], &|role| self.role(role))
    }

    /// Whoever has that role at this moment.
    fn role(&self, role: Target) -> Vec<Place> {
        match role {
            Target::Majority => self.majority(),
            _ => vec![self.place(self.node(role))],
        }
    }

    /// Whoever leads at this moment, or did last.
    fn leader(&self) -> NodeId {
        self.cluster.recorder.leads().unwrap_or(self.cluster.places.voters()[0])
    }

    /// The leader and those that follow it in order, the ones that run before those that do not.
    fn majority(&self) -> Vec<Place> {
        let Cluster { places, recorder, .. } = &*self.cluster;
        let mut voters: Vec<Place> = places.voter_places().collect();
        let leader = voters.iter().position(|place| places.node(*place) == self.leader());
        voters.rotate_left(leader.unwrap_or(0));
        voters.sort_by_key(|place| recorder.is_down(places.node(*place)));
        let leads = voters[0];
        let listed = self.cluster.switches[leads.0].voters.load(Ordering::Relaxed) as usize;
        voters.truncate(listed / 2 + 1);
        voters
    }

    /// The node that is meant at this moment.
    fn node(&self, target: Target) -> NodeId {
        let voters = self.cluster.places.voters();
        let leader = self.leader();
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
