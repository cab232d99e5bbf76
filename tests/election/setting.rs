//! What does not change during a run: how many nodes, their clocks, what they remember.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::Timing;

/// What does not change during a run.
#[derive(Debug, Clone)]
pub struct Setting {
    pub voters: usize,
    pub observers: usize,
    /// Whether there is a store; else it takes all voters to start anew.
    pub store: bool,
    /// Whether nobody remembers anything at the beginning.
    pub empty: bool,
    pub timing: Timing,
    /// How far each node's clock is off, in parts per million.
    pub drifts: Vec<i32>,
    /// By node.
    pub priorities: Vec<u8>,
    pub seed: u64,
}

impl Setting {
    /// Of voters whose clocks are right, that begin with nothing promised.
    pub fn of(voters: usize) -> Self {
        Self {
            voters,
            observers: 0,
            store: true,
            empty: false,
            timing: timing(),
            drifts: vec![0; voters + 8],
            priorities: vec![fencepost::election::MAX_PRIORITY; voters + 8],
            seed: 1,
        }
    }

    pub fn is_within_bound(&self) -> bool {
        let bound = self.timing.max_drift_ppm;
        self.drifts.iter().all(|drift| drift.unsigned_abs() <= bound)
    }
}

/// A small lease and a coarse drift make the interesting boundaries easy to hit.
pub fn timing() -> Timing {
    let ms = Duration::from_millis;
    Timing {
        heartbeat: ms(20),
        lease: ms(100),
        promise: ms(160),
        quarantine: ms(160),
        election_timeout: ms(160),
        jitter: ms(40),
        margin: ms(5),
        max_drift_ppm: 200_000,
    }
}

pub fn node(number: usize) -> NodeId {
    format!("n{}", number + 1).parse().unwrap()
}
