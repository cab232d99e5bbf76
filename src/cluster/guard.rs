//! The leadership guard: the value that a leader's code holds while it may act.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::holder::Holder;
use super::watched::Watched;
use crate::id::{Generation, Incarnation, Token};
use crate::probe::mutant;
use crate::time::{Clock, Instant, SystemClock, WallTime};

/// The least time between two looks at a lease that goes on: so that waiting for its end costs
/// nothing, whatever the deadline says.
const RECHECK: Duration = Duration::from_millis(1);

/// The lease as the election driver publishes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseState {
    /// The token of the last lease this node held; zero before the first.
    pub token: Token,
    /// Exclusive end of that lease on this node's monotonic clock.
    pub until: Instant,
    /// Cleared when leadership ends before the lease does.
    pub held: bool,
    /// The generation in which the token is a term.
    pub generation: Generation,
    /// The incarnation of this node that was elected.
    pub incarnation: Incarnation,
}

impl LeaseState {
    /// Whether the holder of `token` may act at `now`.
    pub fn permits(&self, token: Token, now: Instant) -> bool {
        if mutant!(LossNotNoticed) {
            return self.token == token;
        }
        let in_time = now < self.until
            || mutant!(DeadlineTrustedToTimer)
            || mutant!(DeadlineUnderflow) && self.until.0.wrapping_sub(now.0) > 0;
        self.held && self.token == token && in_time
    }
}

/// The permission to act ended. What was claimed stays claimed until a later holder settles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("leadership with token {token} has ended")]
pub struct LeadershipLost {
    /// The token that permits nothing any more.
    pub token: Token,
}

/// Leadership: token, deadline and cancellation. No guard, no action.
///
/// The guard keeps itself up to date: renewals move its deadline, and a lost leadership ends it.
///
/// While a clone of it exists, its holder is taken to be acting: a graceful stop hands leadership over
/// only after the last one was dropped. So drop it when the work is done.
#[derive(Debug, Clone)]
pub struct Leadership<C = SystemClock> {
    token: Token,
    fenced: bool,
    lease: Arc<Watched<LeaseState>>,
    clock: C,
    /// Both clocks when the guard was made.
    made: (Instant, WallTime),
    holder: Holder,
    /// Set once a holder was told that leadership has ended: whatever the cell says later is about another.
    ended: Arc<AtomicBool>,
    /// What ends the guard before leadership does.
    stop: Option<Arc<Watched<bool>>>,
}

impl<C: Clock> Leadership<C> {
    pub(super) fn new(
        token: Token,
        fenced: bool,
        lease: Arc<Watched<LeaseState>>,
        clock: C,
    ) -> Self {
        let made = (clock.now(), clock.wall());
        let (holder, ended) = (Holder::first(), Arc::default());
        Self { token, fenced, lease, clock, made, holder, ended, stop: None }
    }

    /// The same guard, but one that ends as soon as the node begins to stop.
    pub(super) fn until(&self, stop: &Arc<Watched<bool>>) -> Self {
        Self { stop: Some(Arc::clone(stop)), ..self.clone() }
    }

    /// Completes when all other clones have been dropped.
    pub(super) async fn alone(&self) {
        self.holder.alone().await;
    }

    /// How many clones of it there are, this one included.
    pub(super) fn holders(&self) -> usize {
        self.holder.count()
    }

    /// The fencing token to show to stores and sinks.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Whether a store's fence backs the token: then no write under an older token commits any more,
    /// and tokens never repeat. Without a store there is only the lease, and after a start of the
    /// whole cluster from nothing tokens rise only as far as any voter remembers.
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// The instant before which acts must start, as far as renewals have moved it.
    pub fn deadline(&self) -> Instant {
        self.lease.with(|lease| if lease.token == self.token { lease.until } else { Instant(0) })
    }

    /// Asks for permission to start an act now, and how long it lasts at least.
    ///
    /// # Errors
    /// Leadership has ended, or the node stops. No later call succeeds: a lease that has run out by
    /// this clock is not renewed any more.
    pub fn check(&self) -> Result<Duration, LeadershipLost> {
        if self.stop.as_ref().is_some_and(|stop| stop.get()) {
            return Err(LeadershipLost { token: self.token });
        }
        // Read under the cell's lock, as whoever renews reads it: the looks of all holders have one order,
        // and one that finds the end is the last that finds anything.
        let left = self.lease.with(|lease| {
            if self.ended.load(Ordering::Relaxed) {
                return None;
            }
            let now = self.now();
            let left = lease.permits(self.token, now).then(|| self.left(now, lease.until));
            if left.is_none() {
                self.ended.store(true, Ordering::Relaxed);
            }
            left.flatten()
        });
        left.ok_or(LeadershipLost { token: self.token })
    }

    fn now(&self) -> Instant {
        if mutant!(LeaseOnWallClock) {
            let (instant, wall) = self.made;
            let passed = self.clock.wall().unix_ms.saturating_sub(wall.unix_ms);
            return instant.plus(passed * 1_000_000);
        }
        self.clock.now()
    }

    /// What is left of a lease that permits to act.
    fn left(&self, now: Instant, until: Instant) -> Option<Duration> {
        if mutant!(DeadlineUnderflow) {
            return Some(Duration::from_nanos(until.0.wrapping_sub(self.clock.now().0)));
        }
        if mutant!(LossNotNoticed) || mutant!(DeadlineTrustedToTimer) {
            return Some(now.until(until).unwrap_or(Duration::from_secs(1)));
        }
        now.until(until)
    }

    /// Completes when leadership has ended, or the node stops. Cancel-safe.
    pub async fn cancelled(&self) {
        let Some(stop) = &self.stop else { return self.lost().await };
        tokio::select! {
            biased;
            () = stop.wait_for(|stop| stop.then_some(())) => {}
            () = self.lost() => {}
        }
    }

    async fn lost(&self) {
        loop {
            let Ok(_) = self.check() else { return };
            if mutant!(LossNotNoticed) {
                let next = |lease: &LeaseState| (lease.token != self.token).then_some(());
                return self.lease.wait_for(next).await;
            }
            let ended = self
                .lease
                .wait_for(|lease| (!lease.held || lease.token != self.token).then_some(()));
            // A renewal moves the deadline quietly; it is looked at again when the old one passes.
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
