//! D1: a message has at most one effect.
//!
//! Guards the fourth layer, claim before send, and with it everything: this is what the recipient
//! sees. Unconditional: it must hold with broken elections, leases and clocks. Counted at the sink,
//! by message and not by key, so that a repetition under a new key is one effect too many. The
//! One exception: a store that loses what it had acknowledged makes a message pending that was sent, once
//! for each loss; a sink that drops repetitions drops that one, too, in its window. The
//! end-to-end argument: Saltzer, Reed, Clark, "End-to-End Arguments in System Design", 1984.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use fencepost::{NodeId, Token};

use super::lost::Lost;
use super::report::Report;
use super::{Oracle, Setting, SinkKind, Violation};
use crate::history::{History, Kind, SimTime};

/// Nothing reaches its recipient twice.
pub const ORACLE: Oracle = Oracle {
    property: "D1",
    says: "at most one effect a message",
    layer: "claim before send",
    check,
};

/// What the recipient has seen of a message.
struct Seen {
    node: NodeId,
    token: Token,
    at: SimTime,
    again: u32,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut lost = Lost::default();
    let mut report = Report::new(ORACLE.property);
    let mut effects = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        lost.apply(event);
        let Kind::Effect { message, token, node, .. } = event.kind else { continue };
        match effects.entry(message) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { node, token, at: event.at, again: 0 });
            }
            Entry::Occupied(mut first) => {
                let seen = first.get_mut();
                seen.again += 1;
                let in_window = match setting.sink {
                    SinkKind::Dedup { window } => {
                        u128::from(event.at.since(seen.at)) < window.as_nanos()
                    }
                    SinkKind::Fenced | SinkKind::Plain => false,
                };
                if seen.again <= lost.times(message) && !in_window {
                    continue;
                }
                report.add(index, event, || {
                    let Seen { node: other, token: other_token, at, .. } = first.get();
                    format!(
                        "the recipient sees {message} again, from {node} with token {token}; the \
                         first came at {at} from {other} with token {other_token}"
                    )
                });
            }
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use fencepost::Token;

    use super::super::testing::{Script, node};
    use super::*;
    use crate::history::{MessageNo, NoEffect};

    #[test]
    fn one_effect_each_is_fine_and_a_dropped_repetition_is_none() {
        let dropped =
            Kind::NoEffect { message: MessageNo(7), token: Token(2), why: NoEffect::Duplicate };
        Script::new().effect(1, 1, 7).effect(1, 1, 8).push(dropped).check(&ORACLE);
    }

    #[test]
    fn a_second_effect_is_caught_whoever_sent_it() {
        let script = Script::new().effect(1, 1, 7).effect(1, 1, 8).bad().effect(2, 3, 7);
        script.bad().effect(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_lost_end_excuses_one_more_effect_of_that_message_and_no_other() {
        let script = Script::new().sink(SinkKind::Plain).effect(1, 1, 7).effect(1, 1, 8);
        let script = script.set_back(1, 1, &[7]).effect(1, 1, 7);
        script.bad().effect(1, 1, 8).bad().effect(1, 1, 7).check(&ORACLE);
        let script = Script::new().sink(SinkKind::Plain).effect(1, 1, 7).set_back(1, 1, &[7]);
        script.set_back(1, 1, &[7]).effect(1, 1, 7).effect(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn nothing_excuses_a_second_effect_in_the_window() {
        let window = std::time::Duration::from_secs(1);
        let script = Script::new().sink(SinkKind::Dedup { window }).at(0).effect(1, 1, 7);
        let script = script.set_back(1, 1, &[7]).at(999).bad().effect(1, 1, 7);
        script.check(&ORACLE);
        let script = Script::new().sink(SinkKind::Dedup { window }).at(0).effect(1, 1, 7);
        script.set_back(1, 1, &[7]).at(1_000).effect(1, 1, 7).check(&ORACLE);
    }

    #[test]
    fn a_new_key_does_not_hide_the_message() {
        let (token, node) = (Token(1), node(1));
        let again = Kind::Effect { message: MessageNo(7), key: MessageNo(99), token, node };
        Script::new().effect(1, 1, 7).bad().push(again).check(&ORACLE);
    }
}
