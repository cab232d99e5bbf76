//! The SQLite store as an async [`Store`](crate::store::Store).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
    outbox: Arc<Mutex<Opening>>,
    wall: Arc<dyn Fn() -> WallTime + Send + Sync>,
}

/// An outbox that was opened, or how that is done.
enum Opening {
    Open(SqliteOutbox),
    Closed(Box<dyn FnMut() -> Result<SqliteOutbox, StoreError> + Send>),
}

impl Opening {
    fn outbox(&mut self) -> Result<&mut SqliteOutbox, StoreError> {
        if let Self::Closed(open) = self {
            *self = Self::Open(open()?);
        }
        match self {
            Self::Open(outbox) => Ok(outbox),
            Self::Closed(_) => Err(StoreError::Unavailable("it is not open yet".into())),
        }
    }
}

/// How long to wait before a file that could not be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_millis(500);

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
        Self { outbox: Arc::new(Mutex::new(Opening::Open(outbox))), wall: Arc::new(wall) }
    }

    /// A store with the system's clock that `open` opens when it is first asked for something, and again
    /// whenever that fails: for a node that takes part while its store is away.
    pub fn opened_by(
        open: impl FnMut() -> Result<SqliteOutbox, StoreError> + Send + 'static,
    ) -> Self {
        let outbox = Arc::new(Mutex::new(Opening::Closed(Box::new(open))));
        Self { outbox, wall: Arc::new(|| SystemClock.wall()) }
    }

    /// Runs `work` with the outbox and the time of its clock: for all that the
    /// traits have no word for, such as counting. Waits until the file can be opened.
    pub async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteOutbox, WallTime) -> R + Send + 'static,
    ) -> R {
        while self.attempt(|_, _| Ok::<(), StoreError>(())).await.is_err() {
            tokio::time::sleep(OPEN_AGAIN).await;
        }
        let ran = self.attempt(|outbox, now| Ok::<R, StoreError>(work(outbox, now))).await;
        ran.expect("what was opened stays open")
    }

    /// The same, if the file is open or can be opened.
    pub(super) async fn attempt<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteOutbox, WallTime) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let Self { outbox, wall } = self.clone();
        crate::blocking::run(move || {
            // A panic in an earlier operation has rolled that one back.
            let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
            let now = wall();
            work(outbox.outbox()?, now)
        })
        .await
    }
}

impl Fence for SqliteStore {
    async fn bind(&self, cluster: &str) -> Result<(), BindError> {
        let cluster = cluster.to_owned();
        self.attempt(move |outbox, _| outbox.bind_cluster(&cluster)).await
    }

    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.attempt(move |outbox, now| outbox.activate(generation, token, holder, now)).await
    }

    async fn confirm(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.attempt(move |outbox, _| outbox.confirm(generation, token, holder)).await
    }

    async fn advance(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.attempt(move |outbox, now| outbox.advance(generation, token, holder, now)).await
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        self.attempt(|outbox, _| outbox.roll()).await
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        let boots = boots.to_vec();
        self.attempt(move |outbox, _| outbox.call_roll(seen, &boots)).await
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
        self.attempt(move |outbox, now| outbox.assign(token, &work, units, &changes, now)).await
    }

    async fn assignments(&self, work: &WorkName) -> Result<Assigned, StoreError> {
        let work = work.clone();
        self.attempt(move |outbox, _| outbox.assignments(&work)).await
    }
}

impl Outbox for SqliteStore {
    async fn enqueue(&self, messages: &[NewMessage]) -> Result<Vec<Enqueued>, EnqueueError> {
        let messages = messages.to_vec();
        self.attempt(move |outbox, now| outbox.enqueue(&messages, now)).await
    }

    async fn sweep(&self, token: Token) -> Result<Checked<u64>, StoreError> {
        self.attempt(move |outbox, now| outbox.sweep(token, now)).await
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.attempt(move |outbox, now| outbox.pending(limit, now)).await
    }

    async fn pending_of(&self, share: &Share, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let share = share.clone();
        self.attempt(move |outbox, now| outbox.pending_of(&share, limit, now)).await
    }

    async fn claim(
        &self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        let (permit, attempts) = (permit.clone(), attempts.to_vec());
        self.attempt(move |outbox, now| outbox.claim(&permit, &attempts, wall, now)).await
    }

    async fn claimed_under(&self, permit: &Permit) -> Result<Vec<Attempt>, StoreError> {
        let permit = permit.clone();
        self.attempt(move |outbox, _| outbox.claimed_under(&permit)).await
    }

    async fn settle(
        &self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        let settlements = settlements.to_vec();
        self.attempt(move |outbox, now| outbox.settle(token, &settlements, now)).await
    }

    async fn doubts(&self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        self.attempt(move |outbox, _| outbox.doubts(limit)).await
    }

    async fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<Checked<Settled>, StoreError> {
        let attempt = attempt.clone();
        self.attempt(move |outbox, now| outbox.resolve(token, &attempt, &proof, now)).await
    }
}
