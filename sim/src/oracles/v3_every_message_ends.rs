//! V3: once healed, every message ends delivered, failed or in doubt; and in doubt only where
//! nobody could know better.
//!
//! Liveness of the service, and of the recipient's view (DESIGN section 6). A plain sink cannot be
//! asked, so there doubt remains, parked for a person. A deduplicating sink leaves doubt only when
//! its window was over, parked as well; a fenced sink never. What stands behind a parked message of
//! its ordering key waits for the same person. What a deduplicating sink rejects after an attempt that
//! may have had its effect is tried for as long as its window lasts, which can be longer than a run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::report::Report;
use super::{Oracle, Setting, SinkKind, Violation};
use crate::history::{History, Kind, MessageNo, MessageState, ProofKind, SendOutcome, SimTime};

/// No message is forgotten.
pub const ORACLE: Oracle = Oracle {
    property: "V3",
    says: "every message ends delivered, failed or, where nobody can know, in doubt",
    layer: "service",
    check,
};

/// The database counts that window in milliseconds.
const WINDOW_PRECISION: Duration = Duration::from_millis(1);

/// How long a leader may take to park what it finds in doubt. A run can end in the middle of it.
const PARKING_MAX: Duration = Duration::from_secs(2);

/// How long a message may wait that is due, at most.
const REST_MAX: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Fate {
    enqueued: bool,
    key: Option<u32>,
    first_claimed: Option<SimTime>,
    /// It was released to be sent again.
    released: bool,
    /// How the last send ended.
    ended: Option<SendOutcome>,
    /// When it last came in doubt.
    doubted: SimTime,
    /// It was said where it stands at the end.
    told: bool,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    if !setting.delivers {
        return report.done();
    }
    let mut messages: BTreeMap<MessageNo, Fate> = BTreeMap::new();
    let mut end = None;
    let mut last_guard = SimTime(0);
    // Messages end in the order in which they were written.
    let mut waiting_keys = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            // What comes in while the nodes are being shut down is not theirs to deliver.
            Kind::Enqueued { message, key } if end.is_none() => {
                let fate = messages.entry(message).or_default();
                (fate.enqueued, fate.key) = (true, key);
            }
            Kind::Claimed { message, .. } => {
                messages.entry(message).or_default().first_claimed.get_or_insert(event.at);
            }
            Kind::SendEnded { message, outcome, .. } => {
                messages.entry(message).or_default().ended = Some(outcome);
            }
            // A window begins with the first claim that may have led to an effect.
            Kind::Moved { message, proof: Some(ProofKind::NeverSent), .. } => {
                let fate = messages.entry(message).or_default();
                if !fate.released {
                    fate.first_claimed = None;
                }
            }
            Kind::Moved { message, proof: Some(_), to: MessageState::Pending, .. } => {
                messages.entry(message).or_default().released = true;
            }
            Kind::Moved { message, to: MessageState::InDoubt, .. } => {
                messages.entry(message).or_default().doubted = event.at;
            }
            Kind::Judged { message, to: MessageState::Pending, .. } => {
                let fate = messages.entry(message).or_default();
                (fate.first_claimed, fate.released) = (None, false);
            }
            Kind::GuardIssued { .. } => last_guard = event.at,
            Kind::Final { message, state, parked } => {
                let fate = messages.entry(message).or_default();
                fate.told = true;
                let waits = fate.key.is_some_and(|key| waiting_keys.contains(&key))
                    || state == MessageState::Pending
                        && fate.is_tried_until_its_window_ends(setting.sink, event.at);
                if parked || state == MessageState::Pending && waits {
                    waiting_keys.extend(fate.key);
                }
                let flaw = match state {
                    MessageState::Delivered | MessageState::Failed => None,
                    MessageState::Pending if waits => None,
                    MessageState::Pending => Some("still pending"),
                    MessageState::Claimed => Some("still claimed"),
                    MessageState::InDoubt => {
                        fate.doubt_flaw(setting.sink, parked, last_guard, event.at)
                    }
                };
                if let Some(flaw) = flaw {
                    report.add(index, event, || format!("{message} is {flaw} at the end"));
                }
            }
            Kind::End => end = Some((index, event)),
            _ => {}
        }
    }
    if let Some((index, event)) = end {
        for (message, _) in messages.iter().filter(|(_, fate)| fate.enqueued && !fate.told) {
            report.add(index, event, || format!("{message} is lost: it has no state at the end"));
        }
    }
    let mut found = report.done();
    found.sort_by_key(|violation| violation.event);
    found
}

impl Fate {
    /// Whether it was released, and rejected since, and the sink's window is still open.
    fn is_tried_until_its_window_ends(&self, sink: SinkKind, now: SimTime) -> bool {
        let SinkKind::Dedup { window } = sink else { return false };
        let open_for = self.first_claimed.map_or(0, |first| now.since(first));
        let window = window.saturating_sub(SinkKind::WINDOW_MARGIN);
        self.released
            && self.ended == Some(SendOutcome::Rejected)
            && Duration::from_nanos(open_for) < window + REST_MAX
    }

    /// Why the message should not have ended in doubt.
    fn doubt_flaw(
        &self,
        sink: SinkKind,
        parked: bool,
        last_guard: SimTime,
        now: SimTime,
    ) -> Option<&'static str> {
        let since = |then| Duration::from_nanos(now.since(then));
        match sink {
            SinkKind::Fenced => Some("in doubt, and the sink could tell"),
            SinkKind::Plain => (!parked && since(self.doubted.max(last_guard)) >= PARKING_MAX)
                .then_some("in doubt and not parked for a person"),
            SinkKind::Dedup { .. } if !parked => Some("in doubt and neither sent again nor parked"),
            SinkKind::Dedup { window } => {
                let open_for = self.first_claimed.map_or(Duration::ZERO, since);
                (open_for + WINDOW_PRECISION < window.saturating_sub(SinkKind::WINDOW_MARGIN))
                    .then_some("parked though the sink's window was open")
            }
        }
    }
}
