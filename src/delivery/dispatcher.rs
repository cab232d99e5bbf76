//! The leader's loop: floor first (the guard proves it), then scan; claim, send, settle.
//!
//! Every act begins with a look at the guard. An answer that never came is an unknown outcome: calls
//! to the store are repeated until it answers, because said twice they happen once; a send is never
//! repeated, its message is in doubt (see `doubt`).

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::sink::{SendError, Sink, Stamp};
use crate::cluster::{ClusterStatus, Leadership, LeadershipLost, Watched};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::store::{Claim, MessageState, Outgoing, Proof, Settled, Settlement, Store, StoreError};
use crate::time::{Clock, Instant};

/// How the dispatcher works.
#[derive(Debug, Clone)]
pub struct DispatcherConfig {
    /// How long to wait before looking again when there was nothing to deliver.
    pub poll: Duration,
    /// How many messages to take from one look.
    pub batch: usize,
    /// How long to wait before a store or sink that did not answer is asked again.
    pub retry: Duration,
}

impl Default for DispatcherConfig {
    fn default() -> Self {
        Self { poll: Duration::from_millis(250), batch: 32, retry: Duration::from_millis(100) }
    }
}

/// Delivers the outbox while this node holds the guard.
pub struct Dispatcher<S, K, C: Clock> {
    pub(super) store: Arc<S>,
    pub(super) sink: Arc<K>,
    clock: C,
    config: DispatcherConfig,
    guard: Arc<Watched<Option<Leadership<C>>>>,
    /// Read by nothing but a planted bug: status is no permission.
    status: Arc<Watched<ClusterStatus>>,
    stop: Arc<Watched<bool>>,
}

/// What the dispatcher remembers under one token.
pub(super) struct Session<C> {
    pub(super) guard: Leadership<C>,
    /// Raised before doubts are settled; see [`Stamp`].
    pub(super) round: u32,
    /// Whether there may be doubts to settle.
    pub(super) doubts: bool,
}

impl<C: Clock> Session<C> {
    pub(super) fn token(&self) -> Token {
        self.guard.token()
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { token: self.token(), round: self.round }
    }

    /// For a store or sink that knows a higher token than ours, whatever our lease says.
    pub(super) fn lost(&self) -> LeadershipLost {
        LeadershipLost { token: self.token() }
    }
}

impl<S: Store, K: Sink, C: Clock> Dispatcher<S, K, C> {
    /// A dispatcher that works whenever there is a guard in `guard`, until `stop` turns true.
    pub fn new(
        store: Arc<S>,
        sink: Arc<K>,
        clock: C,
        config: DispatcherConfig,
        guard: Arc<Watched<Option<Leadership<C>>>>,
        status: Arc<Watched<ClusterStatus>>,
        stop: Arc<Watched<bool>>,
    ) -> Self {
        Self { store, sink, clock, config, guard, status, stop }
    }

    /// Runs until the stop signal; then returns when no message is in flight.
    pub async fn run(self) {
        if mutant!(FoundingDesign) {
            return self.run_founding_design().await;
        }
        let mut session: Option<Session<C>> = None;
        while !self.stopping() {
            let guard = tokio::select! {
                biased;
                () = self.stop_signal() => return,
                guard = self.guard.wait_for(Option::clone) => guard,
            };
            // Rounds go on under the same token: the sink may know the last one.
            let mut current = match session.take() {
                Some(session) if session.token() == guard.token() => session,
                _ => Session { guard, round: 0, doubts: true },
            };
            if let Err(lost) = self.lead(&mut current).await {
                info!(%lost, "dispatcher stands back");
                self.stand_back(&current).await;
            }
            session = Some(current);
        }
    }

    /// Waits until the guard that ended is gone. If it was the store or the sink that ended it and
    /// the lease still lasts, waits a little before they are tried again.
    async fn stand_back(&self, session: &Session<C>) {
        self.rest(session, self.config.poll).await;
        if session.guard.check().is_ok() {
            return;
        }
        let gone = self.guard.wait_for(|guard| {
            let same = guard.as_ref().is_some_and(|guard| guard.token() == session.token());
            (!same).then_some(())
        });
        tokio::select! {
            biased;
            () = self.stop_signal() => {}
            () = gone => {}
        }
    }

