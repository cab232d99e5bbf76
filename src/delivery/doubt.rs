//! Doubts: messages that may or may not have been sent, settled by the proof that the sink can give.

use tracing::{debug, info};

use super::dispatcher::{Dispatcher, Session};
use super::permission::Ended;
use super::questions::Went;
use super::sink::{Promise, Sink, SinkError};
use crate::cluster::Refuser;
use crate::probe::reach;
use crate::store::{Attempt, Checked, Doubt, MessageState, Proof, Settled, Store};
use crate::time::{Clock, Instant};

/// How many doubts are settled between two looks for pending messages.
const DOUBTS_AT_ONCE: usize = 64;

impl<S: Store, K: Sink, C: Clock> Dispatcher<S, K, C> {
    /// Settles doubts as far as the sink can prove anything now, and soon. Tells whether some may be
    /// left.
    pub(super) async fn settle_doubts(&self, session: &mut Session<C>) -> Result<bool, Ended> {
        session.guard.check()?;
        let mut doubts = match self.store.doubts(DOUBTS_AT_ONCE).await {
            Ok(doubts) => {
                self.store_trouble.answered(self.clock.now());
                doubts
            }
            Err(error) => {
                self.store_failed("cannot look for doubts", &error);
                return Ok(true);
            }
        };
        if doubts.is_empty() {
            return Ok(false);
        }
        let began = self.clock.now();
        if !session.questions.sort(began, &mut doubts) {
            return Ok(true);
        }
        let mut went = Went::default();
        let left = self.settle_each(session, &doubts, &mut went).await?;
        session.questions.went(went, began, self.clock.now(), self.config.retry);
        Ok(left)
    }

    async fn settle_each(
        &self,
        session: &mut Session<C>,
        doubts: &[Doubt],
        went: &mut Went,
    ) -> Result<bool, Ended> {
        let end = session.questions.end(self.clock.now());
        if self.sink.promise() == Promise::Fenced
            && !session.questions.cover(doubts)
            && !self.fence_sink(session, doubts, end, went).await?
        {
            doubts.iter().for_each(|doubt| session.questions.in_vain(&doubt.attempt));
            return Ok(true);
        }
        let mut left = doubts.len() == DOUBTS_AT_ONCE;
        for doubt in doubts {
            session.guard.check()?;
            if self.stopping() || self.clock.now() >= end {
                return Ok(true);
            }
            match self.prove(session, doubt, end, went).await? {
                Some(proof) => {
                    went.answered = true;
                    self.resolve(session, &doubt.attempt, proof).await?;
                }
                None => {
                    session.questions.in_vain(&doubt.attempt);
                    left = true;
                }
            }
        }
        Ok(left)
    }

    /// Makes sure that every send of an earlier token or round, even one still on its way, will be
    /// refused. Only after that does the sink's word prove anything.
    async fn fence_sink(
        &self,
        session: &mut Session<C>,
        doubts: &[Doubt],
        end: Instant,
        went: &mut Went,
    ) -> Result<bool, Ended> {
        session.questions.fencing();
        session.round = session.round.saturating_add(1);
        let question = self.sink.fence(session.stamp());
        let fenced = self.answer(session, "cannot fence it yet", question, end, went).await?;
        if fenced.is_some() {
            session.questions.fenced(doubts);
        }
        Ok(fenced.is_some())
    }

