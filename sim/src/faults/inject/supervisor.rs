//! The supervisor of a node: starts it again when it ended with an error, as the machines of a
//! deployment do. Only a disk that fails excuses such an end; see `world::voters`.

use std::time::Duration;

use super::Injector;
use crate::faults::plan::Harm;
use crate::world::place::Place;
use crate::world::timer::nanos;

/// How long it waits before it starts a process that failed for the first time.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// How long it waits at most; each further failure doubles the wait.
const LAST_DELAY: Duration = Duration::from_secs(1);

/// After this long without a failure the next one counts as the first.
const FORGETS_AFTER: Duration = Duration::from_secs(5);

impl Injector {
    /// A supervisor of each node. They run until they are aborted.
    pub fn supervise_all(&self) -> Vec<madsim::task::JoinHandle<()>> {
        let places = self.cluster.places.node_places();
        places.map(|place| madsim::task::spawn(self.clone().supervise(place))).collect()
    }

    async fn supervise(self, place: Place) {
        let timer = &self.cluster.timer;
        let failed = &self.cluster.switches[place.0].failed;
        let node = self.cluster.places.node(place);
        let (mut delay, mut last_start) = (FIRST_DELAY, 0);
        loop {
            failed.wait_for(|failed| failed.then_some(())).await;
            failed.set(false);
            // A bounce may have been faster.
            if self.cluster.recorder.is_down(node) {
                continue;
            }
            self.end(place, false, Harm::None);
            if timer.now() > last_start + nanos(FORGETS_AFTER) {
                delay = FIRST_DELAY;
            }
            timer.sleep(delay).await;
            self.start(place, self.disk.fit(Harm::None), Duration::ZERO);
            delay = LAST_DELAY.min(delay * 2);
            last_start = timer.now();
        }
    }
}
