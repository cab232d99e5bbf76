//! The leader's part: hears the workers, has the store write assignments down, and answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::distributor::{Distributor, Order};
use super::message::{WorkBody, WorkMessage};
use super::service::Work;
use crate::cluster::{Leadership, LeadershipLost, Post, Refusal, Refuser, Trouble};
use crate::id::NodeId;
use crate::probe::reach;
use crate::store::{Assigned, Assignment, Assignments, Change, Checked, StoreError};
use crate::time::{Clock, Instant};

/// How long to wait before a store that did not answer is asked again.
const RETRY: Duration = Duration::from_millis(100);

/// How often the leader looks whether the store still has what it has assigned.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// A look that is under way.
type Looking = Pin<Box<dyn Future<Output = Result<Assigned, StoreError>> + Send>>;

/// A question to the store that is under way.
type Writing = Pin<Box<dyn Future<Output = Result<Checked<Assigned>, StoreError>> + Send>>;

/// Distributes one work whenever this node leads.
pub(super) struct Leading<S, C> {
    pub(super) post: Post<C>,
    pub(super) work: Work,
    pub(super) store: Arc<S>,
    /// What the log hears of a store that fails.
    pub(super) trouble: Trouble,
    /// Questions of workers.
    pub(super) questions: mpsc::Receiver<(NodeId, WorkBody)>,
}

