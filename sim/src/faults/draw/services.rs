//! The database and the sink: reached by some, restarted, failing, with answers late or lost.

use std::time::Duration;

use super::{Draw, Drawn, K, both};
use crate::faults::pick::{uniform, uniform_duration};
use crate::faults::plan::{Fault, Links, Service, ServiceTrouble, Target};
use crate::scenario::units::Between;

use Target::{All, Database, Leader};

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

    /// The database is away for so long that whoever is elected gives up, and leases are lost
    /// meanwhile: the leader's, and then everybody's, so that the same node may lead again.
    pub(super) fn store_away(&mut self) -> Drawn {
        let patience = fencepost::cluster::ACTIVATION_PATIENCE;
        let lasts = self.log(Between { low: patience, high: patience * 3 });
        let links = both(vec![All], vec![Database]);
        let lease = self.timing.lease;
        let loses = Between { low: lease, high: lease * 3 / 2 };
        let once = uniform_duration(self.rng, loses);
        let again = uniform_duration(self.rng, loses);
        let elected = once + self.timing.election_timeout + self.timing.jitter;
        let late = Between { low: once, high: elected };
        let at = uniform_duration(self.rng, late);
        vec![
            (Duration::ZERO, Fault::Cut { links, lasts }),
            (Duration::ZERO, Fault::Pause { nodes: vec![Leader], lasts: once }),
            (at, Fault::Pause { nodes: vec![All], lasts: again }),
        ]
    }

    pub(super) fn restart(&mut self, service: Service, loses: Duration) -> Fault {
        Fault::Restart { service, loses, down: self.log(self.ranges.down) }
    }

    pub(super) fn trouble(&mut self, service: Service, kind: K) -> Fault {
        // Often all of them: an outage that answers.
        let tenths = uniform(self.rng, 1, 12).min(10) as u32;
        let (trouble, lasts) = match kind {
            K::CommitLate | K::EffectLate => {
                let by = self.log(self.ranges.by);
                (ServiceTrouble::Late { by }, self.ranges.slow)
            }
            K::SinkRefuses => (ServiceTrouble::Refuses, self.ranges.cut),
            K::CommitLost | K::EffectLost => (ServiceTrouble::Lost, self.ranges.slow),
            _ => (ServiceTrouble::Fails, self.ranges.cut),
        };
        let lasts = self.log(lasts);
        Fault::Service { service, trouble, share_ppm: tenths * 100_000, lasts }
    }
}
