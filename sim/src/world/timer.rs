//! Callbacks at an instant of simulated time.
//!
//! madsim offers sleeping futures, of a millisecond at least, and no callbacks. A future that is
//! reset to the wanted deadline and polled once with a waker of ours does both: its timer fires at
//! the deadline, however near, and wakes the callback, without a task in between. One such future
//! serves all callbacks.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use madsim::time::{Sleep, TimeHandle};

/// Simulated time and callbacks on it. Cheap to clone.
#[derive(Clone)]
pub struct Timer {
    time: TimeHandle,
    // chance: madsim's own reading of simulated time has this type
    origin: std::time::Instant,
    /// What sets the timers of callbacks.
    setter: Arc<Mutex<Sleep>>,
}

impl Timer {
    /// Over the runtime's time.
    pub fn new(time: TimeHandle) -> Self {
        let origin = time.now_instant() - time.elapsed();
        let setter = Arc::new(Mutex::new(time.sleep(Duration::ZERO)));
        Self { time, origin, setter }
    }

    /// True time since the simulation began, in nanoseconds.
    pub fn now(&self) -> u64 {
        nanos(self.time.elapsed())
    }

    /// Waits for `duration` of true time, however short.
    pub async fn sleep(&self, duration: Duration) {
        let deadline = self.origin + Duration::from_nanos(self.now()) + duration;
        let mut sleep = pin!(self.time.sleep(Duration::ZERO));
        sleep.as_mut().reset(deadline);
        sleep.await;
    }

    /// Calls `callback` at `at` (in [`Timer::now`]'s terms), or at once if that has passed.
    ///
    /// The callback runs inside the timer: it must neither ask for the time nor set other timers.
    pub fn at(&self, at: u64, callback: impl FnOnce() + Send + 'static) {
        let waker = Waker::from(Arc::new(Once(Mutex::new(Some(callback)))));
        let has_passed = {
            let mut setter = self.setter.lock().expect("never held across a panic");
            let mut sleep = Pin::new(&mut *setter);
            sleep.as_mut().reset(self.origin + Duration::from_nanos(at));
            sleep.poll(&mut Context::from_waker(&waker)).is_ready()
        };
        if has_passed {
            waker.wake();
        }
    }
}

/// A duration of a run in nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

struct Once<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for Once<F> {
    fn wake(self: Arc<Self>) {
        let callback = self.0.lock().expect("never held across a panic").take();
        if let Some(callback) = callback {
            callback();
        }
    }
}

#[cfg(test)]
mod tests {
    use madsim::runtime::Runtime;

    use super::*;

    #[test]
    fn callbacks_come_in_order_and_below_a_millisecond() {
        Runtime::new().block_on(async {
            let timer = Timer::new(TimeHandle::current());
            let start = timer.now();
            let seen = Arc::new(Mutex::new(Vec::new()));
            for (name, after) in [("late", 900_000), ("early", 100_000), ("now", 0)] {
                let seen = Arc::clone(&seen);
                timer.at(start + after, move || seen.lock().unwrap().push(name));
            }
            assert_eq!(*seen.lock().unwrap(), ["now"]);
            madsim::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(*seen.lock().unwrap(), ["now", "early", "late"]);
        });
    }
}
