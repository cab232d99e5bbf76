//! The leader's loop: floor first (the guard proves it), then scan; claim, send, settle.
//!
//! Every act begins with a look at the guard. An answer that never came is an unknown outcome: calls
//! to the store are repeated until it answers, because said twice they happen once; a send is never
//! repeated, its message is in doubt (see `doubt`).

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::losses::Losses;
use super::pause::SinkPause;
use super::permission::{Ended, Permission};
use super::questions::Questions;
use super::sink::{Promise, Sink, Stamp};
use crate::cluster::{ClusterStatus, Leadership, Refusal, Refusals, Refuser, Trouble, Watched};
use crate::id::Token;
use crate::probe::{mutant, reach};
use crate::store::{Checked, Outgoing, Settlement, Store, StoreError};
use crate::time::{Clock, Instant};
use crate::work::WorkGuard;

/// How many messages to take from one look, at most, unless a batch is larger: what is looked up and
/// not delivered is looked up again.
const LOOK: usize = 32;

/// How often claims are looked for that have no sender.
const LEFT_LOOK_EVERY: Duration = Duration::from_secs(3);

/// How the dispatcher works.
#[derive(Debug, Clone)]
pub struct DispatcherConfig {
    /// How long to wait before looking again when there was nothing to deliver.
    pub poll: Duration,
    /// How many messages are claimed in one transaction, sent one after the other, and settled in
    /// one transaction; at least 1. So many can be in doubt after a crash. For a sink that can
    /// neither deduplicate nor answer questions it counts as 1, because each doubt is a person's work
    /// then.
    pub batch: usize,
    /// How long to wait before a store or sink that did not answer is asked again. A sink that goes on
    /// failing is asked ever more rarely, at last every few seconds.
    pub retry: Duration,
    /// The longest pause before a sink is tried again that refuses whatever it is sent. Pauses begin with
    /// half a second, and each is twice as long as the last.
    pub pause_max: Duration,
    /// For how long a sink is left alone at most because it asks for that, as by `Retry-After`.
    pub retry_after_max: Duration,
    /// How long a message waits that its sink refused for now, or that is sent again after an unknown
    /// outcome.
    pub backoff: Backoff,
    /// After so many such attempts a message is a dead letter, if it is known that none had an effect.
    pub attempts_max: u64,
}

impl Default for DispatcherConfig {
    /// Tries for about a day before a message is a dead letter.
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            batch: 16,
            retry: Duration::from_millis(100),
            pause_max: Duration::from_secs(60),
            retry_after_max: Duration::from_secs(600),
            backoff: Backoff::default(),
            attempts_max: 300,
        }
    }
}

/// Delivers the outbox while this node holds the guard.
pub struct Dispatcher<S, K, C: Clock> {
    pub(super) store: Arc<S>,
    pub(super) sink: Arc<K>,
    pub(super) clock: C,
    pub(super) config: DispatcherConfig,
    /// What the log hears of a store and a sink that fail.
    pub(super) store_trouble: Trouble,
    pub(super) sink_trouble: Trouble,
    /// The same of a token that is refused again and again.
    refusal_trouble: Trouble,
    /// When a sink that fails is tried again.
    pub(super) sink_pause: SinkPause,
    /// What the log hears of messages that end as dead letters, or parked.
    pub(super) losses: Losses,
    /// Where to tell that the token was refused.
    refusals: Arc<Refusals>,
    guard: Arc<Watched<Option<Leadership<C>>>>,
    /// Read by nothing but a planted bug: status is no permission.
    pub(super) status: Arc<Watched<ClusterStatus>>,
    stop: Arc<Watched<bool>>,
    /// Whether the messages are others' to deliver: then the holder of the guard only sweeps, and
    /// settles doubts. Workers may still act under an earlier token for this long after it ended.
    shared: Option<Duration>,
}

/// What the dispatcher remembers under one token.
pub(super) struct Session<C> {
    pub(super) guard: Permission<C>,
    /// Raised before doubts are settled; see [`Stamp`].
    pub(super) round: u32,
    /// Earlier holders' claims may not be taken before this.
    sweep_at: Instant,
    /// Whether there may be doubts to settle.
    pub(super) doubts: bool,
    /// What was asked about them.
    pub(super) questions: Questions,
    /// Whether a message could not be sent at all: then there is a pause before the next look.
    pub(super) unreached: bool,
    /// Whether a sink that rests is tried with one message.
    pub(super) probing: bool,
    /// Claims without an answer. Read by nothing but a planted bug, under the next token.
    pub(super) unanswered: Vec<Outgoing>,
}

impl<C: Clock> Session<C> {
    fn new(
        guard: Permission<C>,
        sweep_at: Instant,
        doubts: bool,
        unanswered: Vec<Outgoing>,
    ) -> Self {
        let questions = Questions::default();
        let (unreached, probing) = (false, false);
        Self { guard, round: 0, sweep_at, doubts, questions, unreached, probing, unanswered }
    }

