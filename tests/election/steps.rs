//! Random runs: a setting, a list of steps, and what must hold once all is well again.

use std::time::Duration;

use fencepost::election::{Input, MAX_PRIORITY, Role, Timing};
use fencepost::{Generation, Term};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::checks::Violation;
use crate::network::{Cut, Parcel, STORE, Weather, What};
use crate::setting::{Setting, timing};
use crate::world::{Disk, World};

/// One step of a run. What names a node is taken modulo their number.
#[derive(Debug, Clone)]
pub enum Step {
    /// A good network for that long, but for cuts and pauses.
    Run {
        ms: u64,
        ticks_first: bool,
    },
    /// True time passes and nobody does anything: a pause of all.
    Pass {
        ms: u64,
    },
    /// Everything on its way arrives at once.
    Flush,
    /// One parcel arrives; its copy stays if it is repeated.
    Deliver {
        pick: Index,
        repeat: bool,
    },
    /// A parcel is lost, or all are.
    Lose {
        pick: Option<Index>,
    },
    /// From now on nothing gets from these to those, nor back if it is cut both ways.
    Cut {
        from: Places,
        to: Places,
        both: bool,
        lose: bool,
    },
    /// From now on nothing gets from this node to that one, nor back if it is broken both ways.
    Break {
        from: usize,
        to: usize,
        both: bool,
    },
    /// Broken links work again.
    Mend,
    /// From now on the network is like that, to these.
    Weather(Weather, Places),
    /// From now on these stand still.
    Freeze(Places),
    /// A node crashes and starts again after some time.
    Crash {
        node: usize,
        disk: Disk,
        down_ms: u64,
    },
    /// One that is neither the leader nor cut off crashes and starts again at once.
    CrashFollower {
        pick: Index,
        disk: Disk,
    },
    /// A node crashes and stays down.
    Stop {
        node: usize,
        disk: Disk,
    },
    Start {
        node: usize,
    },
    /// A node leaves gracefully, lingers, and starts again.
    Bounce {
        node: usize,
        disk: Disk,
        linger_ms: u64,
    },
    /// The leader does.
    BounceLeader {
        disk: Disk,
        linger_ms: u64,
    },
    /// Power fails in the middle of the node's next step.
    PowerCut {
        node: usize,
        after: usize,
    },
    /// A node's service wants it to give up the term that it is in: delayed, it finds another.
    Resign {
        node: usize,
    },
    /// The same, because its work is done: it releases its lease.
    HandOver {
        node: usize,
    },
    /// The same, because the floor lies ahead. With a store, the floor is lifted.
    Outrank {
        node: usize,
        by: u64,
    },
}

fn disk() -> impl Strategy<Value = Disk> {
    prop_oneof![2 => Just(Disk::Kept), 1 => Just(Disk::Wiped)]
}

/// Some nodes, or the store, as they are when the step is taken.
#[derive(Debug, Clone, Copy)]
pub enum Places {
    Nowhere,
    Node(usize),
    AllBut(usize),
    Leader,
    AllButLeader,
    Store,
    Any(u16),
}

fn places() -> impl Strategy<Value = Places> {
    prop_oneof![
        4 => (0..64usize).prop_map(Places::Node),
        2 => (0..64usize).prop_map(Places::AllBut),
        4 => Just(Places::Leader),
        2 => Just(Places::AllButLeader),
        1 => Just(Places::Store),
        2 => any::<u16>().prop_map(Places::Any),
    ]
}

fn slow_places() -> impl Strategy<Value = Places> {
    prop_oneof![2 => Just(Places::Any(u16::MAX)), 1 => places()]
}

