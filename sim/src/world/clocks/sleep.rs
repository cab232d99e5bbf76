//! A sleep on a node's own clock, which follows changes of its rate and goes off late when its
//! machine has slept.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use fencepost::Instant;

use super::{Nap, SimClock};

/// The longest step of a real timer, in nanoseconds: it looks at its clock again after each, so that
/// it goes off late by less than this after its machine has slept.
const TIMER_STEP: u64 = 1_000_000_000;

/// How many dead sleepers a node's list may hold before it is swept.
const SLEEPERS_MAX: usize = 64;

/// A sleep on a node's own clock. Sets one timer, however often it is polled.
pub(super) struct SimSleep {
    clock: SimClock,
    target: u64,
    armed: Option<Armed>,
}

impl SimSleep {
    pub(super) fn until(deadline: Instant, clock: SimClock) -> Self {
        Self { clock, target: deadline.0, armed: None }
    }
}

struct Armed {
    sleeper: Arc<Sleeper>,
    epoch: u64,
    /// True time at which it was armed.
    since: u64,
    /// True time at which it was to go off then.
    due: u64,
    /// True time before which it cannot go off, because its machine slept.
    not_before: u64,
}

impl Armed {
    /// When it can go off at last, given when its machine slept last. What was left of the step
    /// under way when the machine fell asleep is left when it wakes up.
    fn not_before(&self, slept: Option<Nap>) -> u64 {
        let Some(Nap { from, until }) = slept else { return self.not_before };
        if self.since >= from || self.due <= from {
            return self.not_before;
        }
        let step = TIMER_STEP - (from - self.since) % TIMER_STEP;
        self.not_before.max(until + step.min(self.due - from))
    }
}

/// A task that waits for a clock.
pub(super) struct Sleeper {
    waker: Mutex<Waker>,
}

impl Sleeper {
    pub(super) fn wake(&self) {
        self.waker.lock().expect("never held across a panic").wake_by_ref();
    }
}

impl Future for SimSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { clock: SimClock { clocks, place }, target, armed } = self.get_mut();
        let now = clocks.timer.now();
        let mut nodes = clocks.lock();
        let clock = &mut nodes[place.0];
        let not_before = armed.as_ref().map_or(0, |armed| armed.not_before(clock.slept));
        if clock.local(now) >= *target && now >= not_before {
            return Poll::Ready(());
        }
        match armed {
            Some(armed) if (armed.epoch, armed.not_before) == (clock.epoch, not_before) => {
                let mut waker = armed.sleeper.waker.lock().expect("never held across a panic");
                if !waker.will_wake(cx.waker()) {
                    waker.clone_from(cx.waker());
                }
            }
            _ => {
                let sleeper = Arc::new(Sleeper { waker: Mutex::new(cx.waker().clone()) });
                if clock.sleepers.len() >= SLEEPERS_MAX {
                    clock.sleepers.retain(|sleeper| sleeper.strong_count() > 0);
                }
                clock.sleepers.push(Arc::downgrade(&sleeper));
                let due = clock.true_time_of(*target).max(not_before);
                let epoch = clock.epoch;
                drop(nodes);
                // The timer must not keep a dropped sleep alive, nor wake its task.
                let weak = Arc::downgrade(&sleeper);
                clocks.timer.at(due, move || {
                    if let Some(sleeper) = weak.upgrade() {
                        sleeper.wake();
                    }
                });
                *armed = Some(Armed { sleeper, epoch, since: now, due, not_before });
            }
        }
        Poll::Pending
    }
}
