//! Faults of whole machines: they stand still, sleep, die without a word, crash again and again, and their
//! disks fail.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Injector;
use crate::faults::plan::{DiskTrouble, Harm};
use crate::history::{Kind, WorldEvent};
use crate::world::clocks::STOPPED;
use crate::world::place::Place;
use crate::world::voters::Cluster;

impl Injector {
    pub(super) async fn pause(&self, places: &BTreeSet<Place>, lasts: Duration) {
        places.iter().for_each(|place| self.halt(*place));
        self.wait(lasts).await;
        places.iter().for_each(|place| self.go_on(*place));
    }

    /// Nothing of that node runs any more.
    fn halt(&self, place: Place) {
        if self.count_pause(place, 1) == 1 {
            let node = self.cluster.places.node(place);
            self.cluster.recorder.record(Kind::Paused { node });
            self.handle.pause(self.machines[place.0]);
        }
    }

    /// It runs on, unless something else holds it.
    fn go_on(&self, place: Place) {
        if self.count_pause(place, -1) == 0 {
            let node = self.cluster.places.node(place);
            self.cluster.recorder.record(Kind::Resumed { node });
            self.handle.resume(self.machines[place.0]);
        }
    }

    /// Two such faults at once lie no more than one.
    pub(super) async fn lie(&self, places: &BTreeSet<Place>, lasts: Duration) {
        places.iter().for_each(|place| self.cluster.liars.change(*place, 1));
        self.wait(lasts).await;
        places.iter().for_each(|place| self.cluster.liars.change(*place, -1));
    }

    pub(super) async fn suspend(&self, places: &BTreeSet<Place>, counted: bool, lasts: Duration) {
        for &place in places {
            self.halt(place);
            self.isolate(place);
            if self.count_sleep(place, 1) == 1 {
                self.cluster.clocks.fall_asleep(place);
            }
            if !counted {
                self.change_rates(place, |rates| rates.push(STOPPED));
            }
        }
        self.wait(lasts).await;
        for &place in places {
            if !counted {
                self.change_rates(place, |rates| {
                    let mine = rates.iter().position(|rate| *rate == STOPPED);
                    rates.remove(mine.expect("it was put there"));
                });
            }
            if self.count_sleep(place, -1) == 0 {
                self.cluster.clocks.wake_up(place);
            }
            self.join(place);
            self.go_on(place);
        }
    }

    fn count_sleep(&self, place: Place, change: i32) -> u32 {
        let mut sleeps = self.sleeps.lock().expect("never held across a panic");
        sleeps[place.0] = sleeps[place.0].checked_add_signed(change).expect("balanced");
        sleeps[place.0]
    }

    /// Cuts a machine off from all others.
    fn isolate(&self, place: Place) {
        self.each(&self.around(place), |from, to| self.cut(from, to));
    }

    /// Takes such a cut away.
    fn join(&self, place: Place) {
        self.each(&self.around(place), |from, to| self.mend(from, to));
    }

    /// Every direction to and from a machine.
    fn around(&self, place: Place) -> Vec<(Place, Place)> {
        let others = (0..self.cluster.places.count()).map(Place).filter(|other| *other != place);
        others.flat_map(|other| [(place, other), (other, place)]).collect()
    }

    /// The process is gone at once for all that can be seen of it, but its end would close its
    /// connections: so it stands still, cut off, until the machine starts again. The death of a
    /// process that is down already is none.
    pub(super) async fn die(
        &self,
        mut places: BTreeSet<Place>,
        harm: Harm,
        down: Duration,
        slow_start: Duration,
    ) {
        places.retain(|place| self.is_up(*place));
        for &place in &places {
            self.lose(place, false, harm);
            self.isolate(place);
            self.count_pause(place, 1);
            self.handle.pause(self.machines[place.0]);
        }
        self.wait(down).await;
        for &place in &places {
            self.handle.kill(self.machines[place.0]);
            self.count_pause(place, -1);
            self.join(place);
            self.start(place, harm, slow_start);
        }
        self.wait(slow_start).await;
    }

    pub(super) async fn crash_loop(
        &self,
        places: &BTreeSet<Place>,
        harm: Harm,
        times: u32,
        up: Duration,
        down: Duration,
    ) {
        for time in 1..=times {
            self.bounce(places.clone(), false, harm, down, Duration::ZERO).await;
            if time < times {
                self.wait(up).await;
            }
        }
    }

    pub(super) async fn trouble_disks(
        &self,
        places: &BTreeSet<Place>,
        trouble: DiskTrouble,
        lasts: Duration,
    ) {
        let disks = &self.cluster.disks;
        self.change_disks(places, |place| disks.add_trouble(place, trouble));
        self.wait(lasts).await;
        self.change_disks(places, |place| disks.remove_trouble(place, trouble));
    }

    /// Does that to each of these disks, and tells which works from then on, or no longer.
    fn change_disks(&self, places: &BTreeSet<Place>, change: impl Fn(Place)) {
        let Cluster { disks, places: names, recorder, .. } = &*self.cluster;
        for &place in places {
            let before = disks.works(place);
            change(place);
            let works = disks.works(place);
            if works != before {
                let node = names.node(place);
                recorder.record(Kind::World(WorldEvent::Disk { node, works }));
            }
        }
    }
}