pub fn step() -> impl Strategy<Value = Step> {
    let node = 0..64usize;
    prop_oneof![
        10 => (1..120u64, any::<bool>()).prop_map(|(ms, ticks_first)| Step::Run { ms, ticks_first }),
        2 => (120..400u64).prop_map(|ms| Step::Run { ms, ticks_first: false }),
        3 => (1..150u64).prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Flush),
        5 => (any::<Index>(), prop::bool::weighted(0.3))
            .prop_map(|(pick, repeat)| Step::Deliver { pick, repeat }),
        2 => prop::option::weighted(0.7, any::<Index>()).prop_map(|pick| Step::Lose { pick }),
        4 => (places(), places(), any::<bool>(), any::<bool>())
            .prop_map(|(from, to, both, lose)| Step::Cut { from, to, both, lose }),
        2 => (node.clone(), node.clone(), prop::bool::weighted(0.8))
            .prop_map(|(from, to, both)| Step::Break { from, to, both }),
        1 => Just(Step::Mend),
        2 => Just(Step::Cut { from: Places::Nowhere, to: Places::Nowhere, both: true, lose: false }),
        3 => (0..60u8, prop_oneof![1..40u64, 40..400u64], 0..20u8, 0..30u8, slow_places()).prop_map(
            |(slow, tail_ms, lost, twice, to)| {
                Step::Weather(Weather { slow, tail_ms, lost, twice, slow_to: 0 }, to)
            }
        ),
        1 => Just(Step::Weather(Weather::default(), Places::Nowhere)),
        2 => places().prop_map(Step::Freeze),
        2 => Just(Step::Freeze(Places::Nowhere)),
        2 => (node.clone(), disk(), 0..40u64)
            .prop_map(|(node, disk, down_ms)| Step::Crash { node, disk, down_ms }),
        1 => (node.clone(), disk()).prop_map(|(node, disk)| Step::Stop { node, disk }),
        1 => node.clone().prop_map(|node| Step::Start { node }),
        1 => (node.clone(), disk(), 0..30u64)
            .prop_map(|(node, disk, linger_ms)| Step::Bounce { node, disk, linger_ms }),
        2 => (disk(), 0..30u64)
            .prop_map(|(disk, linger_ms)| Step::BounceLeader { disk, linger_ms }),
        1 => (node.clone(), 0..8usize).prop_map(|(node, after)| Step::PowerCut { node, after }),
        1 => node.clone().prop_map(|node| Step::Resign { node }),
        1 => node.clone().prop_map(|node| Step::HandOver { node }),
        1 => (node, prop_oneof![4 => 0..5u64, 1 => Just(500)]).prop_map(|(node, by)| Step::Outrank { node, by }),
    ]
}

/// An attack on a leader that holds a lease: what it sent is late, it is cut off from some or all,
/// one that promised it something forgets, and the others go on. Each part may be missing.
fn siege() -> impl Strategy<Value = Vec<Step>> {
    let calm = [
        Step::Cut { from: Places::Nowhere, to: Places::Nowhere, both: true, lose: false },
        Step::Weather(Weather::default(), Places::Nowhere),
        Step::Freeze(Places::Nowhere),
        Step::Run { ms: 350, ticks_first: false },
    ];
    let whom = prop_oneof![(0..64usize).prop_map(Places::Node), Just(Places::AllButLeader)];
    let cut = (whom, prop::bool::weighted(0.8), prop::bool::weighted(0.8))
        .prop_map(|(to, both, lose)| vec![Step::Cut { from: Places::Leader, to, both, lose }]);
    let run = |ms: std::ops::Range<u64>| {
        (ms, any::<bool>()).prop_map(|(ms, ticks_first)| vec![Step::Run { ms, ticks_first }])
    };
    let slow = (50..100u8, 60..250u64).prop_map(|(slow, tail_ms)| {
        let weather = Weather { slow, tail_ms, ..Weather::default() };
        let slow = Step::Weather(weather, Places::Leader);
        vec![slow, Step::Run { ms: tail_ms, ticks_first: false }]
    });
    let crash = (any::<Index>(), prop_oneof![Just(Disk::Kept), Just(Disk::Wiped)])
        .prop_map(|(pick, disk)| vec![Step::CrashFollower { pick, disk }]);
    let maybe = |steps: BoxedStrategy<Vec<Step>>| {
        prop::option::of(steps).prop_map(Option::unwrap_or_default)
    };
    let some = prop::collection::vec(step(), 0..4);
    (
        maybe(slow.boxed()),
        cut.clone(),
        maybe(Just(vec![Step::Weather(Weather::default(), Places::Nowhere)]).boxed()),
        run(120..260),
        maybe(cut.boxed()),
        maybe(crash.boxed()),
        run(5..60),
        some,
    )
        .prop_map(move |(slow, cut, fast, first, again, crash, last, some)| {
            [calm.to_vec(), slow, cut, fast, first, again, crash, last, some].concat()
        })
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        prop::collection::vec(step(), 1..100),
        prop::collection::vec(siege(), 1..6).prop_map(|sieges| sieges.concat()),
    ]
}

