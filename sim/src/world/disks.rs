//! Disks: one durable slot of bytes for each node, which survives its process.
//!
//! A madsim plugin. Writing takes time, and becomes durable somewhere within it: a process that is
//! killed meanwhile finds the old content or the new at its next start, unless a fault wipes the
//! disk or tears what was being written. So every kill loses what was not yet durable, and may keep
//! what the process was not yet told about. A node without a disk writes as if it had one, at once,
//! and finds nothing at its next start.
//!
//! A disk can be in trouble: full, unreadable or slow. A write that fails may have replaced the
//! content all the same, as the contract of [`Disk`] has it.

use std::io;
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
use super::timer::{Timer, nanos};
use crate::faults::plan::DiskTrouble;

/// Half the time that a write takes, in nanoseconds: before it is durable, and again before the
/// writer is told.
const HALF_WRITE: std::ops::Range<u64> = 100_000..1_000_000;

/// The plugin: the slots of all nodes.
pub struct Disks {
    timer: Timer,
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    /// Whether the node has a disk.
    is_there: bool,
    content: Option<Vec<u8>>,
    /// What the running process is writing.
    under_way: Option<Vec<u8>>,
    /// What is wrong with it.
    troubles: Vec<DiskTrouble>,
    /// Whether it failed the running process.
    failed: bool,
    latencies: Xoshiro256PlusPlus,
    damage: Xoshiro256PlusPlus,
}

impl Slot {
    /// The error that the running process gets, and that excuses its end.
    fn fail(&mut self, action: &'static str, why: io::ErrorKind) -> DiskError {
        self.failed = true;
        DiskError::Io { action, path: "hard-state".into(), source: why.into() }
    }
}

impl Simulator for Disks {
    fn new(_rand: &GlobalRng, time: &TimeHandle, _config: &Config) -> Self {
        Self { timer: Timer::new(time.clone()), slots: Mutex::default() }
    }
}

impl Disks {
    /// Adds the next node's disk, empty, or notes that it has none. What is torn is drawn apart
    /// from the latencies, so that a torn write changes no later one.
    pub fn add(&self, is_there: bool, latencies: Xoshiro256PlusPlus, damage: Xoshiro256PlusPlus) {
        self.lock().push(Slot {
            is_there,
            content: None,
            under_way: None,
            troubles: Vec::new(),
            failed: false,
            latencies,
            damage,
        });
    }

    /// From now on this is wrong with it, too.
    pub fn add_trouble(&self, place: Place, trouble: DiskTrouble) {
        self.lock()[place.0].troubles.push(trouble);
    }

    /// Takes one such trouble away.
    pub fn remove_trouble(&self, place: Place, trouble: DiskTrouble) {
        let troubles = &mut self.lock()[place.0].troubles;
        let mine = troubles.iter().position(|active| *active == trouble);
        troubles.remove(mine.expect("it was put there"));
    }

    /// Whether nothing is wrong with it.
    pub fn works(&self, place: Place) -> bool {
        self.lock()[place.0].troubles.is_empty()
    }

    /// A process begins.
    pub fn begin(&self, place: Place) {
        self.lock()[place.0].failed = false;
    }

    /// Whether the disk failed the running process: what excuses its end.
    pub fn has_failed(&self, place: Place) -> bool {
        self.lock()[place.0].failed
    }

    /// The process was killed: what it was writing is there, or is not.
    pub fn cut_short(&self, place: Place) {
        self.lock()[place.0].under_way = None;
    }

    /// Empties the disk. To be called between two processes.
    pub fn wipe(&self, place: Place) {
        self.lock()[place.0].content = None;
    }

