//! Links: the network between the machines, one link for each direction of each pair.
//!
//! A madsim plugin, and faster than madsim's own network: a message is one callback on the timer.
//! Latency, loss, duplication, reordering, extra delay and cuts are those of the link that a message
//! takes; they decide its fate when it is sent.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use madsim::Config;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::place::Place;
use super::timer::{Timer, nanos};
use crate::faults::plan::{Latency, Noise, Shape};
use crate::history::{Arrivals, LinkState, SimTime};

/// The most messages that wait in one mailbox; more are lost, as in a full socket buffer.
const MAILBOX_MAX: usize = 4096;

/// How much longer than usual a reordered message takes at most, in nanoseconds.
const REORDER_DELAY: u64 = 50_000_000;

/// What kind of traffic: only datagrams are lost, repeated or reordered by noise. Requests travel in
/// connections, which a cut or a delay can hurt but which never repeat anything by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Messages of the election.
    Datagram,
    /// Questions to database and sink, and their answers.
    Request,
}

/// The noise of two faults at once.
fn plus(a: Noise, b: Noise) -> Noise {
    Noise {
        loss_ppm: a.loss_ppm.saturating_add(b.loss_ppm),
        duplicate_ppm: a.duplicate_ppm.saturating_add(b.duplicate_ppm),
        reorder_ppm: a.reorder_ppm.saturating_add(b.reorder_ppm),
    }
}

/// What is left of it when one of them ends.
fn minus(a: Noise, b: Noise) -> Noise {
    Noise {
        loss_ppm: a.loss_ppm - b.loss_ppm,
        duplicate_ppm: a.duplicate_ppm - b.duplicate_ppm,
        reorder_ppm: a.reorder_ppm - b.reorder_ppm,
    }
}

/// When the copies of a message arrive: none, one or two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// First copy and second copy.
    pub arrives: [Option<u64>; 2],
}

impl Fate {
    /// As the history records it.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals::At(self.arrives.map(|at| at.map(SimTime)))
    }
}

/// The state of one direction between two machines. Faults may overlap, so each adds and takes away.
#[derive(Debug, Clone)]
struct Link {
    delays: Delays,
    cuts: u32,
    extra: u64,
    noise: Noise,
}

/// How long messages take, in nanoseconds. Integers only, so that every machine draws the same.
#[derive(Debug, Clone, Copy)]
struct Delays {
    low: u64,
    high: u64,
    shape: Shape,
}

/// How often the range of a long tail is halved to get to its beginning: half of the messages take
/// at most a hundredth of it, and one in a hundred up to all of it.
const TAIL_HALVINGS: u32 = 7;

/// The sum of how many draws is normal enough.
const NORMAL_DRAWS: u64 = 4;

impl Delays {
    fn of(latency: Latency) -> Self {
        let (low, high) = (nanos(latency.low), nanos(latency.high));
        assert!(low <= high, "a range of latencies is not empty");
        Self { low, high, shape: latency.shape }
    }

    fn draw(self, random: &mut Xoshiro256PlusPlus) -> u64 {
        let Self { low, high, shape } = self;
        match shape {
            Shape::Uniform => random.random_range(low..high + 1),
            Shape::Normalish => {
                let sum: u64 = (0..NORMAL_DRAWS).map(|_| random.random_range(low..=high)).sum();
                sum / NORMAL_DRAWS
            }
            Shape::LongTail => {
                // Each doubling of the delay is half as likely as the one before.
                let doublings = random.next_u64().trailing_zeros().min(TAIL_HALVINGS);
                low + random.random_range(0..=(high - low) >> (TAIL_HALVINGS - doublings))
            }
        }
    }
}

/// The plugin: all links.
pub struct Links {
    timer: Timer,
    inner: Mutex<Option<Inner>>,
}

struct Inner {
    random: Xoshiro256PlusPlus,
    places: usize,
    links: Vec<Link>,
}

impl Simulator for Links {
    fn new(_rand: &GlobalRng, time: &TimeHandle, _config: &Config) -> Self {
        Self { timer: Timer::new(time.clone()), inner: Mutex::new(None) }
    }
}

