//! Faults of clocks: they run fast, slow or not at all, wall clocks jump; and a process that comes back
//! may find another one.

use std::time::Duration;

use fencepost::{Instant, NodeId};
use rand::RngExt;

use super::Injector;
use crate::history::Kind;
use crate::world::clocks::{STOPPED, first_reading};
use crate::world::place::Place;
use crate::world::timer::nanos;

impl Injector {
    /// Half of all processes come back where they were. The others find a monotonic clock that began
    /// at another moment: their machine was started anew, or they were moved to another one, with
    /// their disk if it was kept.
    pub(super) fn find_machine(&self, place: Place) {
        let reading = {
            let mut found = self.machines_found.lock().expect("never held across a panic");
            let random = &mut found[place.0];
            // Both are always drawn, so that one start does not re-roll the next.
            let (moves, reading) = (random.random_bool(0.5), first_reading(random));
            if !moves {
                return;
            }
            reading
        };
        let ppm = self.cluster.clocks.begin_anew(place, reading);
        self.tell_clock(place, reading, ppm);
    }

    fn tell_clock(&self, place: Place, reading: Instant, ppm: i32) {
        let node = self.cluster.places.node(place);
        let within_bound = ppm.unsigned_abs() <= self.cluster.timing.max_drift_ppm;
        self.cluster.recorder.record(Kind::ClockRate { node, reading, ppm, within_bound });
    }

    pub(super) async fn rate(&self, node: NodeId, ppm: i32, lasts: Duration) {
        let place = self.place(node);
        self.change_rates(place, |rates| rates.push(ppm));
        self.wait(lasts).await;
        self.change_rates(place, |rates| {
            let mine = rates.iter().position(|rate| *rate == ppm).expect("it was put there");
            rates.remove(mine);
        });
    }

    pub(super) fn change_rates(&self, place: Place, change: impl FnOnce(&mut Vec<i32>)) {
        let mut rates = self.rates.lock().expect("never held across a panic");
        let before = effective(&rates[place.0]);
        change(&mut rates[place.0]);
        let ppm = effective(&rates[place.0]);
        if ppm != before {
            let reading = self.cluster.clocks.set_rate(place, ppm);
            self.tell_clock(place, reading, ppm);
        }
    }

    pub(super) async fn strobe(&self, node: NodeId, by_ms: i64, every: Duration, lasts: Duration) {
        let timer = &self.cluster.timer;
        let end = timer.now() + nanos(lasts);
        let mut away = false;
        while timer.now() < end {
            self.step_wall(node, if away { -by_ms } else { by_ms });
            away = !away;
            let left = Duration::from_nanos(end.saturating_sub(timer.now()));
            self.wait(every.min(left)).await;
        }
        if away {
            self.step_wall(node, -by_ms);
        }
    }

    pub(super) fn step_wall(&self, node: NodeId, by_ms: i64) {
        self.cluster.clocks.step_wall(self.place(node), by_ms);
        self.cluster.recorder.record(Kind::WallStep { node, by_ms });
    }
}

/// The rate of a clock at which these faults pull: it stands still if one of them stops it, else the
/// newest has its way.
fn effective(rates: &[i32]) -> i32 {
    let stopped = rates.iter().find(|rate| **rate == STOPPED);
    stopped.or(rates.last()).copied().unwrap_or(0)
}
