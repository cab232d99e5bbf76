//! D7: a message that its recipient refuses for good is a dead letter only once the sink has taken another
//! message since it refused this one before, or at its last attempt.
//!
//! Guards the recipient's view: a sink that refuses everything, because a route is wrong or a key has run
//! out, says nothing about any message, and must not empty the outbox into dead letters. Counted by what
//! nodes were answered, whoever was: a node may know less, and then it waits.

use std::collections::BTreeMap;

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageNo, MessageState, SendOutcome};

/// No message is killed by a sick sink.
pub const ORACLE: Oracle = Oracle {
    property: "D7",
    says: "a message refused for good ends only if the sink takes others, or at its last attempt",
    layer: "claim before send",
    check,
};

#[derive(Default)]
struct Refusals {
    /// How many attempts ended in a refusal, of whichever kind, or without an answer.
    count: u32,
    /// The last send was refused, and is counted.
    refused: bool,
    /// How many messages the sink had taken when it first refused this one for good.
    first: Option<u64>,
    /// The last send was refused for good, and was the last of this message's.
    last: Option<u64>,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let mut taken = 0;
    let mut messages: BTreeMap<MessageNo, Refusals> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::SendEnded { message, outcome, .. } => {
                let refusals = messages.entry(message).or_default();
                taken += u64::from(outcome == SendOutcome::Accepted);
                let for_good = outcome == SendOutcome::Rejected;
                refusals.refused = for_good || outcome == SendOutcome::NotNow;
                refusals.count += u32::from(refusals.refused);
                refusals.last = for_good.then_some(taken);
                if for_good {
                    refusals.first.get_or_insert(taken);
                }
            }
            // Out of doubt, or by a person: counted anew or as one more, see D3. What was refused goes
            // back that way, too.
            Kind::Moved { message, from: MessageState::InDoubt, proof: Some(_), .. } => {
                let refusals = messages.entry(message).or_default();
                refusals.count += u32::from(!std::mem::take(&mut refusals.refused));
            }
            Kind::Moved {
                message, from: MessageState::Claimed, to: MessageState::Failed, ..
            } => {
                let Refusals { count, first, last, .. } = messages.entry(message).or_default();
                let (Some(first), Some(last)) = (*first, *last) else { continue };
                if last <= first && *count < setting.attempts {
                    report.add(index, event, || {
                        format!(
                            "{message} is a dead letter after {count} refusals, and the sink has taken \
                             nothing else since the first"
                        )
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}