    /// Damages the write that is under way, or else the content: it ends at some byte, or a bit of
    /// it is flipped. To be called at the moment of a kill, before [`Disks::cut_short`]. A disk that
    /// was never written stays empty.
    pub fn tear(&self, place: Place) {
        let slot = &mut self.lock()[place.0];
        let Some(mut bytes) = slot.under_way.take().or_else(|| slot.content.take()) else { return };
        if bytes.is_empty() || slot.damage.random_range(0..2) == 0 {
            let end = slot.damage.random_range(0..bytes.len().max(1));
            bytes.truncate(end);
        } else {
            let bit = slot.damage.random_range(0..bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        slot.content = Some(bytes);
    }

    async fn half_write(&self, place: Place) {
        let half = {
            let slot = &mut self.lock()[place.0];
            let slower = slot.troubles.iter().map(|trouble| match trouble {
                DiskTrouble::Slow { by } => nanos(*by) / 2,
                DiskTrouble::Full | DiskTrouble::Unreadable => 0,
            });
            slower.sum::<u64>() + slot.latencies.random_range(HALF_WRITE)
        };
        self.timer.sleep(Duration::from_nanos(half)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().expect("never held across a panic")
    }
}

/// One node's disk: what the code under test is given.
#[derive(Clone)]
pub struct SimDisk {
    /// The plugin.
    pub disks: Arc<Disks>,
    /// Whose disk.
    pub place: Place,
}

impl Disk for SimDisk {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        let slot = &mut self.disks.lock()[self.place.0];
        if slot.troubles.contains(&DiskTrouble::Unreadable) {
            return Err(slot.fail("read", io::ErrorKind::Other));
        }
        Ok(slot.content.clone())
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), DiskError> {
        {
            let slot = &mut self.disks.lock()[self.place.0];
            if !slot.is_there {
                return Ok(());
            }
            slot.under_way = Some(bytes.clone());
        }
        self.disks.half_write(self.place).await;
        {
            let slot = &mut self.disks.lock()[self.place.0];
            if slot.troubles.contains(&DiskTrouble::Full) {
                slot.under_way = None;
                if slot.damage.random_range(0..2) == 0 {
                    slot.content = Some(bytes);
                }
                return Err(slot.fail("write", io::ErrorKind::StorageFull));
            }
            slot.content = Some(bytes);
        }
        self.disks.half_write(self.place).await;
        self.disks.lock()[self.place.0].under_way = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fencepost::election::HardState;
    use fencepost::node::{decode_hard_state, encode_hard_state};
    use madsim::plugin::simulator;
    use madsim::runtime::Runtime;
    use madsim::time::TimeHandle;

    use super::*;
    use crate::streams::stream;

    const HERE: Place = Place(0);

    /// Runs `test` with one disk.
    fn with_disk<F: Future>(
        seed: u64,
        is_there: bool,
        test: impl FnOnce(SimDisk) -> F,
    ) -> F::Output {
        let runtime = Runtime::with_seed_and_config(seed, Config::default());
        runtime.add_simulator::<Disks>();
        runtime.block_on(async {
            let disks = simulator::<Disks>();
            disks.add(is_there, stream(seed, "disk", 0), stream(seed, "disk damage", 0));
            test(SimDisk { disks, place: HERE }).await
        })
    }

    fn record() -> Vec<u8> {
        encode_hard_state(&HardState::default())
    }

    #[test]
    fn what_is_written_stays_until_the_disk_is_wiped() {
        with_disk(1, true, async |mut disk| {
            assert_eq!(disk.read().await.unwrap(), None);
            disk.write(record()).await.unwrap();
            disk.disks.cut_short(HERE);
            assert_eq!(disk.read().await.unwrap(), Some(record()));
            disk.disks.wipe(HERE);
            assert_eq!(disk.read().await.unwrap(), None);
        });
    }

    #[test]
    fn a_node_without_a_disk_writes_and_finds_nothing() {
        with_disk(1, false, async |mut disk| {
            disk.write(record()).await.unwrap();
            assert_eq!(disk.read().await.unwrap(), None);
            disk.disks.tear(HERE);
            assert_eq!(disk.read().await.unwrap(), None);
        });
    }

    #[test]
    fn what_is_torn_is_noticed() {
        let mut shorter = 0;
        for seed in 0..50 {
            with_disk(seed, true, async |mut disk| {
                disk.disks.tear(HERE);
                assert_eq!(disk.read().await.unwrap(), None, "nothing was there to be torn");
                disk.write(record()).await.unwrap();
                disk.disks.tear(HERE);
                let found = disk.read().await.unwrap().expect("a damaged file is still a file");
                assert!(decode_hard_state(&found).is_err(), "{found:?}");
                shorter += u32::from(found.len() < record().len());
            });
        }
        assert!((10..=40).contains(&shorter), "{shorter} of 50 end early, the others lost a bit");
    }

    #[test]
    fn the_write_under_way_is_torn_rather_than_what_it_replaces() {
        let old = vec![0; 1_000];
        for seed in 0..20 {
            with_disk(seed, true, async |mut disk| {
                disk.write(old.clone()).await.unwrap();
                let new = vec![255; 10];
                let mut writer = disk.clone();
                let writing = madsim::task::spawn(async move { writer.write(new).await });
                let within = Duration::from_nanos(HALF_WRITE.start);
                Timer::new(TimeHandle::current()).sleep(within).await;
                writing.abort();
                disk.disks.tear(HERE);
                disk.disks.cut_short(HERE);
                let found = disk.read().await.unwrap().unwrap();
                assert!(found.len() <= 10 && found != [255; 10], "{found:?}");
                // What a dead process was writing is no longer under way.
                disk.disks.tear(HERE);
                assert!(disk.read().await.unwrap().unwrap().len() <= 10);
            });
        }
    }

    /// What is found of a write over an old content that was killed after that time.
    fn killed_after(seed: u64, nanos: u64) -> Option<Vec<u8>> {
        with_disk(seed, true, async |mut disk| {
            disk.write(vec![1]).await.unwrap();
            let mut writer = disk.clone();
            let writing = madsim::task::spawn(async move { writer.write(vec![2]).await });
            Timer::new(TimeHandle::current()).sleep(Duration::from_nanos(nanos)).await;
            writing.abort();
            disk.disks.cut_short(HERE);
            Timer::new(TimeHandle::current()).sleep(Duration::from_secs(1)).await;
            disk.read().await.unwrap()
        })
    }

    #[test]
    fn a_kill_loses_what_was_not_yet_durable_and_may_keep_what_nobody_was_told() {
        let slowest = 2 * HALF_WRITE.end;
        let new =
            |nanos| (0..40).filter(|seed| killed_after(*seed, nanos) == Some(vec![2])).count();
        assert_eq!(new(HALF_WRITE.start / 2), 0);
        assert_eq!(new(slowest + 10_000), 40);
        // In the middle it is the one or the other, and never nothing.
        assert!((5..=35).contains(&new(slowest / 4)), "{}", new(slowest / 4));
        assert!((0..40).all(|seed| killed_after(seed, slowest / 4).is_some()));
    }

    #[test]
    fn a_full_disk_says_so_and_holds_the_old_or_the_new() {
        let mut new = 0;
        for seed in 0..40 {
            with_disk(seed, true, async |mut disk| {
                disk.write(vec![1]).await.unwrap();
                disk.disks.add_trouble(HERE, DiskTrouble::Full);
                assert!(!disk.disks.has_failed(HERE));
                assert!(matches!(disk.write(vec![2]).await, Err(DiskError::Io { .. })));
                assert!(disk.disks.has_failed(HERE), "this excuses the process");
                let found = disk.read().await.unwrap().unwrap();
                new += u32::from(found == [2]);
                assert!(found == [1] || found == [2], "{found:?}");
                disk.disks.begin(HERE);
                assert!(!disk.disks.has_failed(HERE), "but not the next one");
                disk.disks.remove_trouble(HERE, DiskTrouble::Full);
                disk.write(vec![3]).await.unwrap();
            });
        }
        assert!((5..=35).contains(&new), "{new} of 40");
    }

    #[test]
    fn an_unreadable_disk_can_be_read_when_all_trouble_is_over() {
        with_disk(1, true, async |mut disk| {
            disk.write(vec![1]).await.unwrap();
            disk.disks.add_trouble(HERE, DiskTrouble::Unreadable);
            disk.disks.add_trouble(HERE, DiskTrouble::Unreadable);
            assert!(disk.read().await.is_err());
            disk.disks.remove_trouble(HERE, DiskTrouble::Unreadable);
            assert!(disk.read().await.is_err(), "the other one lasts");
            disk.disks.remove_trouble(HERE, DiskTrouble::Unreadable);
            assert_eq!(disk.read().await.unwrap(), Some(vec![1]));
        });
    }

    #[test]
    fn a_slow_disk_takes_that_much_longer() {
        with_disk(1, true, async |mut disk| {
            let by = Duration::from_millis(300);
            disk.disks.add_trouble(HERE, DiskTrouble::Slow { by });
            let timer = Timer::new(TimeHandle::current());
            let start = timer.now();
            disk.write(vec![1]).await.unwrap();
            let took = timer.now() - start;
            assert!((nanos(by)..nanos(by) + 2 * HALF_WRITE.end).contains(&took), "{took}");
        });
    }

    #[test]
    fn tearing_changes_no_latency() {
        let elapsed = |tears| {
            with_disk(1, true, async move |mut disk| {
                disk.write(record()).await.unwrap();
                if tears {
                    disk.disks.tear(HERE);
                }
                disk.write(record()).await.unwrap();
                disk.disks.lock()[0].latencies.random_range(0..u64::MAX)
            })
        };
        assert_eq!(elapsed(false), elapsed(true));
    }
}
