//! A batch: claimed in one transaction, sent one after the other, settled in one transaction.
//!
//! Each send comes after its own look at the guard. What is claimed and not sent when something comes
//! in between is given back at once; nothing waits under a claim. What was sent and not settled when
//! the process dies is in doubt, so a batch is the number of messages that can be.

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::dispatcher::{Dispatcher, Session};
use super::pause::{About, Refusal, Turn};
use super::permission::Ended;
use super::sink::{SendError, Sink, SinkError};
use crate::cluster::Refuser;
use crate::probe::{mutant, reach};
use crate::store::{
    Attempt, Checked, Claim, MessageId, MessageState, Outgoing, Settled, Settlement, Store,
    StoreError,
};
use crate::time::{Clock, Instant};

/// How long an outcome waits at most for those of the rest of its batch, besides the send under way.
const SETTLE_WITHIN: Duration = Duration::from_millis(100);

/// How long nothing else is looked at while a sink rests.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A message that this leader has claimed.
pub(super) struct Claimed {
    pub(super) message: Outgoing,
    /// Before when it must be sent, if it was released to a deduplicating sink: then an earlier
    /// attempt may have had its effect.
    pub(super) send_by: Option<Instant>,
}

/// What became of attempts, to be written down together.
type Outcomes = Vec<(Attempt, Settlement)>;

impl<S: Store, K: Sink, C: Clock> Dispatcher<S, K, C> {
    /// Delivers messages that were pending a moment ago, as far as they can be claimed. `false` if the
    /// sink was away and nothing was tried: after that wait, what is pending must be looked up again.
    pub(super) async fn deliver(
        &self,
        session: &mut Session<C>,
        messages: &[Outgoing],
    ) -> Result<bool, Ended> {
        let turn = self.sink_pause.turn(self.clock.now());
        session.probing = turn == Turn::Probe;
        // Without a sink to send to there is no point in a claim.
        if turn == Turn::Wait || !self.sink_is_ready(session).await {
            self.await_sink(session).await;
            return Ok(false);
        }
        let messages = if session.probing { &messages[..messages.len().min(1)] } else { messages };
        if mutant!(SentThenMarked) {
            return self.send_then_mark(session, messages).await.map(|()| true);
        }
        let mut unsent = self.claim(session, messages).await?;
        let sent = self.send_claimed(session, &mut unsent).await;
        if std::mem::take(&mut session.probing) {
            // Nothing was sent: else there would be a word about it.
            self.sink_pause.unprobed(self.clock.now());
        }
        if std::mem::take(&mut session.unreached) {
            self.rest(session, self.sink_pause.not_sent()).await;
        }
        sent.map(|()| true)
    }

    /// Waits until the sink may be tried, but for no longer than it takes until doubts and left claims are
    /// to be looked at.
    async fn await_sink(&self, session: &mut Session<C>) {
        if std::mem::take(&mut session.probing) {
            self.sink_pause.unprobed(self.clock.now());
        }
        let over = async {
            tokio::select! {
                biased;
                () = self.sink_pause.over(&self.clock) => {}
                () = self.clock.sleep(LOOK_AGAIN) => {}
            }
        };
        self.rest_until(session, over).await;
    }

    /// Sends what is claimed, and says what became of each, whatever comes in between.
    pub(super) async fn send_claimed(
        &self,
        session: &mut Session<C>,
        unsent: &mut VecDeque<Claimed>,
    ) -> Result<(), Ended> {
        let mut outcomes = Outcomes::new();
        let ended = self.send_all(session, unsent, &mut outcomes).await;
        if !unsent.is_empty() {
            reach!("batch_cut_short");
        }
        outcomes.extend(unsent.drain(..).map(|claimed| {
            let reason = match ended {
                Ok(()) => "the node stopped, or its sink was away, refused everything or was fenced, before it \
                           was sent",
                Err(_) => "the permission ended before it was sent",
            };
            (claimed.message.next_attempt(), Settlement::GivenBack { reason: reason.into() })
        }));
        // Not an act that needs the guard: the store's fence decides whether it still counts.
        let settled = self.settle(session, outcomes).await;
        ended.and(settled)
    }

