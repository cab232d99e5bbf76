//! Another list of voters, and the old one again: one voter more, restarted in turn.

use std::time::Duration;

use super::{Draw, Drawn};
use crate::faults::generate::deployed;
use crate::faults::pick::chance;
use crate::faults::plan::{Fault, node};
use crate::scenario::units::Between;

impl Draw<'_> {
    /// A voter joins, and mostly leaves again. A second such draw may meet the first half-way: all
    /// lists of a run still differ by one voter at most, as operators are told to keep them.
    pub(super) fn voters_change(&mut self) -> Drawn {
        let (few, many) = (self.size.voters, self.size.voters + 1);
        let mut drawn = Vec::new();
        let mut after = self.turn(many, Duration::ZERO, &mut drawn);
        if chance(self.rng, 70) {
            after = self.turn(few, after, &mut drawn);
            drawn.push((after, Fault::Retire { node: node(many) }));
        }
        drawn
    }

    /// Everybody gets that list, one after the other; says when the next could follow.
    fn turn(&mut self, voters: u32, mut after: Duration, drawn: &mut Drawn) -> Duration {
        let nodes = deployed(self.size, voters);
        let most = (self.horizon / 4 / nodes.len() as u32).max(Duration::from_millis(1));
        let gap = self.log(Between { low: Duration::from_millis(200).min(most), high: most });
        for node in nodes {
            drawn.push((after, Fault::Deploy { node, voters, down: self.log(self.ranges.down) }));
            after += gap;
        }
        after
    }
}
