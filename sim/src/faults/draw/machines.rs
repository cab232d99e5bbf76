//! Whole machines: several that stand still, sleep, silent deaths, crash loops, disks that fail and
//! wall clocks that are wrong.

use std::time::Duration;

use super::{Draw, Drawn, K};
use crate::faults::pick::{chance, log_duration, log_uniform, one_of, uniform};
use crate::faults::plan::{DiskTrouble, Fault, Harm, Target};
use crate::scenario::units::Between;

use Target::{All, Leader, Majority};

/// How long the processes of a crash loop live: some die before they take part in anything.
const UP: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_secs(2) };

/// The time between two jumps of a wall clock.
const STROBE: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_millis(500) };

/// The longest time down in a crash loop: it is meant to be back soon, again and again.
const SOON: Duration = Duration::from_secs(1);

/// The farthest jump of the database's wall clock, in milliseconds.
const DATABASE_STEP_MAX: i64 = 5_000;

impl Draw<'_> {
    /// Two nodes at least, where there are two.
    fn several(&mut self) -> Vec<Target> {
        match uniform(self.rng, 0, 3) {
            0 => vec![Majority],
            1 => vec![All],
            _ => self.some_by_name(2),
        }
    }

    /// Nodes by name: `least` of them, all, or something between.
    pub(super) fn some_by_name(&mut self, least: u32) -> Vec<Target> {
        let mut nodes = self.shuffled();
        let all = nodes.len() as u64;
        let count = uniform(self.rng, u64::from(least).min(all), all);
        nodes.truncate(count as usize);
        nodes.sort();
        nodes
    }

    pub(super) fn pause_several(&mut self) -> Fault {
        Fault::Pause { nodes: self.several(), lasts: self.log(self.ranges.pause) }
    }

    pub(super) fn suspend(&mut self, counted: bool) -> Fault {
        let nodes = match uniform(self.rng, 0, 9) {
            0..=4 => vec![Leader],
            5 => self.several(),
            _ => vec![self.node()],
        };
        Fault::Suspend { nodes, counted, lasts: self.log(self.ranges.pause) }
    }

    /// Mostly one node, mostly with what it kept.
    fn victims(&mut self) -> (Vec<Target>, Harm) {
        let nodes = match uniform(self.rng, 0, 9) {
            0..=3 => vec![Leader],
            4 => self.several(),
            _ => vec![self.node()],
        };
        let harm = one_of(self.rng, &[Harm::None, Harm::None, Harm::Wipe, Harm::Tear]);
        (nodes, harm)
    }

    pub(super) fn silent_death(&mut self) -> Fault {
        let (nodes, harm) = self.victims();
        // At once would be no death.
        let low = self.ranges.down.low.max(Duration::from_millis(50));
        let down = self.log(Between { low, high: self.ranges.down.high.max(low) });
        Fault::Die { nodes, harm, down, slow_start: self.log(self.ranges.slow_start) }
    }

    pub(super) fn crash_loop(&mut self) -> Fault {
        let (nodes, harm) = self.victims();
        let times = uniform(self.rng, 2, 8) as u32;
        let Between { low, high } = self.ranges.down;
        let down = self.log(Between { low: low.min(SOON), high: high.min(SOON) });
        Fault::CrashLoop { nodes, harm, times, up: log_duration(self.rng, UP), down }
    }

    pub(super) fn disk(&mut self, kind: K) -> Fault {
        // What holds one disk up often holds up all: they may be on the same storage.
        let nodes = if chance(self.rng, 30) { self.several() } else { vec![self.node()] };
        if kind == K::DiskSlow {
            let trouble = DiskTrouble::Slow { by: self.log(self.ranges.by) };
            return Fault::Disk { nodes, trouble, lasts: self.log(self.ranges.slow) };
        }
        Fault::Disk { nodes, trouble: DiskTrouble::Full, lasts: self.log(self.ranges.cut) }
    }

    /// A disk is read at a start only, so there must be one.
    pub(super) fn disk_unreadable(&mut self) -> Drawn {
        let nodes = self.size.nodes();
        let node = self.size.node(uniform(self.rng, 1, nodes.into()) as u32);
        let lasts = self.log(self.ranges.cut);
        let trouble = DiskTrouble::Unreadable;
        let kill = self.bounce(vec![node], false, Harm::None);
        let fault = Fault::Disk { nodes: vec![node], trouble, lasts };
        vec![(Duration::ZERO, fault), (lasts / 4, kill)]
    }

    /// How far a wall clock jumps.
    pub(super) fn step(&mut self) -> i64 {
        let Between { low, high } = self.ranges.step_ms;
        let far = log_uniform(self.rng, low.unsigned_abs(), high.unsigned_abs());
        i64::try_from(far).expect("a step that was read")
    }

    /// How far the database's does: what waits by it must come while the run lasts.
    pub(super) fn database_step(&mut self) -> i64 {
        let Between { low, high } = self.ranges.step_ms;
        let high = high.min(DATABASE_STEP_MAX);
        let far = log_uniform(self.rng, low.min(high).unsigned_abs(), high.unsigned_abs());
        i64::try_from(far).expect("a step that was read")
    }

    pub(super) fn wall_offset(&mut self) -> Drawn {
        (1..=self.size.nodes())
            .map(|number| {
                let far = self.step();
                let by_ms = self.sign(far);
                (Duration::ZERO, Fault::WallStep { node: self.size.node(number), by_ms })
            })
            .collect()
    }

    pub(super) fn strobe(&mut self) -> Fault {
        let far = self.step();
        let (node, by_ms) = (self.node(), self.sign(far));
        let every = log_duration(self.rng, STROBE);
        Fault::Strobe { node, by_ms, every, lasts: self.log(self.ranges.rate) }
    }
}