    /// Sends one after the other, until the node stops, the sink is away, or the guard ends. What
    /// was not sent is left in `unsent`.
    async fn send_all(
        &self,
        session: &mut Session<C>,
        unsent: &mut VecDeque<Claimed>,
        outcomes: &mut Outcomes,
    ) -> Result<(), Ended> {
        let mut settled = self.clock.now();
        while !unsent.is_empty() {
            let rests = self.sink_pause.rests() && !session.probing;
            if self.stopping() || rests || !self.sink_is_ready(session).await {
                return Ok(());
            }
            if let Err(lost) = session.guard.check() {
                reach!("guard_lost_before_send");
                return Err(lost);
            }
            let Some(claimed) = unsent.pop_front() else { break };
            let message = &claimed.message;
            let attempt = message.next_attempt();
            let overdue = claimed.send_by.is_some_and(|end| self.clock.now() >= end);
            if overdue && !mutant!(WindowIgnored) {
                session.doubts = true;
                let reason = "the sink's deduplication window ended before it could be sent".into();
                outcomes.push((attempt, Settlement::InDoubt { reason }));
                continue;
            }
            let mut sent = self.sink.send(message, session.stamp()).await;
            if mutant!(RetriedUnderNewKey) && matches!(sent, Err(SendError::Unknown(_))) {
                sent = self.send_under_new_key(session, message).await;
            }
            if let Err(SendError::Fenced { highest }) = sent {
                reach!("send_refused_by_sink_fence");
                if session.guard.share().is_some() && highest.token == session.token() {
                    // The leader settles doubts, and fences off whatever was claimed before: what is
                    // claimed from now on comes after that.
                    reach!("worker_learned_round");
                    session.round = highest.round;
                    let reason = format!("the sink has seen stamp {highest}, and refused it");
                    outcomes.push((attempt, Settlement::GivenBack { reason }));
                    return Ok(());
                }
                info!(id = %message.id, stamp = %session.stamp(), %highest, "fenced by the sink");
                let reason = format!("the sink has seen stamp {highest}");
                outcomes.push((attempt, Settlement::InDoubt { reason }));
                return Err(self.refused(session, highest.token, Refuser::Sink));
            }
            session.unreached = matches!(sent, Err(SendError::NotSent(_)));
            let settlement = self.settlement(&claimed, sent);
            session.probing &= session.unreached;
            session.doubts |= settlement.target() == MessageState::InDoubt;
            let waits =
                settlement == Settlement::Delivered && self.clock.now() < settled + SETTLE_WITHIN;
            outcomes.push((attempt, settlement));
            if session.unreached || self.sink_pause.rests() {
                // The others would fare no better; all are given back at once.
                return Ok(());
            }
            if !waits {
                self.settle(session, std::mem::take(outcomes)).await?;
                settled = self.clock.now();
            }
        }
        Ok(())
    }