    pub(super) fn token(&self) -> Token {
        self.guard.token()
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { token: self.token(), round: self.round }
    }

    /// For whoever knows that the permission is worth nothing any more, whatever our lease says.
    pub(super) fn lost(&self) -> Ended {
        Ended { token: self.token() }
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
        let store_trouble = Trouble::of("delivery", "the store");
        let sink_trouble = Trouble::of("delivery", "the sink");
        let sink_pause = SinkPause::new(&config);
        let refusal_trouble = Trouble::of("delivery", "the token");
        Self {
            store,
            sink,
            clock,
            config,
            store_trouble,
            sink_trouble,
            refusal_trouble,
            sink_pause,
            losses: Losses::default(),
            refusals: Arc::default(),
            guard,
            status,
            stop,
            shared: None,
        }
    }

    /// The same dispatcher, but messages are delivered by workers, each its share. A permission to
    /// deliver one lasts no longer than `promise`, counted from the end of the guard that granted it.
    pub(super) fn shared(self, promise: Duration) -> Self {
        Self { shared: Some(promise), ..self }
    }

    /// The same dispatcher, which tells there what is said against its token.
    pub(crate) fn telling(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }

    /// The store's floor is another than the token, or the sink has seen a higher one.
    pub(super) fn refused(&self, session: &Session<C>, known: Token, by: Refuser) -> Ended {
        let token = session.token();
        self.refusals.tell(Refusal { token, known, by });
        session.lost()
    }

