//! A value that can be read at once and waited for.
//!
//! Like tokio's `watch`, which this does not use: that one picks the order in which it wakes its
//! waiters with a random number of the process, and a simulation would not replay.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

/// A shared value with change notification. Writers never wait; readers see whole values.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Watched<T> {
    /// A cell that holds `value`.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.lock().clone()
    }

    /// Replaces the value and wakes all who wait.
    pub fn set(&self, value: T) {
        *self.lock() = value;
        self.changed.notify_waiters();
    }

    /// Changes the value in place and wakes all who wait.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Replaces the value and wakes nobody: for changes that no waiter waits for.
    pub fn set_quietly(&self, value: T) {
        *self.lock() = value;
    }

    /// Changes the value in place and wakes nobody: as [`set_quietly`](Self::set_quietly).
    pub(crate) fn update_quietly<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock())
    }

    /// Looks at the value in place.
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Completes once `pick` finds what it wants in the value; at once if it does already. Values
    /// that come and go between two polls may be missed.
    pub async fn wait_for<R>(&self, mut pick: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change in between is missed.
            changed.as_mut().enable();
            if let Some(found) = pick(&self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        // A panic while the lock was held leaves a whole value: every write is one assignment.
        self.value.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(all(test, not(madsim)))]
mod tests;
