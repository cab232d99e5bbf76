//! Which links are cut: one, some in one direction, those between two halves; and how.

use std::time::Duration;

use super::{Draw, both};
use crate::faults::pick::{chance, uniform};
use crate::faults::plan::{Fault, Links, Target, Topology};
use crate::scenario::DrawKind;
use crate::scenario::units::Between;

use Target::{Database, Follower, Leader, Others, Sink};

/// How long a flapping link is cut, and how long mended, each time: from less than a heartbeat to
/// more than a lease.
const TURN: Between<Duration> =
    Between { low: Duration::from_millis(20), high: Duration::from_millis(2_000) };

impl Draw<'_> {
    pub(super) fn link(&mut self) -> Links {
        if self.size.nodes() < 2 || chance(self.rng, 30) {
            return both(vec![Leader], vec![Follower]);
        }
        let nodes = self.shuffled();
        both(vec![nodes[0]], vec![nodes[1]])
    }

    pub(super) fn one_way(&mut self) -> Links {
        let node = self.node();
        let (from, to) = match uniform(self.rng, 0, 5) {
            0 => (vec![Leader], vec![Others]),
            1 => (vec![Others], vec![Leader]),
            2 => (vec![node], vec![Others]),
            3 => (vec![Others], vec![node]),
            4 => (vec![Leader], vec![Follower]),
            _ => (vec![Follower], vec![Leader]),
        };
        Links { from, to, both_ways: false }
    }

    pub(super) fn halves(&mut self) -> Links {
        if self.size.nodes() < 2 {
            return both(vec![Leader], vec![Others]);
        }
        let mut from = self.shuffled();
        let last = u64::from(self.size.nodes()) - 1;
        let mut to = from.split_off(uniform(self.rng, 1, last) as usize);
        from.sort();
        to.sort();
        // The database stands on one side of the partition, on the other, or is seen by both.
        match uniform(self.rng, 0, 3) {
            0 => from.push(Database),
            1 => to.push(Database),
            _ => {}
        }
        both(from, to)
    }

    /// One link, one direction, or all that a node has.
    pub(super) fn flap(&mut self) -> Fault {
        let links = match uniform(self.rng, 0, 3) {
            0 | 1 => self.link(),
            2 => self.one_way(),
            _ => both(vec![self.node()], vec![Others, Database, Sink]),
        };
        let (up, down) = (self.log(TURN), self.log(TURN));
        Fault::Flap { links, up, down, lasts: self.log(self.ranges.cut) }
    }

    pub(super) fn topology(&mut self, kind: DrawKind) -> Fault {
        let topology = match kind {
            DrawKind::Ring => Topology::Ring,
            DrawKind::Chain => Topology::Chain,
            _ => Topology::Star(self.node()),
        };
        Fault::Topology { topology, lasts: self.log(self.ranges.cut) }
    }
}
