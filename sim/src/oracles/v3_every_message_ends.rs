//! V3: once healed, every message ends delivered, failed or in doubt; and in doubt only where
//! nobody could know better.
//!
//! Liveness of the service, and of the recipient's view (DESIGN section 6). A plain sink cannot be
//! asked, so there doubt remains, parked for a person. A deduplicating sink leaves doubt only when
//! its window was over, parked as well; a fenced sink never. Whether a person's work was for nothing is
//! judged when it is made, whoever ended it later. What stands behind a parked message of
//! its ordering key waits for the same person. What a deduplicating sink rejects after an attempt that
//! may have had its effect is tried for as long as its window lasts, which can be longer than a run.
//! What is still being worked off when the run ends, message after message, is no standstill: there was
//! too much of it for the time, which is told by [`unfinished`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::backlog::{Backlog, Unfinished};
use super::lost::Lost;
use super::report::Report;
use super::windows::Windows;
use super::{Oracle, Setting, SinkKind, Violation};
use crate::history::{History, Kind, MessageNo, MessageState, SendOutcome, SimTime};
use fencepost::NodeId;

/// No message is forgotten.
pub const ORACLE: Oracle = Oracle {
    property: "V3",
    says: "every message ends delivered, failed or, where nobody can know, in doubt",
    layer: "service",
    check,
};

/// How long a leader may take to park what it finds in doubt. A run can end in the middle of it.
const PARKING_MAX: Duration = Duration::from_secs(2);

/// How long a message may wait that is due, at most.
const REST_MAX: Duration = Duration::from_secs(2);

/// A message that was refused this short a while ago is still being tried: its wait, and what it may
/// wait once it is due.
const TRIED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Fate {
    enqueued: bool,
    key: Option<u32>,
    /// How the last send ended, by whom, and when.
    ended: Option<(SendOutcome, NodeId, SimTime)>,
    /// When it last came in doubt.
    doubted: SimTime,
    /// It was said where it stands at the end.
    told: bool,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    judge(history, setting).0
}

/// What was being worked off when the run ended, if anything was.
pub fn unfinished(history: &History, setting: &Setting) -> Option<Unfinished> {
    // Almost every run leaves nothing, and need not be read twice.
    let open = |kind: &Kind| match kind {
        Kind::Final { state: MessageState::Delivered | MessageState::Failed, .. } => false,
        Kind::Final { parked, .. } => !parked,
        _ => false,
    };
    let last = history.events().iter().rev();
    let mut last = last.take_while(|event| !matches!(event.kind, Kind::Phase(_)));
    last.any(|event| open(&event.kind)).then(|| judge(history, setting).1).flatten()
}

fn judge(history: &History, setting: &Setting) -> (Vec<Violation>, Option<Unfinished>) {
    let mut report = Report::new(ORACLE.property);
    if !setting.delivers {
        return (report.done(), None);
    }
    let (mut backlog, mut left) = (None, 0);
    let sink = setting.sink;
    let mut messages: BTreeMap<MessageNo, Fate> = BTreeMap::new();
    let mut windows = Windows::default();
    let mut lost = Lost::default();
    let mut end = None;
    let mut last_guard = SimTime(0);
    // When each node's sends were last accepted.
    let mut taken: BTreeMap<NodeId, SimTime> = BTreeMap::new();
    // Messages end in the order in which they were written.
    let mut waiting_keys = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        windows.apply(event);
        lost.apply(event);
        match event.kind {
            // What comes in while the nodes are being shut down is not theirs to deliver.
            Kind::Enqueued { message, key } if end.is_none() => {
                let fate = messages.entry(message).or_default();
                (fate.enqueued, fate.key) = (true, key);
            }
            Kind::SendEnded { node, message, outcome, .. } => {
                messages.entry(message).or_default().ended = Some((outcome, node, event.at));
                if outcome == SendOutcome::Accepted {
                    taken.insert(node, event.at);
                }
            }
            Kind::Moved { message, to: MessageState::InDoubt, .. } => {
                messages.entry(message).or_default().doubted = event.at;
            }
            Kind::Parked { message, .. } => {
                let flaw = match sink {
                    SinkKind::Plain => None,
                    SinkKind::Fenced => Some("the sink could tell"),
                    // Its window began with a claim that is lost.
                    SinkKind::Dedup { .. } if lost.met(message) => None,
                    SinkKind::Dedup { .. } => (!windows.is_over(sink, message, event.at))
                        .then_some("the sink's window was open"),
                };
                if let Some(flaw) = flaw {
                    report.add(index, event, || format!("{message} is parked though {flaw}"));
                }
            }
            Kind::GuardIssued { .. } => last_guard = event.at,
            Kind::Final { message, state, parked } => {
                let fate = messages.entry(message).or_default();
                fate.told = true;
                let refused = match fate.ended {
                    Some((SendOutcome::Rejected, by, at)) => Some((by, at)),
                    _ => None,
                };
                let in_window = || {
                    windows.is_released(message)
                        && !windows.is_past(sink, message, event.at, REST_MAX)
                };
                // Whoever was refused and has seen the sink take nothing else since cannot know whose
                // fault it is, and goes on trying: see D7.
                let alone = |(by, at): (NodeId, SimTime)| {
                    event.at.since(at) <= TRIED_WITHIN.as_nanos() as u64
                        || taken.get(&by).is_none_or(|taken| *taken < at)
                };
                let waits = fate.key.is_some_and(|key| waiting_keys.contains(&key))
                    || state == MessageState::Pending
                        && refused.is_some_and(|refusal| in_window() || alone(refusal));
                if parked || state == MessageState::Pending && waits {
                    waiting_keys.extend(fate.key);
                }
                let flaw = match state {
                    MessageState::Delivered | MessageState::Failed => None,
                    MessageState::Pending if waits => None,
                    MessageState::Pending => Some("still pending"),
                    MessageState::Claimed => Some("still claimed"),
                    MessageState::InDoubt => fate.doubt_flaw(sink, parked, last_guard, event.at),
                };
                let Some(flaw) = flaw else { continue };
                let backlog = backlog.get_or_insert_with(|| Backlog::of(history, event.at));
                let turn_comes = match state {
                    MessageState::Pending => backlog.may_come(message, fate.key),
                    _ => !parked && backlog.is_under_way(message),
                };
                if turn_comes {
                    left += 1;
                } else {
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
    let per_second = backlog.map_or(0.0, |backlog| backlog.per_second());
    (found, (left > 0).then_some(Unfinished { left, per_second }))
}

impl Fate {
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
            SinkKind::Dedup { .. } => {
                (!parked).then_some("in doubt and neither sent again nor parked")
            }
        }
    }
}