    async fn lead(&self, session: &mut Session<C>) -> Result<(), LeadershipLost> {
        self.sweep(session).await?;
        session.doubts = true;
        while !self.stopping() {
            session.guard.check()?;
            if session.doubts {
                session.doubts = self.settle_doubts(session).await?;
            }
            let batch = match self.store.pending(self.config.batch).await {
                Ok(batch) => batch,
                Err(error) => {
                    debug!(%error, "cannot look for messages");
                    Vec::new()
                }
            };
            if batch.is_empty() {
                self.rest(session, self.config.poll).await;
            }
            for message in batch {
                if self.stopping() {
                    break;
                }
                self.deliver(session, &message).await?;
            }
        }
        Ok(())
    }

    /// What earlier holders claimed is in doubt, before anything else is done.
    async fn sweep(&self, session: &Session<C>) -> Result<(), LeadershipLost> {
        loop {
            session.guard.check()?;
            match self.store.sweep(session.token()).await {
                Ok(Some(swept)) => {
                    info!(token = %session.token(), swept, "dispatching");
                    return Ok(());
                }
                Ok(None) => return Err(session.lost()),
                Err(error) => debug!(%error, "cannot sweep yet"),
            }
            self.pause(session).await;
        }
    }

    async fn deliver(
        &self,
        session: &mut Session<C>,
        message: &Outgoing,
    ) -> Result<(), LeadershipLost> {
        // Without a sink to send to there is no point in a claim.
        if !self.sink_is_ready(message).await {
            self.rest(session, self.config.retry).await;
            return Ok(());
        }
        let Some(send_by) = self.claim(session, message).await? else { return Ok(()) };
        loop {
            if !self.sink_is_ready(message).await {
                self.rest(session, self.config.retry).await;
                if self.stopping() {
                    return self.give_back(session, message).await;
                }
                session.guard.check()?;
                continue;
            }
            if let Err(lost) = session.guard.check() {
                reach!("guard_lost_before_send");
                return Err(lost);
            }
            if self.clock.now() >= send_by {
                let reason = "the sink's deduplication window ended before it could be sent";
                return self.doubt(session, message, reason.into()).await;
            }
            match self.sink.send(message, session.stamp()).await {
                Ok(()) => return self.settle(session, message, Settlement::Delivered).await,
                Err(SendError::Rejected(reason)) => {
                    warn!(id = %message.id, reason, "the recipient refuses the message");
                    return self.settle(session, message, Settlement::Failed { reason }).await;
                }
                Err(SendError::Fenced { highest }) => {
                    reach!("send_refused_by_sink_fence");
                    info!(id = %message.id, stamp = %session.stamp(), %highest, "fenced by the sink");
                    return Err(session.lost());
                }
                Err(SendError::Unknown(reason)) => {
                    reach!("send_outcome_unknown");
                    return self.doubt(session, message, reason).await;
                }
                Err(SendError::NotSent(reason)) => debug!(id = %message.id, reason, "not sent"),
                Err(SendError::NotNow(reason)) => {
                    reach!("send_refused_for_now");
                    debug!(id = %message.id, reason, "refused for now");
                }
            }
            self.rest(session, self.config.retry).await;
            if self.stopping() {
                return self.give_back(session, message).await;
            }
        }
    }

    async fn sink_is_ready(&self, message: &Outgoing) -> bool {
        let ready = self.sink.ready().await;
        if let Err(error) = &ready {
            debug!(id = %message.id, %error, "the sink is not ready");
        }
        ready.is_ok()
    }

