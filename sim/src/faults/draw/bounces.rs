//! Bounces: of one node, of all in turn, of many at once, with the disk kept, wiped or torn.

use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Draw, Drawn, both};
use crate::faults::pick::{chance, one_of, uniform, uniform_duration};
use crate::faults::plan::{Fault, Harm, Target, node};
use crate::scenario::units::Between;

use Target::{All, Database, Majority, Others, Sink};

impl Draw<'_> {
    pub(super) fn bounce(&mut self, nodes: Vec<Target>, graceful: bool, harm: Harm) -> Fault {
        let down = self.log(self.ranges.down);
        Fault::Bounce { nodes, graceful, harm, down, slow_start: self.log(self.ranges.slow_start) }
    }

    pub(super) fn rolling(&mut self, harm: Harm) -> Drawn {
        let graceful = chance(self.rng, 50);
        let nodes = self.size.nodes();
        let most = (self.horizon / 2 / nodes).max(Duration::from_millis(1));
        let least = Duration::from_millis(200).min(most);
        let gap = self.log(Between { low: least, high: most });
        (0..nodes)
            .map(|i| (gap * i, self.bounce(vec![self.size.node(i + 1)], graceful, harm)))
            .collect()
    }

    /// A majority of the voters, mostly with the leader: the promises of those that lose their
    /// memory are what a new leader must not contradict.
    pub(super) fn kill_majority_wiped(&mut self) -> Drawn {
        let nodes = if chance(self.rng, 60) {
            vec![Majority]
        } else {
            let mut voters: Vec<Target> =
                (1..=self.size.voters).map(|n| Target::Node(node(n))).collect();
            shuffle(self.rng, &mut voters);
            voters.truncate(self.size.voters as usize / 2 + 1);
            voters.sort();
            voters
        };
        self.at_once(nodes)
    }

    pub(super) fn kill_all_wiped(&mut self) -> Drawn {
        let whole = chance(self.rng, 50);
        let nodes = (1..=self.size.nodes()).map(|number| self.size.node(number));
        let nodes = if whole { vec![All] } else { nodes.collect() };
        self.at_once(nodes)
    }

    /// Killed at one moment; what is named node by node comes back node by node.
    fn at_once(&mut self, nodes: Vec<Target>) -> Drawn {
        let together = matches!(nodes[..], [All | Majority]) || chance(self.rng, 30);
        let groups =
            if together { vec![nodes] } else { nodes.into_iter().map(|n| vec![n]).collect() };
        groups
            .into_iter()
            .map(|nodes| (Duration::ZERO, self.bounce(nodes, false, Harm::Wipe)))
            .collect()
    }

    /// By name: the one that is cut off, bounced and healed must be one and the same.
    pub(super) fn wiped_cut_off(&mut self) -> Drawn {
        let voter = Target::Node(node(uniform(self.rng, 1, self.size.voters.into()) as u32));
        let rest = if chance(self.rng, 50) { vec![Others] } else { vec![Others, Database, Sink] };
        let before = self.log(self.ranges.cut);
        let bounce = self.bounce(vec![voter], false, Harm::Wipe);
        // Long enough for the new process to try all that it should not do alone.
        let quarantine = self.timing.quarantine;
        let after = one_of(self.rng, &[quarantine / 2, quarantine * 2, quarantine * 4]);
        let after = uniform_duration(self.rng, Between { low: after / 2, high: after });
        let lasts = before + bounce.duration() + after;
        let cut = Fault::Cut { links: both(vec![voter], rest), lasts };
        vec![(Duration::ZERO, cut), (before, bounce)]
    }
}

/// Puts the items into random order.
pub(super) fn shuffle(rng: &mut Xoshiro256PlusPlus, items: &mut [Target]) {
    for last in (1..items.len()).rev() {
        items.swap(last, uniform(rng, 0, last as u64) as usize);
    }
}