    /// The answer to a question. `None` if there is none, or if nobody waits for it any more, because it
    /// takes too long or the node stops. Whatever the sink still makes of it then is no harm: at most
    /// it sees a stamp that this leader has gone on to already.
    async fn answer<T>(
        &self,
        session: &Session<C>,
        failure: &str,
        question: impl Future<Output = Result<T, SinkError>>,
        end: Instant,
        went: &mut Went,
    ) -> Result<Option<T>, Ended> {
        let answer = tokio::select! {
            biased;
            answer = question => answer,
            () = self.stop_signal() => return Ok(None),
            () = session.guard.cancelled() => return Err(session.lost()),
            () = self.clock.sleep_until(end) => {
                went.cut = true;
                Err(SinkError::Unavailable("its answer takes too long".into()))
            }
        };
        match answer {
            Ok(answer) => {
                went.answered = true;
                self.sink_trouble.answered(self.clock.now());
                Ok(Some(answer))
            }
            Err(SinkError::Fenced { highest }) => {
                info!(stamp = %session.stamp(), %highest, "the sink is ahead of this leader");
                Err(self.refused(session, highest.token, Refuser::Sink))
            }
            Err(SinkError::Unavailable(error) | SinkError::Denied(error)) => {
                self.sink_failed(failure, &error);
                Ok(None)
            }
        }
    }

    /// The proof that the sink can give about one doubt; `None` if it has to be asked again.
    async fn prove(
        &self,
        session: &Session<C>,
        doubt: &Doubt,
        end: Instant,
        went: &mut Went,
    ) -> Result<Option<Proof>, Ended> {
        match self.sink.promise() {
            Promise::Deduplicates { window } => {
                let after = self.config.backoff.after(doubt.failures);
                Ok(Some(Proof::Deduplicated { window, after }))
            }
            Promise::Plain => {
                self.losses.parked(self.clock.now(), &doubt.attempt.id, &doubt.reason);
                let reason = format!("{}; the sink cannot tell", doubt.reason);
                Ok(Some(Proof::Park { reason }))
            }
            Promise::Fenced => {
                let question = self.sink.has(&doubt.attempt.id, session.stamp());
                let failure = "cannot ask it about a doubt yet";
                let has = self.answer(session, failure, question, end, went).await?;
                Ok(has.map(|has| match has {
                    true => Proof::SinkHasIt,
                    false => self.lacking(session, doubt),
                }))
            }
        }
    }

    /// What comes of a doubt about a message that the sink does not have: it is tried again after a
    /// pause, or once too often is a dead letter. What an earlier leader claimed was perhaps never
    /// sent, which is no reason to give up.
    fn lacking(&self, session: &Session<C>, doubt: &Doubt) -> Proof {
        let Doubt { attempt: Attempt { id, .. }, token, failures, reason } = doubt;
        let attempts = failures + 1;
        let is_last = attempts >= self.config.attempts_max && *token == session.token();
        if is_last && !self.sink_pause.rests() {
            self.losses.given_up(self.clock.now(), id, reason);
            return Proof::GivenUp {
                reason: format!("gave up after {attempts} attempts: {reason}"),
            };
        }
        Proof::SinkLacksIt { after: self.config.backoff.after(*failures) }
    }

    /// Settles a doubt in the store, until the store has answered.
    async fn resolve(
        &self,
        session: &Session<C>,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<(), Ended> {
        loop {
            match self.store.resolve(session.token(), attempt, proof.clone()).await {
                Ok(Checked::Passed(Settled::Now(state))) => {
                    match state {
                        MessageState::Pending => reach!("in_doubt_resent"),
                        MessageState::Delivered => reach!("in_doubt_proved_delivered"),
                        MessageState::Failed => reach!("dead_letter"),
                        _ => reach!("in_doubt_parked"),
                    }
                    debug!(id = %attempt.id, state = state.name(), ?proof, "doubt settled");
                    return Ok(());
                }
                Ok(Checked::Fenced { floor }) => {
                    return Err(self.refused(session, floor, Refuser::Store));
                }
                // An earlier, unanswered call did it; or a person did.
                Ok(Checked::Passed(Settled::Refused { state })) => {
                    debug!(id = %attempt.id, ?state, "no doubt left to settle");
                    return Ok(());
                }
                Err(error) => self.store_failed("cannot settle a doubt yet", &error),
            }
            session.guard.check()?;
            if self.stopping() {
                // It waits for the next leader.
                return Ok(());
            }
            self.pause(session).await;
        }
    }
}