/// Settings of so many voters, with clocks anywhere within the bound.
pub fn setting(voters: usize, observers: usize) -> impl Strategy<Value = Setting> {
    let bound = i32::try_from(timing().max_drift_ppm).unwrap();
    let drift = prop_oneof![Just(-bound), Just(0), Just(bound), -bound..=bound];
    let priority = prop_oneof![4 => Just(MAX_PRIORITY), 1 => 0..=MAX_PRIORITY];
    let nodes = voters + observers;
    (
        (prop::bool::weighted(0.6), any::<bool>(), prop_oneof![Just(20), Just(50)]),
        prop::collection::vec(drift, nodes),
        prop::collection::vec(priority, nodes),
        any::<u32>(),
    )
        .prop_map(move |((store, empty, heartbeat), drifts, priorities, seed)| Setting {
            voters,
            observers,
            store,
            empty,
            timing: Timing { heartbeat: Duration::from_millis(heartbeat), ..timing() },
            drifts,
            priorities,
            seed: u64::from(seed),
        })
}

impl World {
    pub fn step(&mut self, step: &Step) {
        let count = self.nodes.len();
        match *step {
            Step::Run { ms, ticks_first: false } => self.run(ms),
            Step::Run { ms, ticks_first: true } => self.tick_then_run(ms),
            Step::Pass { ms } => self.pass(ms),
            Step::Flush => self.flush(),
            Step::Deliver { pick, repeat } if !self.network.is_empty() => {
                let at = pick.index(self.network.len());
                let parcel = match repeat {
                    true => self.network[at].clone(),
                    false => self.network.remove(at),
                };
                self.deliver(parcel);
            }
            Step::Lose { pick: Some(pick) } if !self.network.is_empty() => {
                self.network.remove(pick.index(self.network.len()));
            }
            Step::Deliver { .. } | Step::Lose { pick: Some(_) } => {}
            Step::Lose { pick: None } => self.network.clear(),
            Step::Cut { from, to, both, lose } => {
                self.cut = Cut { from: self.mask(from), to: self.mask(to), both, lose };
            }
            Step::Break { from, to, both } => {
                self.break_link(from % count, to % count);
                if both {
                    self.break_link(to % count, from % count);
                }
            }
            Step::Mend => self.broken = [0; STORE],
            Step::Weather(weather, to) => {
                self.weather = Weather { slow_to: self.mask(to), ..weather };
            }
            Step::Freeze(places) => self.frozen = self.mask(places),
            Step::Crash { node, disk, down_ms } => {
                self.stop(node % count, disk);
                self.run(down_ms);
                self.start(node % count);
            }
            Step::CrashFollower { pick, disk } => {
                let (leader, cut) = (self.leader(), self.cut);
                let wanted = |n: &usize| Some(*n) != leader && cut.to >> n & 1 == 0;
                let some: Vec<_> = (0..self.setting.voters).filter(wanted).collect();
                if !some.is_empty() {
                    self.restart(*pick.get(&some), disk);
                }
            }
            Step::Stop { node, disk } => self.stop(node % count, disk),
            Step::Start { node } if self.up(node % count).is_none() => self.start(node % count),
            Step::Start { .. } => {}
            Step::Bounce { node, disk, linger_ms } => self.bounce(node % count, disk, linger_ms),
            Step::BounceLeader { disk, linger_ms } => {
                if let Some(leader) = self.leader() {
                    self.bounce(leader, disk, linger_ms);
                }
            }
            Step::PowerCut { node, after } => self.nodes[node % count].power_cut = Some(after),
            Step::Resign { node } => self.command(node % count, |term, _| Input::Resign { term }),
            Step::HandOver { node } => {
                self.command(node % count, |term, _| Input::HandOver { term });
            }
            Step::Outrank { by, .. } if self.setting.store => {
                self.store.lift(by);
            }
            Step::Outrank { node, by } => self.command(node % count, |term, generation| {
                Input::Outranked { term, floor: Term(term.0 + by), generation }
            }),
        }
    }