impl<S: Assignments, C: Clock> Leading<S, C> {
    /// Runs until the stop signal. The next leader waits for nothing that this one could still do.
    pub(super) async fn run(mut self) {
        let (stop, guards) = (Arc::clone(&self.post.stop), Arc::clone(&self.post.guard));
        let stopping = stop.wait_for(|stop| stop.then_some(()));
        tokio::pin!(stopping);
        loop {
            let guard = tokio::select! {
                biased;
                () = &mut stopping => return,
                guard = guards.wait_for(Option::clone) => guard,
            };
            let token = guard.token();
            tokio::select! {
                biased;
                () = &mut stopping => return,
                Err(lost) = self.lead(&guard) => {
                    info!(%lost, work = %self.work.name, "distribution stands back");
                }
            }
            drop(guard);
            let gone = |guard: &Option<Leadership<C>>| {
                let same = guard.as_ref().is_some_and(|guard| guard.token() == token);
                (!same).then_some(())
            };
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = guards.wait_for(gone) => {}
            }
        }
    }

    /// Distributes for as long as the guard lasts.
    async fn lead(&mut self, guard: &Leadership<C>) -> Result<Infallible, LeadershipLost> {
        let stored = self.stored(guard).await?;
        let clock = self.post.clock.clone();
        let (lease, promise) = (self.post.terms.lease, self.post.terms.promise);
        // Time for two questions of each worker. What is stored of other units overlaps all of
        // these, so that then every permission has to run out first.
        let settle = if stored.units == self.work.units { lease / 3 * 2 } else { promise };
        let known: &[Assignment] = if stored.units == self.work.units { &stored.list } else { &[] };
        let (token, units) = (guard.token(), self.work.units);
        let mut distributor =
            Distributor::new(token, units, known, nanos(promise), nanos(settle), clock.now());
        info!(work = %self.work.name, %token, assigned = known.len(), "distributing");

        let every = lease / 3;
        let mut tick_at = clock.now() + every;
        let mut writing: Option<(Vec<Change>, Writing)> = None;
        let mut again_at: Option<Instant> = None;
        let mut looking: Option<Looking> = None;
        let mut look_at = clock.now() + LOOK_EVERY;
        let mut orders = Vec::new();
        loop {
            guard.check()?;
            for order in orders.drain(..) {
                match order {
                    Order::Assign(changes) => {
                        // What is read now may be from before it or after it.
                        looking = None;
                        let write = self.write(guard, changes.clone());
                        (writing, again_at) = (Some((changes, write)), None);
                    }
                    Order::Answer { to, body } => self.answer(to, body),
                }
            }
            let asleep = again_at.is_some();
            let wake = again_at.map_or(tick_at, |again| again.min(tick_at));
            tokio::select! {
                biased;
                () = guard.cancelled() => {}
                answer = answered(&mut writing), if writing.is_some() && !asleep => match answer {
                    Ok(Checked::Passed(assigned)) => {
                        writing = None;
                        self.trouble.answered(clock.now());
                        distributor.assigned(clock.now(), &assigned.list, &mut orders);
                    }
                    Ok(Checked::Fenced { .. }) => return Err(LeadershipLost { token }),
                    Err(error) => {
                        self.trouble.failed(clock.now(), "an assignment is unanswered", &error);
                        again_at = Some(clock.now() + RETRY);
                    }
                },
                found = looked(&mut looking), if looking.is_some() => {
                    looking = None;
                    let lost = |found: Assigned| {
                        let mut own = distributor.assignments().filter(|of| of.token == token);
                        own.any(|of| !found.list.contains(&of))
                    };
                    if found.is_ok_and(lost) {
                        reach!("assignments_lost");
                        warn!(
                            work = %self.work.name, %token,
                            "the store has lost assignments that it had acknowledged: a failover or a \
                             backup set it back",
                        );
                        let (known, by) = (token, Refuser::Store);
                        self.post.refusals.tell(Refusal { token, known, by });
                        return Err(LeadershipLost { token });
                    }
                }
                Some((from, body)) = self.questions.recv() => {
                    distributor.asked(clock.now(), from, &body, &mut orders);
                }
                () = clock.sleep_until(wake) => {
                    let now = clock.now();
                    if again_at.is_some_and(|again| now >= again) {
                        // Said twice, it happens once.
                        if let Some((changes, write)) = &mut writing {
                            *write = self.write(guard, changes.clone());
                        }
                        again_at = None;
                    }
                    if now >= look_at && writing.is_none() {
                        look_at = now + LOOK_EVERY;
                        let (store, work) = (Arc::clone(&self.store), self.work.name.clone());
                        looking = Some(Box::pin(async move { store.assignments(&work).await }));
                    }
                    if now >= tick_at {
                        tick_at = now + every;
                        if writing.is_none() {
                            self.trouble.answered(now);
                        }
                        distributor.tick(now, &mut orders);
                    }
                }
            }
        }
    }

    /// What the leaders before have assigned.
    async fn stored(&self, guard: &Leadership<C>) -> Result<Assigned, LeadershipLost> {
        loop {
            guard.check()?;
            match self.store.assignments(&self.work.name).await {
                Ok(stored) => {
                    self.trouble.answered(self.post.clock.now());
                    if ![0, self.work.units].contains(&stored.units) {
                        let (before, now) = (stored.units, self.work.units);
                        warn!(work = %self.work.name, before, now, "another number of units");
                    }
                    return Ok(stored);
                }
                Err(error) => {
                    let now = self.post.clock.now();
                    self.trouble.failed(now, "cannot distribute yet", &error);
                }
            }
            tokio::select! {
                biased;
                () = guard.cancelled() => {}
                () = self.post.clock.sleep(RETRY) => {}
            }
        }
    }

    fn write(&self, guard: &Leadership<C>, changes: Vec<Change>) -> Writing {
        let (store, work, token) = (Arc::clone(&self.store), self.work.clone(), guard.token());
        Box::pin(async move { store.assign(token, &work.name, work.units, &changes).await })
    }

    fn answer(&self, to: NodeId, body: WorkBody) {
        let message = WorkMessage { units: self.work.units, body };
        self.post.mail.send(to, &self.work.name, message.encode());
    }
}

/// The store's answer to what is being written, of which there must be something.
async fn answered(
    writing: &mut Option<(Vec<Change>, Writing)>,
) -> Result<Checked<Assigned>, StoreError> {
    match writing {
        Some((_, write)) => write.await,
        None => std::future::pending().await,
    }
}

/// What a look finds, of which there must be one.
async fn looked(looking: &mut Option<Looking>) -> Result<Assigned, StoreError> {
    match looking {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
