//! Work that runs whenever this node leads, as under Curator's LeaderSelector.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::coordinator::ElectionCommand;
use super::guard::Leadership;
use super::shared::{Shared, Stopped};
use super::supervise::AbortOnDrop;
use crate::id::Term;
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
        (&mut self.0.0).await.unwrap_or(Stopped::Panicked("selected work"))
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
        let mut turn = Turn { term: Some(token.into()), commands: &shared.commands };
        tokio::select! {
            biased;
            () = guard.cancelled() => turn.term = None,
            () = work(guard.clone()) => turn.end().await,
        }
        drop(turn);
        drop(guard);
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

/// One run of the work, which gives leadership up at its end, however it ends.
struct Turn<'a> {
    /// None if leadership was lost already.
    term: Option<Term>,
    commands: &'a mpsc::Sender<ElectionCommand>,
}

impl Turn<'_> {
    async fn end(&mut self) {
        if let Some(term) = self.term {
            let _ = self.commands.send(ElectionCommand::Resign { term }).await;
            self.term = None;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(term) = self.term {
            // Nobody is there to wait for room: if there is none, leadership stays here, unused.
            let _ = self.commands.try_send(ElectionCommand::Resign { term });
        }
    }
}