    /// Claims the message. `None`: there is nothing to claim any more. Else the instant before which
    /// it must be sent.
    async fn claim(
        &self,
        session: &mut Session<C>,
        message: &Outgoing,
    ) -> Result<Option<Instant>, LeadershipLost> {
        let attempt = message.next_attempt();
        loop {
            session.guard.check()?;
            // Read before the question, so that the answer's "within" is never stretched.
            let asked = self.clock.now();
            match self.store.claim(session.token(), &attempt, self.clock.wall()).await {
                Ok(Claim::Granted { send_within }) => {
                    let never = Instant(u64::MAX);
                    return Ok(Some(send_within.map_or(never, |within| asked + within)));
                }
                Ok(Claim::Fenced { .. }) => return Err(session.lost()),
                Ok(Claim::NotPending { state }) => {
                    debug!(id = %message.id, ?state, "nothing to claim");
                    // A window that ended before the claim makes a doubt.
                    session.doubts |= state == Some(MessageState::InDoubt);
                    return Ok(None);
                }
                // Whether it was claimed or not: asking again under the same token tells, and
                // nothing is sent before it does.
                Err(error) => {
                    match &error {
                        StoreError::Unknown(_) => reach!("claim_outcome_unknown"),
                        StoreError::Unavailable(_) => reach!("claim_failed"),
                    }
                    debug!(id = %message.id, %error, "claim unanswered");
                }
            }
            self.pause(session).await;
        }
    }

    /// Writes down what became of a claimed message, until the store has answered.
    ///
    /// Not an act that needs the guard: the store's fence decides whether it still counts.
    async fn settle(
        &self,
        session: &Session<C>,
        message: &Outgoing,
        settlement: Settlement,
    ) -> Result<(), LeadershipLost> {
        let attempt = message.next_attempt();
        loop {
            match self.store.settle(session.token(), &attempt, settlement.clone()).await {
                Ok(Settled::Now(state)) => {
                    debug!(id = %message.id, state = state.name(), "settled");
                    return Ok(());
                }
                Ok(Settled::Fenced { .. }) => return Err(session.lost()),
                Ok(Settled::Refused { state }) => {
                    warn!(id = %message.id, ?state, "settlement refused: a person may have settled it");
                    return Ok(());
                }
                Err(error) => {
                    match &error {
                        StoreError::Unknown(_) => reach!("settle_outcome_unknown"),
                        StoreError::Unavailable(_) => reach!("settle_failed"),
                    }
                    debug!(id = %message.id, %error, "settlement unanswered");
                }
            }
            session.guard.check()?;
            self.pause(session).await;
        }
    }

    async fn doubt(
        &self,
        session: &mut Session<C>,
        message: &Outgoing,
        reason: String,
    ) -> Result<(), LeadershipLost> {
        info!(id = %message.id, reason, "in doubt");
        session.doubts = true;
        self.settle(session, message, Settlement::InDoubt { reason }).await
    }

    /// The node stops, and the claimed message was certainly never sent, or refused whenever it was:
    /// whoever leads next may send it.
    async fn give_back(
        &self,
        session: &Session<C>,
        message: &Outgoing,
    ) -> Result<(), LeadershipLost> {
        let reason = "the node stopped before the sink took it".into();
        self.settle(session, message, Settlement::InDoubt { reason }).await?;
        self.resolve(session, &message.next_attempt(), Proof::NeverSent).await
    }

    /// Waits before a call that must be answered is repeated; not past the end of the guard.
    pub(super) async fn pause(&self, session: &Session<C>) {
        tokio::select! {
            biased;
            () = session.guard.cancelled() => {}
            () = self.clock.sleep(self.config.retry) => {}
        }
    }

    /// Waits, at most `at_most`, but not past the end of the guard nor past the stop signal.
    async fn rest(&self, session: &Session<C>, at_most: Duration) {
        tokio::select! {
            biased;
            () = self.stop_signal() => {}
            () = session.guard.cancelled() => {}
            () = self.clock.sleep(at_most) => {}
        }
    }

    fn stopping(&self) -> bool {
        self.stop.get()
    }

    async fn stop_signal(&self) {
        self.stop.wait_for(|stop| stop.then_some(())).await;
    }

    /// A planted bug, and the story that this project started from: "am I the leader?", then act.
    async fn run_founding_design(self) {
        while !self.stopping() {
            let status = self.status.get();
            if status.believes_to_lead() {
                let stamp = Stamp { token: status.term.into(), round: 0 };
                for message in self.store.pending(self.config.batch).await.unwrap_or_default() {
                    if self.sink.send(&message, stamp).await.is_ok() {
                        let delivered = Settlement::Delivered;
                        let _ = self
                            .store
                            .settle(stamp.token, &message.next_attempt(), delivered)
                            .await;
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.stop_signal() => {}
                () = self.clock.sleep(self.config.poll) => {}
            }
        }
    }
}
