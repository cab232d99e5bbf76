//! What a swarm draws: single faults and patterns of several, each meant to hurt.
//!
//! Two things make a swarm more than noise. Each seed leaves some kinds out, so that rare ones are
//! not drowned by common ones; and half of the faults gather around a few moments, because what
//! breaks a protocol is one fault in the middle of another.

mod anchors;
mod bounces;
mod jobs;
mod links;
mod lists;
mod machines;
pub mod minor;
mod services;
mod setting;
mod words;

use std::time::Duration;

use fencepost::election::Timing;
use rand_xoshiro::Xoshiro256PlusPlus;

use self::bounces::shuffle;
pub use self::jobs::jobs;
pub use self::setting::{network, timing};
use super::pick::{chance, log_duration, log_uniform, one_of, uniform, uniform_duration};
use super::plan::{Fault, Harm, Links, Noise, PlannedFault, Service, Size, Start, Target};
use crate::scenario::units::Between;
use crate::scenario::{DrawKind, Ranges, Swarm};
use crate::streams::stream;

use DrawKind as K;
use Target::{All, Database, Follower, Leader, Others, Sink};

/// Adds all that `seed` draws.
pub fn all(
    swarm: &Swarm,
    seed: u64,
    size: Size,
    horizon: Duration,
    timing: &Timing,
    delivers: bool,
    faults: &mut Vec<PlannedFault>,
) {
    let mut shape = stream(seed, "plan/swarm-shape", 0);
    let count = uniform(&mut shape, swarm.count.low.into(), swarm.count.high.into());
    let whole = Between { low: Duration::ZERO, high: horizon * 19 / 20 };
    let gatherings: Vec<Duration> =
        (0..uniform(&mut shape, 1, 3)).map(|_| uniform_duration(&mut shape, whole)).collect();
    let some: Vec<(K, u32)> = swarm
        .draw
        .iter()
        .map(|(kind, weight)| (*kind, *weight))
        .filter(|_| chance(&mut shape, 60))
        .collect();
    let kinds =
        if some.is_empty() { swarm.draw.iter().map(|(k, w)| (*k, *w)).collect() } else { some };

    for index in 0..count {
        let rng = &mut stream(seed, "plan/swarm", index);
        let at = if chance(rng, 50) {
            let after = log_uniform(rng, 1_000_000, 2_000_000_000);
            one_of(rng, &gatherings) + Duration::from_nanos(after)
        } else {
            uniform_duration(rng, whole)
        };
        let kind = weighted(rng, &kinds);
        // A clock that is off from the beginning.
        let at = if kind == K::WallOffset { Duration::ZERO } else { at };
        let ranges = &swarm.ranges;
        let awaited = Vec::new();
        let mut draw = Draw { rng, size, horizon, timing, delivers, ranges, awaited };
        let drawn = draw.faults(kind);
        let start = draw.anchor(&drawn).unwrap_or(Start::At(at));
        faults.append(&mut draw.awaited);
        faults.extend(
            drawn
                .into_iter()
                .map(|(after, fault)| PlannedFault { start: start.later(after), fault }),
        );
    }
}

fn weighted(rng: &mut Xoshiro256PlusPlus, kinds: &[(K, u32)]) -> K {
    let total: u64 = kinds.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut left = uniform(rng, 0, total - 1);
    for (kind, weight) in kinds {
        match left.checked_sub((*weight).into()) {
            Some(rest) => left = rest,
            None => return *kind,
        }
    }
    unreachable!("the draw lies below the sum of the weights")
}

struct Draw<'d> {
    rng: &'d mut Xoshiro256PlusPlus,
    size: Size,
    horizon: Duration,
    timing: &'d Timing,
    /// Whether there are messages.
    delivers: bool,
    ranges: &'d Ranges,
    /// What a pattern adds that waits for events.
    awaited: Vec<PlannedFault>,
}

/// Faults with their time after the first.
type Drawn = Vec<(Duration, Fault)>;

