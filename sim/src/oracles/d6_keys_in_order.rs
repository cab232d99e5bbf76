//! D6: the recipient sees the messages of one ordering key in the order in which they were enqueued.
//!
//! Guards the fourth layer: a message is claimed only when no earlier one of its key is pending,
//! claimed or in doubt, checked in the claim's own transaction. Unconditional. A message that failed
//! has no effect and is in nobody's way; once a person has it tried anew, it comes at any time. One
//! that a person took out of doubt keeps its place. Counted by first effects: a second one is D1's
//! business.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Report;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageNo, MessageState};

/// No message overtakes another of its key.
pub const ORACLE: Oracle = Oracle {
    property: "D6",
    says: "messages of one ordering key take effect in the order in which they were enqueued",
    layer: "claim before send",
    check,
};

fn check(history: &History, _: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    // Key and place among those of the key.
    let mut places: BTreeMap<MessageNo, (u32, u32)> = BTreeMap::new();
    let mut written: BTreeMap<u32, u32> = BTreeMap::new();
    // The last of each key that had an effect.
    let mut last: BTreeMap<u32, (u32, MessageNo)> = BTreeMap::new();
    let mut seen: BTreeSet<MessageNo> = BTreeSet::new();
    for (index, event) in history.besides_messages() {
        match event.kind {
            Kind::Enqueued { message, key: Some(key) } => {
                let place = written.entry(key).or_default();
                *place += 1;
                places.insert(message, (key, *place));
            }
            Kind::Judged { message, from: MessageState::Failed, .. } => {
                places.remove(&message);
            }
            // What is pending again comes after what was sent after it.
            Kind::SetBack { ref messages, .. } => {
                for (message, _) in messages {
                    places.remove(message);
                }
            }
            Kind::Effect { message, .. } => {
                let Some(&(key, place)) = places.get(&message) else { continue };
                if !seen.insert(message) {
                    continue;
                }
                let (latest, overtaker) = last.get(&key).copied().unwrap_or((0, message));
                if place < latest {
                    report.add(index, event, || {
                        format!("the recipient sees {message} of key k{key} after {overtaker}")
                    });
                } else {
                    last.insert(key, (place, message));
                }
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Script;
    use super::*;

    /// Messages 1, 3 and 5 of key 1; 2 and 4 of key 2; 6 of none.
    fn written() -> Script {
        let script = Script::new().of_key(1, 1).of_key(2, 2).of_key(3, 1).of_key(4, 2);
        script.of_key(5, 1).enqueued(6)
    }

    #[test]
    fn each_key_has_its_own_order() {
        let script = written().effect(1, 1, 6).effect(1, 1, 2).effect(1, 1, 4).effect(1, 1, 1);
        // The third never takes effect, and is in nobody's way.
        script.effect(1, 1, 5).check(&ORACLE);
    }

    #[test]
    fn an_overtaken_message_is_caught() {
        let script = written().effect(1, 1, 3).bad().effect(1, 1, 1).effect(1, 1, 5);
        script.effect(1, 1, 2).check(&ORACLE);
        let script = written().effect(1, 1, 5).bad().effect(1, 1, 1);
        script.bad().effect(2, 2, 3).check(&ORACLE);
    }

    /// What was in doubt keeps its place, and a dead letter that is tried anew has none.
    #[test]
    fn a_verdict_may_move_a_dead_letter_and_nothing_else() {
        use MessageState::{Failed, InDoubt, Pending};
        let later = || written().effect(1, 1, 3);
        later().judged(1, Failed, Pending).effect(1, 1, 1).effect(1, 1, 5).check(&ORACLE);
        later().judged(1, InDoubt, Pending).bad().effect(1, 1, 1).check(&ORACLE);
    }

    #[test]
    fn a_repetition_is_not_its_business() {
        written().effect(1, 1, 1).effect(1, 1, 3).effect(2, 2, 1).check(&ORACLE);
    }
}
