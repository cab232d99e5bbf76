//! Clocks: each node has a monotonic clock with a rate of its own and a wall clock that steps.
//!
//! A madsim plugin. Local time runs piecewise linearly over true time; a change of rate re-arms the
//! node's sleeping timers, as a real timer follows its clock. While a machine sleeps its monotonic
//! clock goes on, as `CLOCK_BOOTTIME` does, but its timers do not: they go off late.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use fencepost::{Clock, Instant, WallTime};
use madsim::Config;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;

use super::place::Place;
use super::timer::Timer;

/// One part per million, inverted.
const MILLION: i128 = 1_000_000;

/// How often a node may read its clock in one simulated millisecond. Busy ones do some dozens of
/// times; one that spins, thousands of times.
const READS_MAX: u32 = 5_000;

/// 2026-01-01T00:00:00Z, where every wall clock starts.
const WALL_ORIGIN_MS: i64 = 1_767_225_600_000;

/// A clock that stands still: the rate of one that does not count while its machine sleeps.
pub const STOPPED: i32 = -1_000_000;

/// The longest step of a real timer, in nanoseconds: it looks at its clock again after each, so that
/// it goes off late by less than this after its machine has slept.
const TIMER_STEP: u64 = 1_000_000_000;

/// How many dead sleepers a node's list may hold before it is swept.
const SLEEPERS_MAX: usize = 64;

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
        SimSleep { clock: self.clone(), target: deadline.0, armed: None }
    }
}

/// A sleep on a node's own clock. Sets one timer, however often it is polled.
struct SimSleep {
    clock: SimClock,
    target: u64,
    armed: Option<Armed>,
}

struct Armed {
    sleeper: Arc<Sleeper>,
    epoch: u64,
    /// True time at which it was armed.
    since: u64,
    /// True time at which it was to go off then.
    due: u64,
    /// True time before which it cannot go off, because its machine slept.
    not_before: u64,
}

impl Armed {
    /// When it can go off at last, given when its machine slept last. What was left of the step
    /// under way when the machine fell asleep is left when it wakes up.
    fn not_before(&self, slept: Option<Nap>) -> u64 {
        let Some(Nap { from, until }) = slept else { return self.not_before };
        if self.since >= from || self.due <= from {
            return self.not_before;
        }
        let step = TIMER_STEP - (from - self.since) % TIMER_STEP;
        self.not_before.max(until + step.min(self.due - from))
    }
}

struct Sleeper {
    waker: Mutex<Waker>,
}