impl Draw<'_> {
    fn faults(&mut self, kind: K) -> Drawn {
        let single = match kind {
            K::Pause => {
                let node = self.node();
                Fault::Pause { nodes: vec![node], lasts: self.log(self.ranges.pause) }
            }
            K::PauseLeader => {
                Fault::Pause { nodes: vec![Leader], lasts: self.log(self.ranges.pause) }
            }
            K::PauseSeveral => self.pause_several(),
            K::Suspend | K::SuspendUncounted => self.suspend(kind == K::Suspend),
            K::Lies => Fault::Lies { nodes: vec![self.node()], lasts: self.log(self.ranges.noise) },
            K::SilentDeath => self.silent_death(),
            K::CrashLoop => self.crash_loop(),
            K::DiskFull | K::DiskSlow => self.disk(kind),
            K::DiskUnreadable => return self.disk_unreadable(),
            K::WallOffset => return self.wall_offset(),
            K::Strobe => self.strobe(),
            K::DbPartial => self.db_partial(),
            K::DbRestart => self.restart(Service::Database, Duration::ZERO),
            K::DbFailoverLost => {
                let loses = self.log(self.ranges.down) + Duration::from_millis(10);
                self.restart(Service::Database, loses)
            }
            K::SinkRestart => self.restart(Service::Sink, Duration::ZERO),
            K::DbFails | K::CommitLate | K::CommitLost => self.trouble(Service::Database, kind),
            K::SinkFails | K::SinkRefuses | K::EffectLate | K::EffectLost => {
                self.trouble(Service::Sink, kind)
            }
            K::CutNode | K::CutLeader | K::CutLink | K::CutOneWay | K::CutHalves => {
                let links = match kind {
                    K::CutNode => {
                        let node = self.node();
                        both(vec![node], vec![Others, Database, Sink])
                    }
                    K::CutLeader if chance(self.rng, 30) => {
                        both(vec![Leader], vec![Others, Database, Sink])
                    }
                    K::CutLeader => both(vec![Leader], vec![Others]),
                    K::CutLink => self.link(),
                    K::CutOneWay => self.one_way(),
                    _ => self.halves(),
                };
                Fault::Cut { links, lasts: self.log(self.ranges.cut) }
            }
            K::Flap => self.flap(),
            K::Ring | K::Chain | K::Star => self.topology(kind),
            K::DbOutage | K::SinkOutage => {
                let links = self.service(if kind == K::DbOutage { Database } else { Sink });
                Fault::Cut { links, lasts: self.log(self.ranges.cut) }
            }
            K::DbSlow | K::SinkSlow => {
                let links = self.service(if kind == K::DbSlow { Database } else { Sink });
                self.slow(links)
            }
            K::SlowLink => {
                let links = match uniform(self.rng, 0, 2) {
                    0 => self.link(),
                    1 => self.one_way(),
                    _ => both(vec![All], vec![All]),
                };
                self.slow(links)
            }
            K::Noise => {
                let links = if chance(self.rng, 60) {
                    both(vec![All], vec![All])
                } else {
                    both(vec![self.node()], vec![Others])
                };
                Fault::Noise { links, noise: self.noise(), lasts: self.log(self.ranges.noise) }
            }
            K::Kill | K::Stop => {
                let node = self.node();
                self.bounce(vec![node], kind == K::Stop, Harm::None)
            }
            K::KillWiped | K::StopWiped => {
                let node = self.node();
                self.bounce(vec![node], kind == K::StopWiped, Harm::Wipe)
            }
            K::Torn => {
                let node = self.node();
                self.bounce(vec![node], false, Harm::Tear)
            }
            K::WallStep => {
                let by_ms = self.step();
                Fault::WallStep { node: self.node(), by_ms: self.sign(by_ms) }
            }
            K::DbWallStep => {
                let by_ms = self.database_step();
                Fault::WallStep { node: Database, by_ms: self.sign(by_ms) }
            }
            K::Rate => {
                let high = self.ranges.ppm.high.min(self.timing.max_drift_ppm);
                self.rate(Between { low: self.ranges.ppm.low.min(high), high })
            }
            K::RateOutside => self.rate(self.ranges.ppm_outside),
            K::Rolling => return self.rolling(Harm::None),
            K::RollingWiped => return self.rolling(Harm::Wipe),
            K::KillMajorityWiped => return self.kill_majority_wiped(),
            K::KillAllWiped => return self.kill_all_wiped(),
            K::WipedCutOff => return self.wiped_cut_off(),
            K::VotersChange => return self.voters_change(),
            K::StaleAnswer => return self.stale_answer(),
            K::LateWrite => return self.late_write(),
            K::LateAnswers => return self.late_answers(),
            K::StoreAway => return self.store_away(),
            K::LastWords => return self.last_words(),
            K::ForgottenVote => return self.forgotten_vote(),
        };
        vec![(Duration::ZERO, single)]
    }

    fn log(&mut self, range: Between<Duration>) -> Duration {
        log_duration(self.rng, range)
    }

    fn sign<N: std::ops::Neg<Output = N>>(&mut self, number: N) -> N {
        if chance(self.rng, 50) { -number } else { number }
    }

    /// Some node, mostly by name: a role follows the leadership about, a name does not.
    fn node(&mut self) -> Target {
        match uniform(self.rng, 0, 9) {
            0 | 1 => Leader,
            2 | 3 => Follower,
            _ => self.size.node(uniform(self.rng, 1, self.size.nodes().into()) as u32),
        }
    }

    /// All nodes in random order.
    fn shuffled(&mut self) -> Vec<Target> {
        let mut nodes: Vec<Target> =
            (1..=self.size.nodes()).map(|number| self.size.node(number)).collect();
        shuffle(self.rng, &mut nodes);
        nodes
    }

    /// Links to the database or the sink: one direction loses or delays requests, the other one
    /// answers, whose outcome is then unknown.
    fn service(&mut self, service: Target) -> Links {
        let who = match uniform(self.rng, 0, 3) {
            0 | 1 => Leader,
            2 => All,
            _ => self.node(),
        };
        match uniform(self.rng, 0, 2) {
            0 => Links { from: vec![who], to: vec![service], both_ways: false },
            1 => Links { from: vec![service], to: vec![who], both_ways: false },
            _ => both(vec![who], vec![service]),
        }
    }

    fn slow(&mut self, links: Links) -> Fault {
        Fault::Slow { links, by: self.log(self.ranges.by), lasts: self.log(self.ranges.slow) }
    }

    fn noise(&mut self) -> Noise {
        let mut some = |percent| {
            if chance(self.rng, percent) { uniform(self.rng, 1, 40) as u32 * 10_000 } else { 0 }
        };
        let (loss_ppm, duplicate_ppm) = (some(60), some(60));
        // At least one of them: noise that changes nothing would be counted as a fault.
        let percent = if loss_ppm + duplicate_ppm == 0 { 100 } else { 60 };
        Noise { loss_ppm, duplicate_ppm, reorder_ppm: some(percent) }
    }

    fn rate(&mut self, far: Between<u32>) -> Fault {
        let ppm = log_uniform(self.rng, far.low.into(), far.high.into());
        let ppm = i32::try_from(ppm).expect("a rate that was read");
        let node = self.node();
        Fault::Rate { node, ppm: self.sign(ppm), lasts: self.log(self.ranges.rate) }
    }

    /// A pause that outlasts the lease.
    fn long_pause(&mut self) -> Fault {
        let low = self.ranges.pause.low.max(self.timing.lease);
        let high = self.ranges.pause.high.max(low);
        Fault::Pause { nodes: vec![Leader], lasts: self.log(Between { low, high }) }
    }

    fn stale_answer(&mut self) -> Drawn {
        let by = self.log(self.ranges.by);
        let (from, to) = if chance(self.rng, 70) { (Database, Leader) } else { (Leader, Database) };
        let links = Links { from: vec![from], to: vec![to], both_ways: false };
        let pause = self.long_pause();
        let after = uniform_duration(self.rng, Between { low: Duration::ZERO, high: by });
        let lasts = after + self.log(self.ranges.slow);
        vec![(Duration::ZERO, Fault::Slow { links, by, lasts }), (after, pause)]
    }

    fn late_write(&mut self) -> Drawn {
        let links = Links { from: vec![Leader], to: vec![Database], both_ways: false };
        // Late enough that another node can lead by then.
        let low = self.ranges.by.low.max(self.timing.lease);
        let by = self.log(Between { low, high: self.ranges.by.high.max(low) });
        let lasts = self.log(self.ranges.slow);
        let after = uniform_duration(self.rng, Between { low: Duration::ZERO, high: lasts });
        let low = self.ranges.cut.low.max(self.timing.lease);
        let cut = self.log(Between { low, high: self.ranges.cut.high.max(low) });
        vec![
            (Duration::ZERO, Fault::Slow { links, by, lasts }),
            (after, Fault::Cut { links: both(vec![Leader], vec![Others]), lasts: cut }),
        ]
    }

    fn late_answers(&mut self) -> Drawn {
        let lease = self.timing.lease;
        let by = uniform_duration(self.rng, Between { low: lease * 2 / 5, high: lease * 49 / 50 });
        let links = Links { from: vec![Others], to: vec![Leader], both_ways: false };
        let after = uniform_duration(self.rng, Between { low: by, high: by + 2 * lease });
        let cut = self.log(self.ranges.cut);
        vec![
            (Duration::ZERO, Fault::Slow { links, by, lasts: after + by }),
            (after, Fault::Cut { links: both(vec![Leader], vec![Others]), lasts: cut }),
        ]
    }
}

fn both(from: Vec<Target>, to: Vec<Target>) -> Links {
    Links { from, to, both_ways: true }
}
