//! The operator: a person who looks at the outbox once a second and passes verdicts about messages
//! that are parked and hold up others of their ordering key; and about others when a plan says so.
//!
//! Knows what the recipient saw, and says nothing as long as a send may be on its way. With a clock
//! beyond the bound there is no such time, and the operator vouches for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fencepost::store::{MessageState, Ruling};

use super::database::{SharedBooks, lock};
use super::timer::nanos;
use super::voters::Cluster;
use crate::faults::plan::Case;
use crate::history::{History, Kind, MessageNo, SimTime};
use crate::oracles::SinkKind;

/// How often the operator looks.
const LOOK: Duration = Duration::from_secs(1);

/// For how long a send may be on its way.
const ON_ITS_WAY: Duration = SinkKind::WINDOW_MARGIN;

/// What is known of a message.
struct Known {
    /// When it was last claimed or sent.
    touched: SimTime,
    /// The recipient has it.
    effect: bool,
}

/// A person with access to the outbox.
#[derive(Clone)]
pub struct Operator {
    /// The outbox.
    pub books: SharedBooks,
    /// Everything else.
    pub cluster: Arc<Cluster>,
}

/// What a person would say about a message.
struct Opinion {
    message: MessageNo,
    /// The attempt that it is about; none: what is not parked is left to the leader.
    attempt: Option<u64>,
    ruling: Ruling,
}

impl Operator {
    /// Looks again and again, until a clock leaves the bound.
    pub async fn work(self) {
        loop {
            self.cluster.timer.sleep(LOOK).await;
            let held_up = lock(&self.books).holding_up();
            let Some(opinions) = self.opinions(&held_up) else { return };
            self.pass(opinions);
        }
    }

    /// Whether there is anything to pass a verdict about.
    pub fn finds(&self, case: Case) -> bool {
        !self.look(case).is_empty()
    }

    /// Looks, `thinks` about it, and says what was seen: in the meantime a leader may have settled
    /// it, and have brought it into doubt again.
    pub async fn judge(&self, case: Case, thinks: Duration) {
        let opinions = self.look(case);
        self.cluster.timer.sleep(thinks).await;
        self.pass(opinions);
    }

    /// What would be said at this moment.
    fn look(&self, case: Case) -> Vec<Opinion> {
        match case {
            Case::Doubts => self.doubts(),
            Case::DeadLetters => self.dead_letters(),
        }
    }

    /// About what is in doubt, parked or not.
    fn doubts(&self) -> Vec<Opinion> {
        let doubts = lock(&self.books).standing(MessageState::InDoubt);
        let mut opinions = self.opinions(&doubts).unwrap_or_default();
        for opinion in &mut opinions {
            let attempts = lock(&self.books).attempts(opinion.message);
            opinion.attempt = attempts.expect("SQLite in memory can be read");
        }
        opinions
    }

    /// Dead letters are tried anew.
    fn dead_letters(&self) -> Vec<Opinion> {
        let dead = lock(&self.books).standing(MessageState::Failed);
        let requeue = |message| Opinion { message, attempt: None, ruling: Ruling::Requeue };
        dead.into_iter().map(requeue).collect()
    }

    /// What can be said of these; nothing if a clock left the bound.
    fn opinions(&self, messages: &[MessageNo]) -> Option<Vec<Opinion>> {
        let Cluster { timer, recorder, .. } = &*self.cluster;
        if messages.is_empty() {
            return Some(Vec::new());
        }
        let known = recorder.read(|history| known(history, messages))?;
        let settled = known.into_iter().filter_map(|(message, Known { touched, effect })| {
            if timer.now() < touched.0 + nanos(ON_ITS_WAY) {
                return None;
            }
            let ruling = match effect {
                true => Ruling::Delivered,
                // Some are still wanted.
                false if message.0.is_multiple_of(2) => Ruling::Resend,
                false => Ruling::Failed,
            };
            Some(Opinion { message, attempt: None, ruling })
        });
        Some(settled.collect())
    }

    fn pass(&self, opinions: impl IntoIterator<Item = Opinion>) {
        let Cluster { recorder, clocks, places, .. } = &*self.cluster;
        let now = clocks.wall(places.database());
        for Opinion { message, attempt, ruling } in opinions {
            // Refused if a leader was faster, or is going to settle it.
            let _ = lock(&self.books).judge(message, attempt, ruling, now, recorder);
        }
    }
}

/// What is known of these messages; nothing if a clock left the bound.
fn known(history: &History, messages: &[MessageNo]) -> Option<BTreeMap<MessageNo, Known>> {
    let nothing = |message: &MessageNo| (*message, Known { touched: SimTime(0), effect: false });
    let mut known: BTreeMap<MessageNo, Known> = messages.iter().map(nothing).collect();
    for (_, event) in history.besides_messages() {
        match event.kind {
            Kind::ClockRate { within_bound: false, .. } => return None,
            Kind::Claimed { message, .. } | Kind::SendStarted { message, .. } => {
                if let Some(known) = known.get_mut(&message) {
                    known.touched = event.at;
                }
            }
            Kind::Effect { message, .. } => {
                if let Some(known) = known.get_mut(&message) {
                    known.effect = true;
                }
            }
            _ => {}
        }
    }
    Some(known)
}
