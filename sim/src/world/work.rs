//! A work of the nodes: the product's own distribution, with acts that the history sees.

use std::sync::Arc;
use std::time::Duration;

use fencepost::Clock;
use fencepost::store::WorkName;
use fencepost::work::{Work, WorkGuard};

use super::clocks::SimClock;
use super::recorder::Recorder;
use crate::history::{Kind, WorkEvent};

/// The time between two acts on one unit.
const PACE: Duration = Duration::from_millis(100);

/// The work of that name, with so many units.
pub fn named(name: &str, units: u32) -> Work {
    Work { name: WorkName::new(name).expect("a short word"), units }
}

/// Acts for as long as the guard lasts, and looks at it before each act.
pub async fn act(guard: WorkGuard<SimClock>, clock: SimClock, recorder: Arc<Recorder>) {
    while guard.check().is_ok() {
        let (share, reading) = (guard.share().clone(), clock.now());
        recorder.record(Kind::Work(WorkEvent::Acted { share, reading }));
        tokio::select! {
            biased;
            () = guard.cancelled() => {}
            () = clock.sleep(PACE) => {}
        }
    }
}
