//! The changes of what a node believes, one after the other.

use std::sync::Arc;

use super::shared::Stopped;
use super::status::ClusterStatus;
use super::watched::Watched;

/// Follows a node's status. Whoever is slow misses what lies between, never the latest.
#[derive(Debug)]
pub struct StatusWatch {
    status: Arc<Watched<ClusterStatus>>,
    end: Arc<Watched<Option<Stopped>>>,
    seen: Option<ClusterStatus>,
}

impl StatusWatch {
    pub(super) fn new(
        status: Arc<Watched<ClusterStatus>>,
        end: Arc<Watched<Option<Stopped>>>,
    ) -> Self {
        Self { status, end, seen: None }
    }

    /// The status as it is, at the first call; then each time another one. `None` once the service
    /// has ended and the last status was told. Cancel-safe.
    pub async fn next(&mut self) -> Option<ClusterStatus> {
        let seen = self.seen.as_ref();
        let change = self.status.wait_for(|status| (Some(status) != seen).then(|| status.clone()));
        let next = tokio::select! {
            biased;
            status = change => Some(status),
            // The last status may have come between the two looks. There is none after the end.
            () = self.end.wait_for(|end| end.is_some().then_some(())) => {
                self.status.with(|status| (Some(status) != seen).then(|| status.clone()))
            }
        };
        self.seen = next.clone().or(self.seen.take());
        next
    }
}

#[cfg(all(test, not(madsim)))]
mod tests;