impl Links {
    /// Lays the links between `places` machines; `random` is the network's own stream.
    pub fn lay(&self, places: usize, latency: Latency, noise: Noise, random: Xoshiro256PlusPlus) {
        let link = Link { delays: Delays::of(latency), cuts: 0, extra: 0, noise };
        let links = vec![link; places * places];
        *self.lock() = Some(Inner { random, places, links });
    }

    /// Gives a direction a latency of its own.
    pub fn lengthen(&self, from: Place, to: Place, latency: Latency) {
        self.change(from, to, |link| link.delays = Delays::of(latency));
    }

    /// Cuts a direction once more.
    pub fn cut(&self, from: Place, to: Place) {
        self.change(from, to, |link| link.cuts += 1);
    }

    /// Takes one cut away.
    pub fn mend(&self, from: Place, to: Place) {
        self.change(from, to, |link| link.cuts -= 1);
    }

    /// Whether a direction is cut.
    pub fn is_cut(&self, from: Place, to: Place) -> bool {
        let inner = self.lock();
        let inner = inner.as_ref().expect("the links were laid");
        inner.links[from.0 * inner.places + to.0].cuts > 0
    }

    /// What the direction is like now.
    pub fn state(&self, from: Place, to: Place) -> LinkState {
        let inner = self.lock();
        let inner = inner.as_ref().expect("the links were laid");
        let Link { delays, cuts, extra, noise } = &inner.links[from.0 * inner.places + to.0];
        LinkState {
            cut: *cuts > 0,
            slowest: delays.high + extra,
            loss_ppm: noise.loss_ppm,
            reorders: noise.reorder_ppm > 0,
        }
    }

    /// Makes a direction slower by `by` nanoseconds.
    pub fn slow(&self, from: Place, to: Place, by: u64) {
        self.change(from, to, |link| link.extra += by);
    }

    /// Takes such a delay away.
    pub fn hasten(&self, from: Place, to: Place, by: u64) {
        self.change(from, to, |link| link.extra -= by);
    }

    /// Adds noise to a direction.
    pub fn disturb(&self, from: Place, to: Place, noise: Noise) {
        self.change(from, to, |link| link.noise = plus(link.noise, noise));
    }

    /// Takes such noise away.
    pub fn calm(&self, from: Place, to: Place, noise: Noise) {
        self.change(from, to, |link| link.noise = minus(link.noise, noise));
    }

    fn change(&self, from: Place, to: Place, change: impl FnOnce(&mut Link)) {
        let mut inner = self.lock();
        let inner = inner.as_mut().expect("the links were laid");
        change(&mut inner.links[from.0 * inner.places + to.0]);
    }

    /// Decides what becomes of a message that is sent now.
    pub fn route(&self, from: Place, to: Place, traffic: Traffic) -> Fate {
        let now = self.timer.now();
        let mut inner = self.lock();
        let Inner { random, places, links } = inner.as_mut().expect("the links were laid");
        let link = &links[from.0 * *places + to.0];
        let mut fate = Fate::default();
        if link.cuts > 0 {
            return fate;
        }
        let arrival = |random: &mut Xoshiro256PlusPlus, reordered: bool| {
            let mut delay = link.delays.draw(random) + link.extra;
            if reordered {
                delay += random.random_range(0..REORDER_DELAY);
            }
            now + delay
        };
        if traffic == Traffic::Request || link.noise == Noise::default() {
            fate.arrives[0] = Some(arrival(random, false));
            return fate;
        }
        let happens = |random: &mut Xoshiro256PlusPlus, ppm: u32| {
            ppm > 0 && random.next_u64() % 1_000_000 < u64::from(ppm)
        };
        for copy in 0..2 {
            if copy == 1 && !happens(random, link.noise.duplicate_ppm) {
                break;
            }
            let reordered = happens(random, link.noise.reorder_ppm);
            if !happens(random, link.noise.loss_ppm) {
                fate.arrives[copy] = Some(arrival(random, reordered));
            }
        }
        fate
    }

