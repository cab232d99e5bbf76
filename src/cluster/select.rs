//! Work that runs whenever this node leads, as under Curator's LeaderSelector.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::coordinator::ElectionCommand;
use super::guard::Leadership;
use super::shared::{Shared, Stopped};
use super::supervise::AbortOnDrop;
use crate::time::Clock;

/// Work that waits for leadership, runs, and waits again; see
/// [`ClusterService::select`](super::ClusterService::select). Dropping it cancels the work, and gives
/// leadership up if the work was running.
#[derive(Debug)]
#[must_use = "the work ends when this is dropped"]
pub struct Selection(AbortOnDrop<Stopped>);

impl Selection {
    pub(super) fn start<C, F, W>(shared: Arc<Shared<C>>, work: F) -> Self
    where
        C: Clock,
        F: FnMut(Leadership<C>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self(AbortOnDrop(tokio::spawn(queue(shared, work))))
    }

    /// Completes when the work will not run again: the service has stopped, or the work panicked.
    pub async fn ended(mut self) -> Stopped {
        (&mut self.0.0).await.unwrap_or(Stopped::Panicked("selected work".into()))
    }
}

async fn queue<C, F, W>(shared: Arc<Shared<C>>, mut work: F) -> Stopped
where
    C: Clock,
    F: FnMut(Leadership<C>) -> W,
    W: Future<Output = ()>,
{
    loop {
        let guard = match shared.latch().await {
            Ok(guard) => guard,
            Err(stopped) => return stopped,
        };
        let token = guard.token();
        let turn = Turn { guard, shared: &shared, over: false };
        let lost = tokio::select! {
            biased;
            () = turn.guard.cancelled() => true,
            () = work(turn.guard.clone()) => false,
        };
        turn.end(lost).await;
        let over = shared.guard.wait_for(|guard| {
            let same = guard.as_ref().is_some_and(|guard| guard.token() == token);
            (!same).then_some(())
        });
        tokio::select! {
            biased;
            stopped = shared.stopping() => return stopped,
            () = over => {}
        }
    }
}

/// Who holds a guard that nobody acts under: the activation, which waits for its end, and the turn.
const IDLE_HOLDERS: usize = 2;

/// One run of the work, which gives leadership up at its end, however it ends.
struct Turn<'a, C: Clock> {
    guard: Leadership<C>,
    shared: &'a Shared<C>,
    /// There is nothing to give up, or no longer.
    over: bool,
}

impl<C: Clock> Turn<'_, C> {
    async fn end(mut self, lost: bool) {
        self.over = lost;
        if !lost && let Ok(room) = self.shared.commands.reserve().await {
            self.give_up(room);
        }
    }

    /// Hands over at once if nobody else can act under the guard. Otherwise the lease is left to run
    /// out: whatever was begun under it must be over before another node may act (L3).
    fn give_up(&mut self, room: mpsc::Permit<'_, ElectionCommand>) {
        self.over = true;
        let (token, term) = (self.guard.token(), self.guard.token().into());
        // From here on nobody is given it any more, so that those who have it can be counted. Said
        // before the cell is unlocked: a stop that finds it empty waits for nobody, and would release
        // the lease before this was heard.
        self.shared.guard.update(|guard| {
            let taken = guard.take_if(|guard| guard.token() == token);
            let idle = IDLE_HOLDERS + usize::from(taken.is_some());
            room.send(match self.guard.holders() <= idle {
                true => ElectionCommand::HandOver { term },
                false => ElectionCommand::Resign { term },
            });
        });
    }
}

impl<C: Clock> Drop for Turn<'_, C> {
    fn drop(&mut self) {
        // Nobody is there to wait for room: if there is none, leadership stays here.
        if !self.over
            && let Ok(room) = self.shared.commands.try_reserve()
        {
            self.give_up(room);
        }
    }
}
