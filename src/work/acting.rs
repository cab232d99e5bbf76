//! A node's own part: asks the leader, and runs the application's code on the units that it is given.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::guard::{Lasts, WorkGuard};
use super::message::{Granted, WorkBody, WorkMessage};
use super::service::Work;
use super::worker::{Leader, Worker, WorkerEffect};
use crate::cluster::{AbortOnDrop, ClusterStatus, Holder, NodeEvent, Post, STOP_LIMIT, Watched};
use crate::id::{NodeId, Token};
use crate::store::{Share, Unit};
use crate::time::{Clock, Instant};

/// How long a unit rests whose run has returned before its time, before it may be run again.
const RUN_AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// What is being done about one unit.
struct Running {
    share: Share,
    token: Token,
    lasts: Arc<Watched<Lasts>>,
    task: AbortOnDrop<()>,
}

/// A permission ended before it could be prolonged.
struct Lapsed {
    unit: Unit,
}

/// A worker at its place.
pub(super) struct Acting<C, F> {
    pub(super) post: Post<C>,
    pub(super) work: Work,
    /// Answers of leaders.
    pub(super) answers: mpsc::Receiver<(NodeId, WorkBody)>,
    pub(super) run: F,
}

impl<C, F, W> Acting<C, F>
where
    C: Clock,
    F: FnMut(WorkGuard<C>) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    /// Works until the node stops; then returns when nothing is under way any more.
    pub(super) async fn work(mut self) {
        let Post { clock, status, stop, terms, .. } = self.post.clone();
        let lease = u64::try_from(terms.lease.as_nanos()).unwrap_or(u64::MAX);
        let mut worker = Worker::new(terms.boot, lease, clock.now());
        let (done, mut finished) = mpsc::channel(self.work.units.max(1) as usize);
        let mut running: BTreeMap<Unit, Running> = BTreeMap::new();
        let mut effects = Vec::new();
        let mut leaves = false;
        loop {
            let leader = status.with(leader_of);
            worker.tick(clock.now(), leader, &mut effects);
            // One that comes too late has another in its wake.
            while !effects.is_empty() {
                for effect in std::mem::take(&mut effects) {
                    if let Err(Lapsed { unit }) = self.carry_out(effect, &mut running, &done) {
                        worker.lapsed(unit, &mut effects);
                    }
                }
            }
            if leaves && worker.is_idle() {
                return;
            }
            let elsewhere = status.wait_for(|now| (leader_of(now) != leader).then_some(()));
            tokio::select! {
                biased;
                () = stop.wait_for(|stop| stop.then_some(())), if !leaves => {
                    leaves = true;
                    worker.leave(clock.now(), &mut effects);
                }
                Some(unit) = finished.recv() => {
                    if let Some(ended) = running.remove(&unit) {
                        ended.joined().await;
                    }
                    worker.finished(clock.now(), unit, &mut effects);
                }
                Some((from, body)) = self.answers.recv() => {
                    worker.answered(clock.now(), from, &body, &mut effects);
                }
                () = elsewhere => {}
                () = clock.sleep_until(worker.next_wake()) => {}
            }
        }
    }

    fn carry_out(
        &mut self,
        effect: WorkerEffect,
        running: &mut BTreeMap<Unit, Running>,
        done: &mpsc::Sender<Unit>,
    ) -> Result<(), Lapsed> {
        match effect {
            WorkerEffect::Ask { leader, body } => {
                let message = WorkMessage { units: self.work.units, body };
                self.post.mail.send(leader, &self.work.name, message.encode());
            }
            WorkerEffect::Begin { granted, token, until } => {
                running.insert(granted.unit, self.begin(granted, token, until, done.clone()));
            }
            WorkerEffect::Extend { unit, until } => {
                if let Some(Running { share, token, lasts, .. }) = running.get(&unit) {
                    if !lasts.extend(&self.post.clock, until) {
                        return Err(Lapsed { unit });
                    }
                    let (share, token) = (share.clone(), *token);
                    self.tell(NodeEvent::ShareHeld { share, token, until });
                }
            }
            WorkerEffect::End { unit } => {
                if let Some(Running { share, lasts, .. }) = running.get(&unit) {
                    lasts.end();
                    self.tell(NodeEvent::ShareEnded { share: share.clone() });
                }
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        Granted { unit, epoch }: Granted,
        token: Token,
        until: Instant,
        done: mpsc::Sender<Unit>,
    ) -> Running {
        let (work, of) = (self.work.name.clone(), self.work.units);
        let share = Share { work, unit, of, epoch, worker: self.post.terms.boot };
        self.tell(NodeEvent::ShareHeld { share: share.clone(), token, until });
        let lasts = Arc::new(Watched::new(Lasts::new(until)));
        let guard = WorkGuard {
            share: share.clone(),
            token,
            lasts: Arc::clone(&lasts),
            clock: self.post.clock.clone(),
            holder: Holder::first(),
        };
        let done = Done { unit, done };
        let task = AbortOnDrop(tokio::spawn(run_unit(guard.clone(), (self.run)(guard), done)));
        Running { share, token, lasts, task }
    }

    fn tell(&self, event: NodeEvent) {
        self.post.observer.observe(&event);
    }
}

fn leader_of(status: &ClusterStatus) -> Option<Leader> {
    status.leader.map(|node| Leader { node, token: status.term.into() })
}

/// Runs the application's code on one unit, and completes when nothing of it goes on.
async fn run_unit<C: Clock>(guard: WorkGuard<C>, run: impl Future<Output = ()>, _done: Done) {
    let too_long = async {
        guard.cancelled().await;
        guard.clock.sleep(STOP_LIMIT).await;
    };
    let returned = tokio::select! {
        biased;
        () = run => true,
        () = too_long => false,
    };
    if returned {
        tokio::select! {
            biased;
            () = guard.cancelled() => {}
            () = guard.clock.sleep(RUN_AGAIN_PAUSE) => {}
        }
    }
    guard.holder.alone().await;
}

impl Running {
    /// Waits for the end of its task, which is near. A panic in it goes on here.
    async fn joined(mut self) {
        if let Err(error) = (&mut self.task.0).await
            && error.is_panic()
        {
            std::panic::resume_unwind(Box::new("the run of a unit panicked"));
        }
    }
}

/// Says that nothing goes on about a unit, however that came.
struct Done {
    unit: Unit,
    done: mpsc::Sender<Unit>,
}

impl Drop for Done {
    fn drop(&mut self) {
        // There is room for all units, and nobody to tell when the worker has ended.
        let _ = self.done.try_send(self.unit);
    }
}

#[cfg(all(test, madsim))]
mod tests;
