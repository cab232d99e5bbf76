//! V6: what can be delivered is delivered soon; also while faults last.
//!
//! A message is *deliverable* while it is pending, due, and the first of its ordering key that has not
//! ended. It may wait for three things: for a leader, as long as V5 says; for its turn, while older
//! messages are claimed and settled; and for what its leader was at when the way became free (a
//! pause for a sink that was away, calls without an answer, a look). Two conditions are judged, and the
//! earlier bound holds:
//!
//! - whoever holds a guard reaches store and sink: `Pace::claim_within` after the last of that began;
//! - somebody could lead, as V5 has it, and every running node reaches the sink:
//!   `Pace::deliver_within`, whoever leads. This is what a leader breaks that lost its store and nothing
//!   else, and stays.
//!
//! What is claimed or in doubt waits for other things: for a window, for a person, for the sink's word.

use std::collections::{BTreeMap, BTreeSet};

use super::gaps::{Held, held};
use super::ground::Ground;
use super::pace::{BACKOFF_MAX, Pace};
use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{Event, History, Kind, MessageNo, MessageState, SimTime};

/// Nothing waits that could go.
pub const ORACLE: Oracle = Oracle {
    property: "V6",
    says: "what can be delivered is claimed within the bound, if somebody could lead",
    layer: "service",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    if !setting.delivers {
        return report.done();
    }
    let held = held(history);
    let mut ground = Ground::new(setting);
    let mut outbox = Outbox::default();
    let mut watch = Watch::default();
    let mut begun = 0;
    for (index, event) in history.besides_messages() {
        if event.at > watch.alarm
            && let Some(found) = watch.due(&outbox, &ground, &setting.pace, event.at)
        {
            report.add(index, event, || found);
            break;
        }
        let moved = outbox.apply(event);
        let ground_moved = ground.apply(event);
        if ground_moved {
            watch.changes.push((event.at, ground.changes()));
        }
        while held.get(begun).is_some_and(|held| held.from <= event.at) {
            begun += 1;
        }
        let holder = held[..begun].iter().rev().find(|held| held.to > event.at).copied();
        if moved || ground_moved || holder != watch.holder {
            watch.holder = holder;
            watch.set(&outbox, &ground, &setting.pace);
        }
        if event.kind == Kind::End {
            break;
        }
    }
    report.done()
}

/// The messages, as the database has them.
#[derive(Debug, Default)]
struct Outbox {
    /// Every message that has not ended, by its key.
    keys: BTreeMap<u32, BTreeSet<MessageNo>>,
    key_of: BTreeMap<MessageNo, u32>,
    pending: BTreeMap<MessageNo, Pending>,
    /// What is pending, and the first of its key, by when it may go.
    ready: BTreeSet<(SimTime, MessageNo)>,
    /// When a message was claimed or settled.
    served: Vec<(SimTime, MessageNo)>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    /// It is due then at the latest.
    due: SimTime,
    /// An attempt came before.
    again: bool,
    /// Since when it is ready, if it is.
    ready: Option<SimTime>,
}

impl Outbox {
    /// Takes note of an event. Tells whether the oldest that is ready may be another.
    fn apply(&mut self, event: &Event) -> bool {
        let now = event.at;
        let later = SimTime(now.0 + nanos(BACKOFF_MAX));
        match event.kind {
            Kind::Enqueued { message, key } => {
                if let Some(key) = key {
                    self.keys.entry(key).or_default().insert(message);
                    self.key_of.insert(message, key);
                }
                self.pends(message, now, now, false);
            }
            Kind::Claimed { message, .. } => {
                self.served.push((now, message));
                self.leaves(message);
            }
            Kind::Moved { message, to, .. } => {
                self.served.push((now, message));
                self.moves(message, to, now, later);
            }
            Kind::Judged { message, to, .. } => self.moves(message, to, now, later),
            // What is pending again holds up the rest of its key again.
            Kind::SetBack { ref messages, .. } => {
                for &(message, stands) in messages {
                    self.moves(message, stands, now, later);
                    if matches!(stands, MessageState::Claimed | MessageState::InDoubt)
                        && let Some(key) = self.key_of.get(&message)
                    {
                        self.keys.entry(*key).or_default().insert(message);
                    }
                }
            }
            // What waits after an attempt is due by the store's clock: again from now, at most.
            Kind::DatabaseWallStep { .. } => {
                let waiting = self.pending.iter().filter(|(_, pending)| pending.again);
                for message in waiting.map(|(message, _)| *message).collect::<Vec<_>>() {
                    self.leaves(message);
                    self.pends(message, now, later, true);
                }
            }
            _ => return false,
        }
        true
    }