impl Sleeper {
    fn wake(&self) {
        self.waker.lock().expect("never held across a panic").wake_by_ref();
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { clock: SimClock { clocks, place }, target, armed } = self.get_mut();
        let now = clocks.timer.now();
        let mut nodes = clocks.lock();
        let clock = &mut nodes[place.0];
        let not_before = armed.as_ref().map_or(0, |armed| armed.not_before(clock.slept));
        if clock.local(now) >= *target && now >= not_before {
            return Poll::Ready(());
        }
        match armed {
            Some(armed) if (armed.epoch, armed.not_before) == (clock.epoch, not_before) => {
                let mut waker = armed.sleeper.waker.lock().expect("never held across a panic");
                if !waker.will_wake(cx.waker()) {
                    waker.clone_from(cx.waker());
                }
            }
            _ => {
                let sleeper = Arc::new(Sleeper { waker: Mutex::new(cx.waker().clone()) });
                if clock.sleepers.len() >= SLEEPERS_MAX {
                    clock.sleepers.retain(|sleeper| sleeper.strong_count() > 0);
                }
                clock.sleepers.push(Arc::downgrade(&sleeper));
                let due = clock.true_time_of(*target).max(not_before);
                let epoch = clock.epoch;
                drop(nodes);
                // The timer must not keep a dropped sleep alive, nor wake its task.
                let weak = Arc::downgrade(&sleeper);
                clocks.timer.at(due, move || {
                    if let Some(sleeper) = weak.upgrade() {
                        sleeper.wake();
                    }
                });
                *armed = Some(Armed { sleeper, epoch, since: now, due, not_before });
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use madsim::plugin::simulator;
    use madsim::runtime::Runtime;

    use super::*;

    fn with_clock(test: impl AsyncFnOnce(SimClock)) {
        let runtime = Runtime::new();
        runtime.add_simulator::<Clocks>();
        runtime.block_on(async {
            let clocks = simulator::<Clocks>();
            clocks.add(Instant(5_000_000_000));
            test(SimClock { clocks, place: Place(0) }).await;
        });
    }

    /// madsim takes some nanoseconds for each poll; readings agree to within this.
    const SLACK: u64 = 10_000;

    #[test]
    fn a_fast_clock_reads_more_and_sleeps_less() {
        with_clock(async |clock| {
            clock.clocks.set_rate(clock.place, 100_000);
            let (started, true_start) = (clock.now(), clock.clocks.timer.now());
            clock.sleep(Duration::from_millis(1100)).await;
            let (local, truly) =
                (clock.now().since(started), clock.clocks.timer.now() - true_start);
            assert!((1_100_000_000..1_100_000_000 + SLACK).contains(&local), "{local}");
            assert!((1_000_000_000..1_000_000_000 + SLACK).contains(&truly), "{truly}");
        });
    }

    #[test]
    fn a_change_of_rate_re_arms_a_sleep() {
        with_clock(async |clock| {
            let other = clock.clone();
            let changer = madsim::task::spawn(async move {
                madsim::time::sleep(Duration::from_millis(500)).await;
                other.clocks.set_rate(other.place, 1_000_000); // twice as fast
            });
            let true_start = clock.clocks.timer.now();
            clock.sleep(Duration::from_secs(1)).await;
            let truly = clock.clocks.timer.now() - true_start;
            assert!((750_000_000..750_000_000 + SLACK).contains(&truly), "{truly}");
            changer.await.unwrap();
        });
    }

    /// A machine that sleeps from 300 ms to 2.3 s of a sleep of `sleep`, and when that ends.
    fn slept_through(sleep: Duration, stops: bool) -> (u64, u64) {
        let mut ended = (0, 0);
        with_clock(async |clock| {
            let other = clock.clone();
            let (local, truly) = (clock.now(), clock.clocks.timer.now());
            // No node stands still in this test: only the timers are late.
            let machine = madsim::task::spawn(async move {
                madsim::time::sleep(Duration::from_millis(300)).await;
                other.clocks.fall_asleep(other.place);
                if stops {
                    other.clocks.set_rate(other.place, STOPPED);
                }
                madsim::time::sleep(Duration::from_secs(2)).await;
                other.clocks.wake_up(other.place);
                if stops {
                    other.clocks.set_rate(other.place, 0);
                }
            });
            let sleeper = clock.clone();
            let sleep = madsim::task::spawn(async move {
                sleeper.sleep(sleep).await;
                (sleeper.now(), sleeper.clocks.timer.now())
            });
            machine.await.unwrap();
            let (local_end, true_end) = sleep.await.unwrap();
            ended = (local_end.since(local) / 1_000_000, (true_end - truly) / 1_000_000);
        });
        ended
    }

    #[test]
    fn timers_go_off_late_after_a_sleep_and_the_clock_counts_it() {
        // It was due after the machine woke up, and not hindered.
        let (local, truly) = slept_through(Duration::from_millis(3_500), false);
        assert_eq!((local, truly), (3_500, 3_500));
        // What was left of its step, 700 ms, is left when the machine wakes up at 2.3 s.
        let (local, truly) = slept_through(Duration::from_millis(2_500), false);
        assert_eq!((local, truly), (3_000, 3_000));
    }

    #[test]
    fn a_clock_that_stops_does_not_count_a_sleep() {
        for ms in [500, 2_500] {
            let (local, truly) = slept_through(Duration::from_millis(ms), true);
            assert_eq!((local, truly), (ms, ms + 2_000));
        }
    }

    #[test]
    fn wall_steps_leave_the_monotonic_clock_alone() {
        with_clock(async |clock| {
            let (reading, wall) = (clock.now(), clock.wall());
            clock.clocks.step_wall(clock.place, -4000);
            assert_eq!(clock.wall().unix_ms, wall.unix_ms - 4000);
            assert!(clock.now().since(reading) < SLACK);
        });
    }
}