    /// Calls `deliver` when a copy arrives.
    pub fn at(&self, arrives: u64, deliver: impl FnOnce() + Send + 'static) {
        self.timer.at(arrives, deliver);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inner>> {
        self.inner.lock().expect("never held across a panic")
    }
}

/// Where messages wait for the one process that reads them. It outlives the process: what was sent
/// to one process may be read by the next.
///
/// A message lies here from the moment it is sent, so that what travels is its number and a message
/// is moved twice, not ten times.
pub struct Mailbox<T> {
    inner: Mutex<Letters<T>>,
}

struct Letters<T> {
    /// What is on its way or waits, by number.
    all: Vec<Option<T>>,
    /// Numbers of none.
    free: Vec<u32>,
    /// The numbers of what has arrived, oldest first.
    waiting: VecDeque<u32>,
    reader: Option<Waker>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        let (all, free, waiting) = Default::default();
        Self { inner: Mutex::new(Letters { all, free, waiting, reader: None }) }
    }
}

impl<T> Letters<T> {
    fn add(&mut self, message: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.all[number as usize] = Some(message);
            return number;
        }
        self.all.push(Some(message));
        u32::try_from(self.all.len() - 1).expect("far fewer messages")
    }

    fn remove(&mut self, number: u32) -> T {
        self.free.push(number);
        self.all[number as usize].take().expect("a number is removed once")
    }
}

impl<T> Mailbox<T> {
    /// Sends a message: it arrives at that time.
    pub fn send(self: &Arc<Self>, links: &Links, arrives: u64, message: T)
    where
        T: Send + 'static,
    {
        let number = self.lock().add(message);
        let mailbox = Arc::clone(self);
        links.at(arrives, move || mailbox.arrive(number));
    }

    /// A message is there, unless the mailbox is full; wakes the reader.
    fn arrive(&self, number: u32) {
        let mut letters = self.lock();
        if letters.waiting.len() < MAILBOX_MAX {
            letters.waiting.push_back(number);
        } else {
            letters.remove(number);
        }
        if let Some(reader) = letters.reader.take() {
            drop(letters);
            reader.wake();
        }
    }

    /// Takes the oldest message, waiting for one if there is none. Cancel-safe.
    pub async fn take(&self) -> T {
        poll_fn(|cx| {
            let mut letters = self.lock();
            if let Some(number) = letters.waiting.pop_front() {
                return Poll::Ready(letters.remove(number));
            }
            match &mut letters.reader {
                Some(reader) if reader.will_wake(cx.waker()) => {}
                Some(reader) => reader.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    /// Drops what waits; what is on its way stays there.
    pub fn clear(&self) {
        let mut letters = self.lock();
        while let Some(number) = letters.waiting.pop_front() {
            letters.remove(number);
        }
        letters.reader = None;
    }

    fn lock(&self) -> MutexGuard<'_, Letters<T>> {
        self.inner.lock().expect("never held across a panic")
    }
}

/// Shared mailboxes are how everything is addressed.
pub type SharedMailbox<T> = Arc<Mailbox<T>>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::streams::stream;

    /// A thousand delays in microseconds, from the least.
    fn delays(shape: Shape) -> Vec<u64> {
        let (low, high) = (Duration::from_millis(1), Duration::from_millis(101));
        let delays = Delays::of(Latency { low, high, shape });
        let mut random = stream(1, "test", 0);
        let mut drawn: Vec<u64> = (0..1_000).map(|_| delays.draw(&mut random) / 1_000).collect();
        drawn.sort_unstable();
        assert!(drawn[0] >= 1_000 && drawn[999] <= 101_000, "{shape:?}: {drawn:?}");
        drawn
    }

    #[test]
    fn each_shape_spreads_delays_as_it_says() {
        let uniform = delays(Shape::Uniform);
        assert!((45_000..57_000).contains(&uniform[500]) && uniform[100] < 15_000, "{uniform:?}");
        let normal = delays(Shape::Normalish);
        assert!((45_000..57_000).contains(&normal[500]) && normal[100] > 25_000, "{normal:?}");
        assert!(normal[900] < 77_000, "{normal:?}");
        let tail = delays(Shape::LongTail);
        assert!(tail[499] < 2_500 && tail[900] < 15_000, "most are near the least: {tail:?}");
        assert!(tail[990] > 10_000 && tail[999] > 40_000, "and some are far: {tail:?}");
    }

    #[test]
    fn a_single_delay_is_no_choice() {
        let alone = Duration::from_millis(3);
        for shape in Shape::ALL {
            let delays = Delays::of(Latency { low: alone, high: alone, shape });
            assert_eq!(delays.draw(&mut stream(1, "test", 0)), 3_000_000, "{shape:?}");
        }
    }
}
