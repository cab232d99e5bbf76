//! The database and the sink: reached by some, restarted, failing, with answers late or lost.

use super::{Draw, K, both};
use crate::faults::pick::uniform;
use crate::faults::plan::{Fault, Links, Service, ServiceTrouble, Target};

use Target::Database;

impl Draw<'_> {
    /// By name: a leader among them loses the database, and whoever follows it may have it.
    pub(super) fn db_partial(&mut self) -> Fault {
        let nodes = self.some_by_name(1);
        let links = match uniform(self.rng, 0, 2) {
            0 => Links { from: nodes, to: vec![Database], both_ways: false },
            1 => Links { from: vec![Database], to: nodes, both_ways: false },
            _ => both(nodes, vec![Database]),
        };
        Fault::Cut { links, lasts: self.log(self.ranges.cut) }
    }

    pub(super) fn restart(&mut self, service: Service) -> Fault {
        Fault::Restart { service, down: self.log(self.ranges.down) }
    }

    pub(super) fn trouble(&mut self, service: Service, kind: K) -> Fault {
        // Often all of them: an outage that answers.
        let tenths = uniform(self.rng, 1, 12).min(10) as u32;
        let (trouble, lasts) = match kind {
            K::CommitLate | K::EffectLate => {
                let by = self.log(self.ranges.by);
                (ServiceTrouble::Late { by }, self.ranges.slow)
            }
            K::CommitLost | K::EffectLost => (ServiceTrouble::Lost, self.ranges.slow),
            _ => (ServiceTrouble::Fails, self.ranges.cut),
        };
        let lasts = self.log(lasts);
        Fault::Service { service, trouble, share_ppm: tenths * 100_000, lasts }
    }
}
