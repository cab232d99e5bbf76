//! Clocks: each node has a monotonic clock with a rate of its own and a wall clock that steps.
//!
//! A madsim plugin. Local time runs piecewise linearly over true time; a change of rate re-arms the
//! node's sleeping timers, as a real timer follows its clock. While a machine sleeps its monotonic
//! clock goes on, as `CLOCK_BOOTTIME` does, but its timers do not: they go off late.

mod sleep;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use fencepost::{Clock, Instant, WallTime};
use madsim::Config;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;
use rand::{Rng, RngExt};

use self::sleep::{SimSleep, Sleeper};
use super::place::Place;
use super::timer::Timer;

/// One part per million, inverted.
const MILLION: i128 = 1_000_000;

/// How often a node may read its clock in one simulated millisecond. Busy ones do some dozens of
/// times; one that spins, thousands of times.
const READS_MAX: u32 = 5_000;

/// 2026-01-01T00:00:00Z, where every wall clock starts.
const WALL_ORIGIN_MS: i64 = 1_767_225_600_000;

/// What a machine's monotonic clock shows at first: far apart, so that code which compares readings of
/// two machines goes wrong.
pub fn first_reading(random: &mut impl Rng) -> Instant {
    Instant(random.random_range(1_000_000_000..1_000_000_000_000_000))
}

/// A clock that stands still: the rate of one that does not count while its machine sleeps.
pub const STOPPED: i32 = -1_000_000;

/// The plugin: the clocks of all nodes.
pub struct Clocks {
    timer: Timer,
    nodes: Mutex<Vec<NodeClock>>,
}

/// Local time from the true time `since` on: `reading + (now - since) · (1 + ppm / 1e6)`.
struct NodeClock {
    since: u64,
    reading: u64,
    ppm: i32,
    wall_offset_ms: i64,
    /// Since when the machine sleeps.
    asleep: Option<u64>,
    /// When it slept last.
    slept: Option<Nap>,
    /// Counts changes of the rate.
    epoch: u64,
    sleepers: Vec<Weak<Sleeper>>,
    /// The millisecond of true time in which it was read last, and how often in it.
    read_in: u64,
    reads: u32,
}

/// A machine's sleep, in true time.
#[derive(Debug, Clone, Copy)]
struct Nap {
    from: u64,
    until: u64,
}

impl NodeClock {
    fn local(&self, now: u64) -> u64 {
        if self.ppm == 0 {
            return self.reading + (now - self.since);
        }
        let elapsed = i128::from(now - self.since);
        let local = i128::from(self.reading) + elapsed * (MILLION + i128::from(self.ppm)) / MILLION;
        u64::try_from(local).expect("a run lasts less than 584 years")
    }

    /// The first true time at which the local reading is at least `target`.
    fn true_time_of(&self, target: u64) -> u64 {
        if self.ppm == 0 {
            return self.since.saturating_add(target.saturating_sub(self.reading));
        }
        if self.ppm == STOPPED {
            return if target <= self.reading { self.since } else { u64::MAX };
        }
        let ahead = i128::from(target) - i128::from(self.reading);
        let rate = MILLION + i128::from(self.ppm);
        let elapsed = (ahead.max(0) * MILLION + rate - 1) / rate;
        self.since.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }
}

impl Simulator for Clocks {
    fn new(_rand: &GlobalRng, time: &TimeHandle, _config: &Config) -> Self {
        Self { timer: Timer::new(time.clone()), nodes: Mutex::default() }
    }
}

impl Clocks {
    /// Adds the next node's clock with that first reading.
    pub fn add(&self, reading: Instant) {
        let since = self.timer.now();
        self.lock().push(NodeClock {
            since,
            reading: reading.0,
            ppm: 0,
            wall_offset_ms: 0,
            asleep: None,
            slept: None,
            epoch: 0,
            sleepers: Vec::new(),
            read_in: 0,
            reads: 0,
        });
    }

    /// A node's monotonic reading.
    ///
    /// # Panics
    /// The node spins: it reads its clock again and again while hardly any time passes, and the run
    /// would take for ever.
    pub fn reading(&self, place: Place) -> Instant {
        let now = self.timer.now();
        let mut nodes = self.lock();
        let clock = &mut nodes[place.0];
        if clock.read_in == now / 1_000_000 {
            clock.reads += 1;
        } else {
            (clock.read_in, clock.reads) = (now / 1_000_000, 0);
        }
        let (reading, reads) = (clock.local(now), clock.reads);
        drop(nodes);
        assert!(reads < READS_MAX, "a clock was read {READS_MAX} times in a millisecond: a loop");
        Instant(reading)
    }

    /// A node's wall clock.
    pub fn wall(&self, place: Place) -> WallTime {
        let now_ms = i64::try_from(self.timer.now() / 1_000_000).expect("below 584 years");
        let wall = WALL_ORIGIN_MS + now_ms + self.lock()[place.0].wall_offset_ms;
        WallTime { unix_ms: u64::try_from(wall).unwrap_or(0) }
    }

    /// Sets the rate of a node's monotonic clock and tells its reading at this moment.
    pub fn set_rate(&self, place: Place, ppm: i32) -> Instant {
        assert!(ppm >= STOPPED, "a clock does not go back");
        let now = self.timer.now();
        let mut nodes = self.lock();
        let clock = &mut nodes[place.0];
        let reading = clock.local(now);
        (clock.since, clock.reading, clock.ppm) = (now, reading, ppm);
        clock.epoch += 1;
        let sleepers = std::mem::take(&mut clock.sleepers);
        drop(nodes);
        for sleeper in sleepers.iter().filter_map(Weak::upgrade) {
            sleeper.wake();
        }
        Instant(reading)
    }

    /// The node's next process finds another clock: its machine was started anew, or is another one.
    pub fn begin_anew(&self, place: Place, reading: Instant) -> i32 {
        let now = self.timer.now();
        let clock = &mut self.lock()[place.0];
        (clock.since, clock.reading) = (now, reading.0);
        clock.epoch += 1;
        clock.ppm
    }

    /// Steps a node's wall clock.
    pub fn step_wall(&self, place: Place, by_ms: i64) {
        let offset = &mut self.lock()[place.0].wall_offset_ms;
        *offset = offset.saturating_add(by_ms);
    }

    /// The node's machine falls asleep: its timers stand still.
    pub fn fall_asleep(&self, place: Place) {
        let now = self.timer.now();
        self.lock()[place.0].asleep = Some(now);
    }

    /// It wakes up.
    pub fn wake_up(&self, place: Place) {
        let until = self.timer.now();
        let clock = &mut self.lock()[place.0];
        let from = clock.asleep.take().expect("it was asleep");
        clock.slept = Some(Nap { from, until });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NodeClock>> {
        self.nodes.lock().expect("never held across a panic")
    }
}

/// One node's view of its clocks: what the code under test is given.
#[derive(Clone)]
pub struct SimClock {
    /// The plugin.
    pub clocks: Arc<Clocks>,
    /// Whose clock.
    pub place: Place,
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        self.clocks.reading(self.place)
    }

    fn wall(&self) -> WallTime {
        self.clocks.wall(self.place)
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        SimSleep::until(deadline, self.clone())
    }
}
