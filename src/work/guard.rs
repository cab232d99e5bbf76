//! The permission to act on one unit of a work.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Holder, Watched};
use crate::id::Token;
use crate::store::{Epoch, Permit, Share, Unit, WorkName};
use crate::time::{Clock, Instant, SystemClock};

/// The least time between two looks at a permission that goes on: so that waiting for its end costs
/// nothing, whatever the deadline says.
const RECHECK: Duration = Duration::from_millis(1);

/// How long a permission lasts. Holders on other threads look at it while the worker moves its end, so
/// whoever looks and whoever moves reads the clock under the cell's lock: once somebody was told that it
/// has ended, it does not go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasts {
    /// Exclusive end on this node's monotonic clock.
    until: Instant,
    /// Set when it ends before that, and when somebody has seen its end.
    ended: bool,
}

impl Lasts {
    pub(super) fn new(until: Instant) -> Self {
        Self { until, ended: false }
    }

    /// What is left of it, by a reading of the clock that was made under the lock.
    fn left(&mut self, now: Instant) -> Option<Duration> {
        let left = if self.ended { None } else { now.until(self.until) };
        self.ended = left.is_none();
        left
    }
}

impl Watched<Lasts> {
    /// Moves the end to `until`, and tells whether there was anything left to prolong.
    pub(super) fn extend(&self, clock: &impl Clock, until: Instant) -> bool {
        self.update_quietly(|lasts| {
            let lasts_still = lasts.left(clock.now()).is_some();
            if lasts_still {
                lasts.until = until;
            }
            lasts_still
        })
    }

    /// Ends it now.
    pub(super) fn end(&self) {
        self.update(|lasts| lasts.ended = true);
    }
}

/// The permission to act on a unit has ended. What was claimed under it is settled or in doubt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unit {unit} of {work} is no longer this node's under assignment {epoch}")]
pub struct WorkLost {
    /// The work.
    pub work: WorkName,
    /// The unit.
    pub unit: Unit,
    /// The assignment that permits nothing any more.
    pub epoch: Epoch,
}

/// The permission to act on one unit: token, epoch, deadline and cancellation. No guard, no action.
///
/// It keeps itself up to date: while the leader goes on granting the unit, its deadline moves. While a
/// clone of it exists, its holder is taken to be acting, and the unit goes to no other node before the
/// permission has run out. So drop it when the work is done.
#[derive(Debug, Clone)]
pub struct WorkGuard<C = SystemClock> {
    pub(super) share: Share,
    pub(super) token: Token,
    pub(super) lasts: Arc<Watched<Lasts>>,
    pub(super) clock: C,
    pub(super) holder: Holder,
}

impl<C: Clock> WorkGuard<C> {
    /// A permission that nobody gave, for tests of what is done under one.
    #[cfg(all(test, madsim))]
    pub(crate) fn for_a_test(share: Share, token: Token, until: Instant, clock: C) -> Self {
        let lasts = Arc::new(Watched::new(Lasts::new(until)));
        Self { share, token, lasts, clock, holder: Holder::first() }
    }

    /// The work.
    pub fn work(&self) -> &WorkName {
        &self.share.work
    }

    /// The unit, below [`units`](Self::units).
    pub fn unit(&self) -> Unit {
        self.share.unit
    }

    /// How many units the work has.
    pub fn units(&self) -> u32 {
        self.share.of
    }

    /// Which assignment of the unit this is.
    pub fn epoch(&self) -> Epoch {
        self.share.epoch
    }

    /// The token of the leader that assigned the unit: to show to sinks, beside the epoch.
    pub fn token(&self) -> Token {
        self.token
    }

    /// All of that in one value.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// What to show to the store, which accepts it only while this is the newest assignment of the
    /// unit, under the floor.
    pub fn permit(&self) -> Permit {
        Permit { token: self.token, share: Some(self.share.clone()) }
    }

    /// The instant before which acts must start, as far as it has been moved.
    pub fn deadline(&self) -> Instant {
        self.lasts.with(|lasts| lasts.until)
    }

    /// Asks for permission to start an act now, and how long it lasts at least.
    ///
    /// # Errors
    /// The permission has ended; no later call succeeds.
    pub fn check(&self) -> Result<Duration, WorkLost> {
        self.lasts.update_quietly(|lasts| lasts.left(self.clock.now())).ok_or_else(|| WorkLost {
            work: self.share.work.clone(),
            unit: self.share.unit,
            epoch: self.share.epoch,
        })
    }

    /// Completes when the permission has ended. Cancel-safe.
    pub async fn cancelled(&self) {
        while self.check().is_ok() {
            let ended = self.lasts.wait_for(|lasts| lasts.ended.then_some(()));
            // The deadline moves quietly; it is looked at again when the old one passes.
            tokio::select! {
                biased;
                () = ended => {}
                () = self.clock.sleep_until(self.deadline().max(self.clock.now() + RECHECK)) => {}
            }
        }
    }
}

#[cfg(all(test, not(madsim)))]
mod tests;
