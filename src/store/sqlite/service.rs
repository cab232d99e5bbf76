//! The SQLite store as an async [`Store`](crate::store::Store).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::SqliteOutbox;
use crate::id::{Boot, Generation, Identity, Token};
use crate::store::{
    Activated, Assigned, Assignments, Attempt, BindError, Change, Checked, Claim, Doubt,
    EnqueueError, Enqueued, Fence, NewMessage, Outbox, Outgoing, Permit, Proof, Roll, Settled,
    Settlement, Share, StoreError, WorkName,
};
use crate::time::{Clock, SystemClock, WallTime};

/// A [`SqliteOutbox`] that async code shares. Clones are the same store.
///
/// An operation that has begun runs to its end even if the waiting for it is given up; its outcome
/// is then unknown to the caller.
#[derive(Clone)]
pub struct SqliteStore {
    outbox: Arc<Mutex<SqliteOutbox>>,
    wall: Arc<dyn Fn() -> WallTime + Send + Sync>,
}

impl SqliteStore {
    /// The store in the file at `path`, which is created if it does not exist, with the system's
    /// clock. Blocks for a moment. A cluster's name is written into it when its first node starts.
    ///
    /// # Errors
    /// It cannot be opened, is no database, or was written by a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOutbox::open(path.as_ref()).map(|outbox| Self::new(outbox, || SystemClock.wall()))
    }

    /// A store with `wall` as its clock.
    pub fn new(outbox: SqliteOutbox, wall: impl Fn() -> WallTime + Send + Sync + 'static) -> Self {
        Self { outbox: Arc::new(Mutex::new(outbox)), wall: Arc::new(wall) }
    }

    /// Runs `work` with the outbox and the time of its clock: for all that the
    /// traits have no word for, such as counting.
    pub async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteOutbox, WallTime) -> R + Send + 'static,
    ) -> R {
        let Self { outbox, wall } = self.clone();
        crate::blocking::run(move || {
            // A panic in an earlier operation has rolled that one back.
            let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
            let now = wall();
            work(&mut outbox, now)
        })
        .await
    }
}

impl Fence for SqliteStore {
    async fn bind(&self, cluster: &str) -> Result<(), BindError> {
        let cluster = cluster.to_owned();
        self.with(move |outbox, _| outbox.bind_cluster(&cluster)).await
    }

    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.with(move |outbox, now| outbox.activate(generation, token, holder, now)).await
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        self.with(|outbox, _| outbox.roll()).await
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        let boots = boots.to_vec();
        self.with(move |outbox, _| outbox.call_roll(seen, &boots)).await
    }
}

impl Assignments for SqliteStore {
    async fn assign(
        &self,
        token: Token,
        work: &WorkName,
        units: u32,
        changes: &[Change],
    ) -> Result<Checked<Assigned>, StoreError> {
        let (work, changes) = (work.clone(), changes.to_vec());
        self.with(move |outbox, now| outbox.assign(token, &work, units, &changes, now)).await
    }

    async fn assignments(&self, work: &WorkName) -> Result<Assigned, StoreError> {
        let work = work.clone();
        self.with(move |outbox, _| outbox.assignments(&work)).await
    }
}

impl Outbox for SqliteStore {
    async fn enqueue(&self, messages: &[NewMessage]) -> Result<Vec<Enqueued>, EnqueueError> {
        let messages = messages.to_vec();
        self.with(move |outbox, now| outbox.enqueue(&messages, now)).await
    }

    async fn sweep(&self, token: Token) -> Result<Checked<u64>, StoreError> {
        self.with(move |outbox, now| outbox.sweep(token, now)).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.with(move |outbox, now| outbox.pending(limit, now)).await
    }

    async fn pending_of(&self, share: &Share, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let share = share.clone();
        self.with(move |outbox, now| outbox.pending_of(&share, limit, now)).await
    }

    async fn claim(
        &self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        let (permit, attempts) = (permit.clone(), attempts.to_vec());
        self.with(move |outbox, now| outbox.claim(&permit, &attempts, wall, now)).await
    }

    async fn claimed_under(&self, permit: &Permit) -> Result<Vec<Attempt>, StoreError> {
        let permit = permit.clone();
        self.with(move |outbox, _| outbox.claimed_under(&permit)).await
    }

    async fn settle(
        &self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        let settlements = settlements.to_vec();
        self.with(move |outbox, now| outbox.settle(token, &settlements, now)).await
    }

    async fn doubts(&self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        self.with(move |outbox, _| outbox.doubts(limit)).await
    }

    async fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<Checked<Settled>, StoreError> {
        let attempt = attempt.clone();
        self.with(move |outbox, now| outbox.resolve(token, &attempt, &proof, now)).await
    }
}