    /// Runs until the stop signal; then returns when no message is in flight.
    pub async fn run(self) {
        if mutant!(FoundingDesign) {
            return self.run_unguarded().await;
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
                earlier => {
                    let unanswered = earlier.map(|session| session.unanswered).unwrap_or_default();
                    let sweep_at = self.clock.now() + self.shared.unwrap_or_default();
                    let guard = Permission::Holder(guard);
                    Session::new(guard, sweep_at, true, unanswered)
                }
            };
            if let Err(lost) = self.lead(&mut current).await {
                if current.guard.check().is_ok() {
                    // Its lease goes on; if nothing can be done about that, this comes again and again.
                    self.refusal_trouble.failed(self.clock.now(), "it stands back", &lost);
                } else {
                    info!(%lost, "dispatcher stands back");
                }
                self.stand_back(&current).await;
            }
            session = Some(current);
        }
    }

    /// Waits until the guard that ended is gone. If it was the store or the sink that ended it and
    /// the lease still lasts, waits a little before they are tried again.
    async fn stand_back(&self, session: &Session<C>) {
        self.rest(session, self.config.poll).await;
        if session.guard.check().is_ok() && !mutant!(StopsLooking) {
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

    async fn lead(&self, session: &mut Session<C>) -> Result<(), Ended> {
        self.await_earlier_workers(session).await;
        if self.stopping() {
            return Ok(());
        }
        self.sweep(session).await?;
        session.doubts = true;
        if mutant!(AmbiguousWriteReplayed) {
            self.replay(session).await?;
        }
        let mut look_at = self.clock.now() + LEFT_LOOK_EVERY;
        while !self.stopping() {
            session.guard.check()?;
            let looks = self.shared.is_none() && !mutant!(OwnOrphanedClaimsForgotten);
            if looks && self.clock.now() >= look_at {
                session.doubts |= self.doubt_what_was_left(session).await?;
                look_at = self.clock.now() + LEFT_LOOK_EVERY;
            }
            if session.doubts {
                session.doubts = self.settle_doubts(session).await?;
            }
            if self.shared.is_some() {
                // Workers make doubts, and do not say so.
                session.doubts = true;
                self.rest(session, self.config.poll).await;
            } else {
                self.deliver_pending(session).await?;
            }
        }
        Ok(())
    }

    /// Delivers a share of the outbox for as long as its guard lasts and the node does not stop.
    pub(super) async fn deliver_share(&self, guard: WorkGuard<C>) {
        let guard = Permission::Worker(guard);
        // A worker sweeps nothing.
        let sweep_at = self.clock.now();
        let mut session = Session::new(guard, sweep_at, false, Vec::new());
        if let Err(ended) = self.deliver_alone(&mut session).await {
            debug!(%ended, "a share is delivered no longer");
        }
    }

    async fn deliver_alone(&self, session: &mut Session<C>) -> Result<(), Ended> {
        let mut look_at = self.clock.now();
        while !self.stopping() {
            session.guard.check()?;
            if self.clock.now() >= look_at {
                self.doubt_what_was_left(session).await?;
                look_at = self.clock.now() + LEFT_LOOK_EVERY;
            }
            self.deliver_pending(session).await?;
        }
        Ok(())
    }

    /// What is claimed under this very permission, and by nobody's doing: between two looks for messages
    /// everything that was claimed here is settled, so these claims have no sender. Of a share, a run
    /// that was cut short under the same assignment may have left them; a claim that was on its way then
    /// is seen only later. And a store that lost what it had acknowledged may have lost how they were
    /// settled. No sweep takes them: their token is the newest. Each is put in doubt by the number of its
    /// attempt, so that a call that arrives late touches nothing that is claimed from now on. Tells
    /// whether there were any.
    async fn doubt_what_was_left(&self, session: &Session<C>) -> Result<bool, Ended> {
        loop {
            session.guard.check()?;
            match self.store.claimed_under(&session.guard.permit()).await {
                Ok(left) if left.is_empty() => return Ok(false),
                Ok(left) => {
                    reach!("left_claim_in_doubt");
                    warn!(token = %session.token(), left = left.len(), "claims without a sender");
                    let reason = "its sender was cut short, or its end was lost; outcome unknown";
                    let doubt = |attempt| (attempt, Settlement::InDoubt { reason: reason.into() });
                    let doubts = left.into_iter().map(doubt).collect();
                    return self.settle(session, doubts).await.map(|()| true);
                }
                Err(error) => self.store_failed("cannot look for claims", &error),
            }
            self.pause(session).await;
        }
    }

    /// Looks for messages once and delivers what it finds; rests if that is nothing.
    async fn deliver_pending(&self, session: &mut Session<C>) -> Result<(), Ended> {
        // Doubts of a plain sink are a person's work: one at a time.
        let plain = self.sink.promise() == Promise::Plain;
        let batch = if plain { 1 } else { self.config.batch.max(1) };
        // Whole batches: a rest of one costs as many transactions.
        let resting = self.sink_pause.rests();
        let past = if resting { self.sink_pause.looks_past() } else { 0 };
        let limit = batch * (LOOK / batch).max(1) + past;
        let found = match session.guard.share() {
            Some(share) => self.store.pending_of(share, limit).await,
            None => self.store.pending(limit).await,
        };
        let found = match found {
            Ok(found) => {
                self.store_trouble.answered(self.clock.now());
                found
            }
            Err(error) => {
                self.store_failed("cannot look for messages", &error);
                if mutant!(StopsLooking) {
                    return Err(session.lost());
                }
                Vec::new()
            }
        };
        self.losses.tell(self.clock.now());
        if found.is_empty() {
            self.rest(session, self.config.poll).await;
        }
        if resting {
            if let Some(next) = self.sink_pause.next(&found) {
                self.deliver(session, std::slice::from_ref(next)).await?;
            }
            return Ok(());
        }
        for messages in found.chunks(batch) {
            if self.stopping() || !self.deliver(session, messages).await? {
                break;
            }
        }
        Ok(())
    }

    /// A guard is over when the next one begins, but a worker that asked an earlier leader in its last
    /// moment may go on for as long as it was told: its claims stand until then.
    async fn await_earlier_workers(&self, session: &Session<C>) {
        if self.shared.is_some() {
            tokio::select! {
                biased;
                () = self.stop_signal() => {}
                () = session.guard.cancelled() => {}
                () = self.clock.sleep_until(session.sweep_at) => {}
            }
        }
    }

    /// What earlier holders claimed is in doubt, before anything else is done.
    async fn sweep(&self, session: &Session<C>) -> Result<(), Ended> {
        loop {
            session.guard.check()?;
            match self.store.sweep(session.token()).await {
                Ok(Checked::Passed(swept)) => {
                    info!(token = %session.token(), swept, "dispatching");
                    return Ok(());
                }
                Ok(Checked::Fenced { floor }) => {
                    return Err(self.refused(session, floor, Refuser::Store));
                }
                Err(error) => self.store_failed("cannot sweep yet", &error),
            }
            self.pause(session).await;
        }
    }

    pub(super) fn store_failed(&self, what: &str, error: &StoreError) {
        self.store_trouble.failed(self.clock.now(), what, error);
    }

    pub(super) fn sink_failed(&self, what: &str, error: &impl Display) {
        self.sink_trouble.failed(self.clock.now(), what, error);
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
    pub(super) async fn rest(&self, session: &Session<C>, at_most: Duration) {
        self.rest_until(session, self.clock.sleep(at_most)).await;
    }

    /// The same, until something happens.
    pub(super) async fn rest_until(&self, session: &Session<C>, event: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.stop_signal() => {}
            () = session.guard.cancelled() => {}
            () = event => {}
        }
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.get()
    }

    pub(super) async fn stop_signal(&self) {
        self.stop.wait_for(|stop| stop.then_some(())).await;
    }
}

#[cfg(all(test, madsim))]
mod tests;
