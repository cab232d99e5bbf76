//! Bugs that are planted in simulation builds, where they take more than a condition. In real builds
//! nobody calls them.

use super::dispatcher::{Dispatcher, Session};
use super::permission::Ended;
use super::sink::{SendError, Sink, Stamp};
use crate::store::{MessageId, Outgoing, Settlement, Store};
use crate::time::Clock;

impl<S: Store, K: Sink, C: Clock> Dispatcher<S, K, C> {
    /// The story that this project started from: "am I the leader?", then act.
    pub(super) async fn run_unguarded(self) {
        while !self.stopping() {
            let status = self.status.get();
            if status.believes_to_lead() {
                let stamp = Stamp { token: status.term.into(), round: 0 };
                for message in self.store.pending(FOUNDING_LOOK).await.unwrap_or_default() {
                    if self.sink.send(&message, stamp).await.is_ok() {
                        let delivered = (message.next_attempt(), Settlement::Delivered);
                        let _ = self.store.settle(stamp.token, &[delivered]).await;
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

    /// Every at-least-once outbox: what the recipient has is marked, and what is not marked is sent.
    pub(super) async fn send_then_mark(
        &self,
        session: &mut Session<C>,
        messages: &[Outgoing],
    ) -> Result<(), Ended> {
        for message in messages {
            session.guard.check()?;
            if self.sink.send(message, session.stamp()).await.is_ok() {
                let claimed = self.claim(session, std::slice::from_ref(message)).await?;
                let delivered = claimed.iter().map(|c| c.message.next_attempt());
                let delivered = delivered.map(|attempt| (attempt, Settlement::Delivered)).collect();
                self.settle(session, delivered).await?;
            }
        }
        Ok(())
    }

    /// As a client does that makes a new idempotency key for each request.
    pub(super) async fn send_under_new_key(
        &self,
        session: &Session<C>,
        message: &Outgoing,
    ) -> Result<(), SendError> {
        let Ok(id) = MessageId::new(&format!("{}#{}", message.id, message.attempt)) else {
            return Err(SendError::NotSent("no room for a new key".into()));
        };
        self.sink.send(&Outgoing { id, ..message.clone() }, session.stamp()).await
    }

    /// As a client does that takes up under a new session what an old one left unanswered.
    pub(super) async fn replay(&self, session: &mut Session<C>) -> Result<(), Ended> {
        let unanswered = std::mem::take(&mut session.unanswered);
        if unanswered.is_empty() {
            return Ok(());
        }
        let mut claimed = self.claim(session, &unanswered).await?;
        self.send_claimed(session, &mut claimed).await
    }
}

/// How many messages that design took from one look.
const FOUNDING_LOOK: usize = 32;
