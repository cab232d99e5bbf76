//! Links that flap, and shapes in which only some pairs of nodes reach each other.

use std::time::Duration;

use super::Injector;
use crate::faults::plan::{Links, Topology};
use crate::world::place::Place;
use crate::world::timer::nanos;

impl Injector {
    /// Cuts and mends some links in turn. The cut that the end falls into is mended there.
    pub(super) async fn flap(&self, links: &Links, up: Duration, down: Duration, lasts: Duration) {
        let pairs = self.pairs(links);
        let timer = &self.cluster.timer;
        let end = timer.now() + nanos(lasts);
        let mut next = timer.now();
        while next < end {
            self.each(&pairs, |from, to| self.cut(from, to));
            next = end.min(next + nanos(down));
            timer.sleep_until(next).await;
            self.each(&pairs, |from, to| self.mend(from, to));
            next = end.min(next + nanos(up));
            timer.sleep_until(next).await;
        }
    }

    /// The directed links between nodes that the topology does not have.
    pub(super) fn missing(&self, topology: Topology) -> Vec<(Place, Place)> {
        let nodes: Vec<Place> = self.cluster.places.node_places().collect();
        let centre = match topology {
            Topology::Star(centre) => Some(self.place(self.node(centre))),
            Topology::Ring | Topology::Chain => None,
        };
        let linked = |a: Place, b: Place| {
            let apart = a.0.abs_diff(b.0);
            match topology {
                Topology::Ring => apart == 1 || apart == nodes.len() - 1,
                Topology::Chain => apart == 1,
                Topology::Star(_) => centre == Some(a) || centre == Some(b),
            }
        };
        let others = |a: Place| nodes.iter().map(move |b| (a, *b)).filter(|(a, b)| a != b);
        nodes.iter().flat_map(|a| others(*a)).filter(|(a, b)| !linked(*a, *b)).collect()
    }
}