    /// What is to be said about a message after its send, and what that says of the sink.
    fn settlement(&self, claimed: &Claimed, sent: Result<(), SendError>) -> Settlement {
        let id = &claimed.message.id;
        match sent {
            Ok(()) => {
                self.sink_pause.took(id);
                self.sink_trouble.answered(self.clock.now());
                Settlement::Delivered
            }
            // What an earlier attempt may have brought is not failed; see `retry`.
            Err(SendError::Unsendable(reason)) if claimed.send_by.is_some() => {
                self.sink_pause.unprobed(self.clock.now());
                self.retry(claimed, reason, Duration::ZERO)
            }
            Err(SendError::Unsendable(reason)) => {
                self.sink_pause.unprobed(self.clock.now());
                self.losses.refused(self.clock.now(), id, &reason);
                Settlement::Failed { reason }
            }
            Err(SendError::Rejected(reason)) => {
                self.not_accepted(claimed, Refusal::ForGood, reason)
            }
            // No word of the sink's, and no failure of the message's: it never got that far.
            Err(SendError::NotSent(reason)) => {
                self.sink_failed("a message was not sent", &reason);
                Settlement::GivenBack { reason }
            }
            Err(SendError::NotNow(reason)) => {
                reach!("send_refused_for_now");
                self.not_accepted(claimed, Refusal::ForNow, reason)
            }
            Err(SendError::Denied(reason)) => self.not_accepted(claimed, Refusal::Denied, reason),
            Err(error @ SendError::Fenced { .. }) => {
                Settlement::InDoubt { reason: error.to_string() }
            }
            Err(SendError::Unknown(reason)) => {
                reach!("send_outcome_unknown");
                self.not_taken(id, Refusal::Unknown, &reason);
                debug!(%id, reason, "in doubt");
                Settlement::InDoubt { reason }
            }
        }
    }

    /// A sink did not take the message: whom that is about. A sink that refuses whatever it is sent is
    /// what the log hears of.
    fn not_taken(&self, id: &MessageId, refusal: Refusal, reason: &str) -> (About, Duration) {
        let (now, asked) = (self.clock.now(), self.sink.asks_for());
        let about = self.sink_pause.refused(id, refusal, asked, now);
        if about == About::Sink {
            self.sink_failed(
                "it takes nothing, so it is tried with one message at a time",
                &reason,
            );
        }
        (about, asked.unwrap_or_default().min(self.config.retry_after_max))
    }

    /// A failure without an effect.
    fn not_accepted(&self, claimed: &Claimed, refusal: Refusal, reason: String) -> Settlement {
        let id = &claimed.message.id;
        match self.not_taken(id, refusal, &reason) {
            (About::Sink, _) => {
                reach!("refused_by_a_sick_sink");
                Settlement::GivenBack { reason }
            }
            // Perhaps the word of somebody on the way to a recipient that has it already: see `retry`.
            (_, asked) if claimed.send_by.is_some() => {
                if refusal == Refusal::ForGood {
                    reach!("rejected_in_window");
                }
                self.retry(claimed, reason, asked)
            }
            (About::Message, _) => {
                self.losses.refused(self.clock.now(), id, &reason);
                Settlement::Failed { reason }
            }
            (About::Unclear, asked) => self.retry(claimed, reason, asked),
        }
    }

    /// The message waits, at least for as long as the sink asked for, or is a dead letter.
    fn retry(&self, claimed: &Claimed, reason: String, asked: Duration) -> Settlement {
        let Outgoing { id, failures, .. } = &claimed.message;
        let attempts = failures + 1;
        // While a window runs, an earlier attempt may have had its effect: then only the end of the
        // window, after which the message is parked, ends the retries.
        if attempts >= self.config.attempts_max && claimed.send_by.is_none() {
            reach!("dead_letter");
            self.losses.given_up(self.clock.now(), id, &reason);
            let reason = format!("gave up after {attempts} attempts: {reason}");
            return Settlement::Failed { reason };
        }
        reach!("retry_scheduled");
        let after = self.config.backoff.after(*failures).max(asked);
        debug!(%id, reason, ?after, "refused for now");
        Settlement::Retry { reason, after }
    }

    /// Whether the sink can be sent to; `false` also if it was away a moment ago, or if nobody waits for
    /// it any more.
    async fn sink_is_ready(&self, session: &Session<C>) -> bool {
        if !self.sink_pause.may_try(self.clock.now()) {
            return false;
        }
        // Nothing of a message leaves, so a try may end at any moment.
        let ready = tokio::select! {
            biased;
            ready = self.sink.ready() => ready,
            () = self.stop_signal() => return false,
            () = session.guard.cancelled() => return false,
        };
        match ready {
            Ok(()) => {
                self.sink_pause.ready();
                return true;
            }
            Err(SinkError::Denied(why)) => {
                let pause = self.sink_pause.denied(self.clock.now());
                let what = format!("it does not let this node in, next try in {pause:?}");
                self.sink_failed(&what, &why);
            }
            Err(error) => {
                self.sink_pause.away(self.clock.now());
                self.sink_failed("it is not ready", &error);
            }
        }
        false
    }

