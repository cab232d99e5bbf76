//! The operator: a person who looks at the outbox once a second and passes verdicts about messages
//! that are parked and hold up others of their ordering key.
//!
//! Knows what the recipient saw, and says nothing as long as a send may be on its way. With a clock
//! beyond the bound there is no such time, and the operator vouches for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fencepost::store::Ruling;

use super::database::{SharedBooks, lock};
use super::timer::nanos;
use super::voters::Cluster;
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
pub struct Operator {
    /// The outbox.
    pub books: SharedBooks,
    /// Everything else.
    pub cluster: Arc<Cluster>,
}

impl Operator {
    /// Works until a clock leaves the bound.
    pub async fn work(self) {
        let Cluster { timer, recorder, clocks, places, .. } = &*self.cluster;
        loop {
            timer.sleep(LOOK).await;
            let held_up = lock(&self.books).holding_up();
            if held_up.is_empty() {
                continue;
            }
            let Some(known) = recorder.read(|history| known(history, &held_up)) else { return };
            for (message, Known { touched, effect }) in known {
                if timer.now() < touched.0 + nanos(ON_ITS_WAY) {
                    continue;
                }
                let ruling = match effect {
                    true => Ruling::Delivered,
                    // Some are still wanted.
                    false if message.0.is_multiple_of(2) => Ruling::Resend,
                    false => Ruling::Failed,
                };
                let now = clocks.wall(places.database());
                // Refused if a leader is going to settle it.
                let _ = lock(&self.books).judge(message, ruling, now, recorder);
            }
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
