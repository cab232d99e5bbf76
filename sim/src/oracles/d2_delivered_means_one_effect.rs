//! D2: `delivered` means exactly one effect, `failed` means none, and at the end `pending` means
//! none.
//!
//! Guards the fourth layer: what the outbox says about a message is what its recipient saw. One
//! exception, by the table of DESIGN section 5: a message that was released to a deduplicating sink
//! is pending although its first attempt may have had its effect; the sink will drop the second.

use std::collections::BTreeMap;

use super::lost::Lost;
use super::report::Report;
use super::{Oracle, Setting, SinkKind, Violation};
use crate::history::{History, Kind, MessageNo, MessageState, ProofKind};

/// The outbox tells the truth.
pub const ORACLE: Oracle = Oracle {
    property: "D2",
    says: "delivered means exactly one effect, failed and pending mean none",
    layer: "claim before send",
    check,
};

/// What the recipient saw of a message.
#[derive(Default)]
struct Seen {
    effects: u32,
    /// It was released to a deduplicating sink.
    released: bool,
}

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let mut report = Report::new(ORACLE.property);
    let deduplicates = matches!(setting.sink, SinkKind::Dedup { .. });
    let mut messages: BTreeMap<MessageNo, Seen> = BTreeMap::new();
    let mut lost = Lost::default();
    for (index, event) in history.besides_messages() {
        lost.apply(event);
        match event.kind {
            Kind::Effect { message, .. } => messages.entry(message).or_default().effects += 1,
            Kind::Moved { token, message, to, proof, .. } => {
                let seen = messages.entry(message).or_default();
                seen.released |= deduplicates && proof == Some(ProofKind::Deduplicated);
                let wrong = match to {
                    MessageState::Delivered => seen.effects == 0,
                    // How it was sent before may be lost.
                    MessageState::Failed => seen.effects > 0 && !lost.met(message),
                    _ => false,
                };
                if wrong {
                    report.add(index, event, || {
                        let (state, effects) = (to.name(), seen.effects);
                        format!("{message} became {state} under token {token}, effects: {effects}")
                    });
                }
            }
            Kind::Judged { message, to, .. } => {
                let seen = messages.entry(message).or_default();
                let wrong = match to {
                    MessageState::Delivered => seen.effects == 0,
                    MessageState::Failed | MessageState::Pending => seen.effects > 0,
                    _ => false,
                };
                if wrong {
                    report.add(index, event, || {
                        let (state, effects) = (to.name(), seen.effects);
                        format!("{message} was judged {state} by a person, effects: {effects}")
                    });
                }
            }
            Kind::Final { message, state, .. } => {
                let seen = messages.entry(message).or_default();
                let wrong = match state {
                    MessageState::Delivered if lost.met(message) => seen.effects == 0,
                    _ if lost.met(message) => false,
                    MessageState::Delivered => seen.effects != 1,
                    MessageState::Failed => seen.effects > 0,
                    MessageState::Pending => seen.effects > 0 && !seen.released,
                    MessageState::Claimed | MessageState::InDoubt => false,
                };
                if wrong {
                    report.add(index, event, || {
                        let (state, effects) = (state.name(), seen.effects);
                        format!("{message} is {state} at the end, effects: {effects}")
                    });
                }
            }
            _ => {}
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DEDUP, Script};
    use super::*;
    use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};
    use ProofKind::{Deduplicated, NeverSent};

    #[test]
    fn an_honest_outbox_is_fine() {
        Script::new()
            .effect(1, 1, 1)
            .settled(1, 1, Delivered)
            .settled(1, 2, Failed)
            .effect(1, 1, 3)
            .settled(1, 3, InDoubt)
            .ends_as(1, Delivered)
            .ends_as(2, Failed)
            .ends_parked(3)
            .ends_as(4, InDoubt)
            .ends_as(5, Claimed)
            .ends_as(6, Pending)
            .check(&ORACLE);
    }

    #[test]
    fn delivered_without_an_effect_is_caught_when_it_is_said() {
        let script = Script::new().bad().settled(1, 7, Delivered).effect(1, 1, 7);
        script.ends_as(7, Delivered).check(&ORACLE);
        Script::new().effect(1, 1, 8).bad().settled(1, 7, Delivered).check(&ORACLE);
    }

    #[test]
    fn delivered_at_the_end_means_one_effect_not_none_not_two() {
        Script::new().bad().ends_as(7, Delivered).check(&ORACLE);
        let script = Script::new().effect(1, 1, 7).settled(1, 7, Delivered).effect(2, 2, 7);
        script.bad().ends_as(7, Delivered).check(&ORACLE);
    }

    #[test]
    fn failed_and_pending_mean_no_effect() {
        Script::new().effect(1, 1, 7).bad().settled(1, 7, Failed).check(&ORACLE);
        // The effect may come after the word.
        let script = Script::new().settled(1, 7, Failed).effect(1, 1, 7);
        script.bad().ends_as(7, Failed).check(&ORACLE);
        Script::new().effect(1, 1, 7).bad().ends_as(7, Pending).check(&ORACLE);
    }

    #[test]
    fn a_person_who_is_wrong_is_caught() {
        let sent = Script::new().effect(1, 1, 7).judged(7, InDoubt, Delivered);
        sent.ends_as(7, Delivered).check(&ORACLE);
        Script::new().bad().judged(7, InDoubt, Delivered).check(&ORACLE);
        for to in [Failed, Pending] {
            Script::new().judged(7, InDoubt, to).ends_as(7, to).check(&ORACLE);
            Script::new().effect(1, 1, 7).bad().judged(7, InDoubt, to).check(&ORACLE);
        }
    }

    #[test]
    fn only_a_release_to_a_deduplicating_sink_excuses_a_pending_message() {
        let pending = |sink, proof, bad: bool| {
            let script = Script::new().sink(sink).effect(1, 1, 7).resolved(2, 7, Pending, proof);
            let script = if bad { script.bad() } else { script };
            script.ends_as(7, Pending).check(&ORACLE);
        };
        pending(DEDUP, Deduplicated, false);
        pending(DEDUP, NeverSent, true);
        pending(SinkKind::Plain, Deduplicated, true);
        pending(SinkKind::Fenced, ProofKind::SinkLacksIt, true);
    }
}