    fn moves(&mut self, message: MessageNo, to: MessageState, now: SimTime, later: SimTime) {
        self.leaves(message);
        match to {
            MessageState::Pending => {
                // A dead letter that is tried anew comes before the rest of its key again.
                if let Some(key) = self.key_of.get(&message) {
                    self.keys.entry(*key).or_default().insert(message);
                }
                self.pends(message, now, later, true);
            }
            MessageState::Delivered | MessageState::Failed => {
                let Some(key) = self.key_of.get(&message) else { return };
                let Some(rest) = self.keys.get_mut(key) else { return };
                rest.remove(&message);
                if let Some(next) = rest.first().copied() {
                    self.readies(next, now);
                }
            }
            MessageState::Claimed | MessageState::InDoubt => {}
        }
    }

    fn pends(&mut self, message: MessageNo, now: SimTime, due: SimTime, again: bool) {
        self.pending.insert(message, Pending { due, again, ready: None });
        self.readies(message, now);
    }

    /// It may go, if it is pending and the first of its key.
    fn readies(&mut self, message: MessageNo, now: SimTime) {
        let key = self.key_of.get(&message).and_then(|key| self.keys.get(key));
        if key.is_some_and(|key| key.first() != Some(&message)) {
            return;
        }
        // The one behind it may have thought that it was the first.
        if let Some(second) = key.and_then(|key| key.iter().nth(1)).copied() {
            self.unready(second);
        }
        if let Some(pending) = self.pending.get_mut(&message)
            && pending.ready.is_none()
        {
            let ready = pending.due.max(now);
            pending.ready = Some(ready);
            self.ready.insert((ready, message));
        }
    }

    fn unready(&mut self, message: MessageNo) {
        let pending = self.pending.get_mut(&message);
        if let Some(ready) = pending.and_then(|pending| pending.ready.take()) {
            self.ready.remove(&(ready, message));
        }
    }

    fn leaves(&mut self, message: MessageNo) {
        self.unready(message);
        self.pending.remove(&message);
    }

    /// How many claims and settlements of messages that go before it there were after `since`.
    fn served_before(&self, message: MessageNo, since: SimTime) -> u64 {
        let from = self.served.partition_point(|(at, _)| *at < since);
        self.served[from..].iter().filter(|(_, other)| *other < message).count() as u64
    }
}

/// When the message that waits for the longest time must have gone.
#[derive(Debug, Default)]
struct Watch {
    holder: Option<Held>,
    /// Before that nothing is wrong.
    alarm: SimTime,
    /// When the world changed, and how often it had by then.
    changes: Vec<(SimTime, u32)>,
}

impl Watch {
    fn set(&mut self, outbox: &Outbox, ground: &Ground<'_>, pace: &Pace) {
        let oldest = outbox.ready.first();
        let due = oldest.and_then(|(ready, _)| self.bound(*ready, ground, pace));
        self.alarm = due.map_or(SimTime(u64::MAX), |(due, _)| due);
    }

    /// Until when a message that was ready then may wait, and why no longer, if nothing else goes on.
    fn bound(
        &self,
        ready: SimTime,
        ground: &Ground<'_>,
        pace: &Pace,
    ) -> Option<(SimTime, &'static str)> {
        let plus = |since: SimTime, nanos: u64| SimTime(since.0.saturating_add(nanos));
        let by_holder = self.holder.and_then(|holder| {
            let since = ready.max(holder.from).max(ground.serves(holder.node)?);
            let due = plus(since, pace.claim_within());
            (due < holder.to).then_some((due, "whoever may act reaches store and sink"))
        });
        let by_chance = ground.chance().and_then(|chance| {
            let since = ready.max(chance.since).max(ground.all_serve()?);
            let within = pace.deliver_within(ground.odds(since));
            let changes = ground.changes().saturating_sub(self.changes_by(since));
            let within = within.saturating_add(pace.disturbance() * u64::from(changes));
            Some((plus(since, within), "somebody could lead and deliver"))
        });
        by_holder.into_iter().chain(by_chance).min_by_key(|(due, _)| *due)
    }

    fn changes_by(&self, at: SimTime) -> u32 {
        let after = self.changes.partition_point(|(when, _)| *when <= at);
        after.checked_sub(1).map_or(0, |last| self.changes[last].1)
    }

    /// Whether a message has waited too long at `now`, with all that went before it. Sets the next
    /// alarm if not.
    fn due(
        &mut self,
        outbox: &Outbox,
        ground: &Ground<'_>,
        pace: &Pace,
        now: SimTime,
    ) -> Option<String> {
        let (ready, message) = *outbox.ready.first()?;
        let (due, why) = self.bound(ready, ground, pace)?;
        // A claim and a settlement each take a turn to the store, and one to the sink between them.
        let trips = self.holder.and_then(|holder| ground.trips(holder.node));
        let turn = trips.map_or(nanos(super::pace::ANSWER), |(store, sink)| 2 * store + sink);
        let before = outbox.served_before(message, ready);
        let due = SimTime(due.0.saturating_add(before.saturating_mul(turn)));
        self.alarm = due;
        (now > due).then(|| {
            let waits = now.since(ready) as f64 / 1e9;
            format!(
                "{message} has been deliverable for {waits:.1} s, since {ready}, and is not claimed \
                 though {why}: it had until {due}"
            )
        })
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
