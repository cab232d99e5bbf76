//! Disks: one durable slot of bytes for each voter, which survives its process.
//!
//! A madsim plugin. Writing takes time, and becomes durable somewhere within it: a process that is
//! killed meanwhile finds the old content or the new at its next start.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fencepost::node::{Disk, DiskError};
use madsim::Config;
use madsim::plugin::Simulator;
use madsim::rand::GlobalRng;
use madsim::time::TimeHandle;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::place::Place;
use super::timer::Timer;

/// Half the time that a write takes, in nanoseconds: before it is durable, and again before the
/// writer is told.
const HALF_WRITE: std::ops::Range<u64> = 100_000..1_000_000;

/// The plugin: the slots of all voters.
pub struct Disks {
    timer: Timer,
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    content: Option<Vec<u8>>,
    random: Xoshiro256PlusPlus,
}

impl Simulator for Disks {
    fn new(_rand: &GlobalRng, time: &TimeHandle, _config: &Config) -> Self {
        Self { timer: Timer::new(time.clone()), slots: Mutex::default() }
    }
}

impl Disks {
    /// Adds the next voter's disk, empty, with its own stream of latencies.
    pub fn add(&self, random: Xoshiro256PlusPlus) {
        self.lock().push(Slot { content: None, random });
    }

    async fn half_write(&self, place: Place) {
        let half = self.lock()[place.0].random.random_range(HALF_WRITE);
        self.timer.sleep(Duration::from_nanos(half)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().expect("never held across a panic")
    }
}

/// One voter's disk: what the code under test is given.
#[derive(Clone)]
pub struct SimDisk {
    /// The plugin.
    pub disks: Arc<Disks>,
    /// Whose disk.
    pub place: Place,
}

impl Disk for SimDisk {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.disks.lock()[self.place.0].content.clone())
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), DiskError> {
        self.disks.half_write(self.place).await;
        self.disks.lock()[self.place.0].content = Some(bytes);
        self.disks.half_write(self.place).await;
        Ok(())
    }
}