    /// Claims the messages, and leaves out those that there is nothing to claim of any more.
    pub(super) async fn claim(
        &self,
        session: &mut Session<C>,
        messages: &[Outgoing],
    ) -> Result<VecDeque<Claimed>, Ended> {
        let attempts: Vec<Attempt> = messages.iter().map(Outgoing::next_attempt).collect();
        let permit = session.guard.permit();
        loop {
            session.guard.check()?;
            // Read before the question, so that the answer's "within" is never stretched.
            let asked = self.clock.now();
            match self.store.claim(&permit, &attempts, self.clock.wall()).await {
                Ok(Checked::Passed(claims)) => {
                    session.unanswered.clear();
                    if claims.contains(&Claim::NotAssigned) {
                        return Err(session.lost());
                    }
                    let claims = messages.iter().zip(claims);
                    return Ok(claims.filter_map(|(m, c)| claimed(session, m, c, asked)).collect());
                }
                Ok(Checked::Fenced { floor }) => {
                    return Err(self.refused(session, floor, Refuser::Store));
                }
                // Whether it was claimed or not: asking again under the same token tells, and
                // nothing is sent before it does.
                Err(error) => {
                    match &error {
                        StoreError::Unknown(_) => reach!("claim_outcome_unknown"),
                        StoreError::Unavailable(_) => reach!("claim_failed"),
                    }
                    if mutant!(AmbiguousWriteReplayed) {
                        session.unanswered = messages.to_vec();
                    }
                    self.store_failed("a claim is unanswered", &error);
                }
            }
            self.pause(session).await;
        }
    }

    /// Writes down what became of claimed messages, until the store has answered. Tries once even
    /// if the guard has ended.
    pub(super) async fn settle(
        &self,
        session: &Session<C>,
        outcomes: Outcomes,
    ) -> Result<(), Ended> {
        if outcomes.is_empty() {
            return Ok(());
        }
        loop {
            match self.store.settle(session.token(), &outcomes).await {
                Ok(Checked::Passed(answers)) => {
                    for ((Attempt { id, .. }, _), answer) in outcomes.iter().zip(answers) {
                        match answer {
                            Settled::Now(state) => debug!(%id, state = state.name(), "settled"),
                            Settled::Refused { state } => {
                                warn!(%id, ?state, "settlement refused: the claim stands no longer");
                            }
                        }
                    }
                    return Ok(());
                }
                Ok(Checked::Fenced { floor }) => {
                    return Err(self.refused(session, floor, Refuser::Store));
                }
                Err(error) => {
                    match &error {
                        StoreError::Unknown(_) => reach!("settle_outcome_unknown"),
                        StoreError::Unavailable(_) => reach!("settle_failed"),
                    }
                    self.store_failed("a settlement is unanswered", &error);
                }
            }
            session.guard.check()?;
            self.pause(session).await;
        }
    }
}

/// The message, if its claim was granted by an answer to a question of that moment.
fn claimed<C: Clock>(
    session: &mut Session<C>,
    message: &Outgoing,
    claim: Claim,
    asked: Instant,
) -> Option<Claimed> {
    match claim {
        Claim::Granted { send_within } => {
            let send_by = send_within.map(|within| asked + within);
            Some(Claimed { message: message.clone(), send_by })
        }
        Claim::NotAssigned => {
            debug!(id = %message.id, "not this worker's to claim");
            None
        }
        Claim::Refused { state } => {
            debug!(id = %message.id, ?state, "nothing to claim");
            // A window that ended before the claim makes a doubt.
            session.doubts |= state == Some(MessageState::InDoubt);
            None
        }
    }
}