    fn mask(&self, places: Places) -> u16 {
        let leader = self.leader().map_or(0, |leader| 1 << leader);
        match places {
            Places::Nowhere => 0,
            Places::Node(node) => 1 << (node % self.nodes.len()),
            Places::AllBut(node) => !(1 << (node % self.nodes.len())),
            Places::Leader => leader,
            Places::AllButLeader => !leader,
            Places::Store => 1 << STORE,
            Places::Any(mask) => mask,
        }
    }

    pub fn bounce(&mut self, index: usize, disk: Disk, linger_ms: u64) {
        self.leave(index);
        self.run(linger_ms);
        self.restart(index, disk);
    }

    /// A command for the term that a node is in now, which takes its time to get there.
    fn command(&mut self, index: usize, command: impl Fn(Term, Generation) -> Input) {
        let Some(election) = self.up(index) else { return };
        let input = command(election.term(), election.generation());
        let what = What::Command(self.nodes[index].start, input);
        self.send(Parcel::new(index, index, what));
    }

    fn bad(&mut self, property: &'static str, what: &str) {
        let up = self.nodes.iter().filter_map(|node| node.election.as_ref());
        let roles: Vec<_> = up
            .map(|e| format!("{} {:?} {}:{}", e.me(), e.role(), e.generation(), e.term()))
            .collect();
        self.checks.violated(property, format!("{what}: {roles:?}"));
    }

    /// V1, V2, V4: after all faults ended, a leader within the bound that stays, and all take part.
    pub fn heal_and_check(&mut self) {
        self.heal();
        self.run(bound_ms(&self.setting.timing));
        let Some(leader) = self.leader() else { return self.bad("V1", "no leader") };
        let term = self.of(leader).term();
        self.run(2 * bound_ms(&self.setting.timing) / 3);
        if self.leader() != Some(leader) || self.of(leader).term() != term {
            return self.bad("V1", "the leader did not stay");
        }
        let generation = self.of(leader).generation();
        if self.setting.store && (self.store.floor, self.store.generation) != (term, generation) {
            self.bad("V4", "the leader is not at the floor");
        }
        for index in 0..self.nodes.len() {
            let election = self.of(index);
            let operational = election.role() != Role::Rejoining
                && election.generation() == generation
                && election.leader() == Some(self.of(leader).me().node);
            let complete = election.view().participants.len() == self.nodes.len();
            if !operational {
                self.bad("V2", "not everyone is operational");
            } else if !complete {
                self.bad("V2", "not everyone takes part");
            }
        }
    }
}

/// How long it may take after the last fault until there is a leader that stays: in the worst case
/// everyone waits out the quarantine, meets a newer generation and waits again, calls the roll, and
/// then some campaigns fail, all on the slowest clock.
fn bound_ms(timing: &Timing) -> u64 {
    let patience = timing.election_timeout + timing.jitter * (u32::from(MAX_PRIORITY) + 2);
    let all = 3 * timing.quarantine + 2 * timing.election_timeout + 6 * patience;
    let slowest = 1.0 - f64::from(timing.max_drift_ppm) / 1e6;
    (all.as_secs_f64() * 1000.0 / slowest) as u64
}

/// Runs the steps, heals, and answers the first violation of one of `properties`: of any, if there
/// are none of them.
pub fn run(setting: Setting, steps: &[Step], properties: &[&str]) -> Result<World, Violation> {
    let mut world = World::new(setting);
    world.checks.strict = properties.is_empty();
    let violation = |world: &World| {
        let wanted = |(property, _): &&Violation| properties.contains(property);
        world.checks.violations.iter().find(wanted).cloned()
    };
    for step in steps {
        world.step(step);
        if let Some(violation) = violation(&world) {
            return Err(violation);
        }
    }
    world.heal_and_check();
    match violation(&world) {
        Some(violation) => Err(violation),
        None => Ok(world),
    }
}
