//! D4: a message changes its state only as DESIGN section 5 says: pending → claimed → delivered,
//! failed or in doubt; and out of doubt, by proof, to delivered, failed or pending.
//!
//! Guards the fourth layer: whoever reads the outbox may rely on it that nothing else happens, such as
//! a delivered message that is claimed again. One more way leads into doubt: a message that was
//! released to a deduplicating sink, and whose window is over when it is to be claimed, is parked. Only
//! what is in doubt is parked. And a person's verdict leads out of doubt anywhere, and from failed to pending. Which proofs are
//! good ones is D3's business. A message is in no state before it was written.

use std::collections::BTreeMap;

use super::lost::Lost;
use super::report::Report;
use super::windows::Windows;
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageNo, MessageState};

/// No state is left but by the known ways.
pub const ORACLE: Oracle = Oracle {
    property: "D4",
    says: "messages change their state only along the known ways",
    layer: "claim before send",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};
    let mut report = Report::new(ORACLE.property);
    let mut windows = Windows::default();
    let mut lost = Lost::default();
    let mut states: BTreeMap<MessageNo, MessageState> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        windows.apply(event);
        if let Kind::SetBack { messages, .. } = &event.kind {
            states.extend(messages.iter().copied());
        }
        lost.apply(event);
        let (message, to, fits) = match event.kind {
            Kind::Enqueued { message, .. } => (message, Pending, !states.contains_key(&message)),
            Kind::Claimed { message, .. } => {
                (message, Claimed, states.get(&message) == Some(&Pending))
            }
            Kind::Moved { message, from, to, proof, .. } => {
                let known = match (from, to, proof.is_some()) {
                    (Claimed, Delivered | Failed | InDoubt, false)
                    | (InDoubt, Delivered | Failed | Pending, true) => true,
                    (Pending, InDoubt, false) => {
                        lost.met(message)
                            || windows.is_released(message)
                                && windows.is_over(setting.sink, message, event.at)
                    }
                    _ => false,
                };
                (message, to, known && states.get(&message) == Some(&from))
            }
            Kind::Parked { message, .. } => {
                (message, InDoubt, states.get(&message) == Some(&InDoubt))
            }
            Kind::Judged { message, from, to } => {
                let known = matches!(
                    (from, to),
                    (InDoubt, Delivered | Failed | Pending) | (Failed, Pending)
                );
                (message, to, known && states.get(&message) == Some(&from))
            }
            Kind::Final { message, state, .. } => {
                (message, state, states.get(&message) == Some(&state))
            }
            _ => continue,
        };
        let stood = states.insert(message, to);
        if !fits {
            report.add(index, event, || {
                let stood = stood.map_or("nowhere", MessageState::name);
                format!("{message} stood {stood} and is {} now: there is no such way", to.name())
            });
        }
    }
    report.done()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::SinkKind;
    use super::super::testing::{DEDUP, Script};
    use super::*;
    use crate::history::ProofKind::{Deduplicated, NeverSent, SinkHasIt, SinkLacksIt};
    use MessageState::{Claimed, Delivered, Failed, InDoubt, Pending};

    fn claimed() -> Script {
        Script::new().sink(DEDUP).enqueued(7).claimed(1, 7)
    }

    #[test]
    fn the_known_ways_are_fine() {
        for to in [Delivered, Failed, InDoubt] {
            claimed().settled(1, 7, to).ends_as(7, to).check(&ORACLE);
        }
        let doubtful = || claimed().settled(2, 7, InDoubt);
        doubtful().resolved(2, 7, Delivered, SinkHasIt).ends_as(7, Delivered).check(&ORACLE);
        doubtful().resolved(2, 7, Failed, SinkLacksIt).ends_as(7, Failed).check(&ORACLE);
        for proof in [SinkLacksIt, Deduplicated, NeverSent] {
            let again = doubtful().resolved(2, 7, Pending, proof).claimed(2, 7);
            again.settled(2, 7, Delivered).ends_as(7, Delivered).check(&ORACLE);
        }
        let script = doubtful().resolved(2, 7, Pending, Deduplicated);
        let script = script.moved(2, 7, Pending, InDoubt, None).parked(2, 7);
        script.ends_parked(7).check(&ORACLE);
    }

    #[test]
    fn what_has_ended_stays() {
        for end in [Delivered, Failed] {
            let script = claimed().settled(1, 7, end);
            script.bad().claimed(2, 7).ends_as(7, Claimed).check(&ORACLE);
            let script = claimed().settled(1, 7, end).bad().moved(1, 7, end, Pending, None);
            script.ends_as(7, Pending).check(&ORACLE);
        }
    }

    #[test]
    fn no_state_is_skipped() {
        let pending = || Script::new().enqueued(7);
        for to in [Delivered, Failed, InDoubt] {
            pending().bad().moved(1, 7, Pending, to, None).check(&ORACLE);
        }
        claimed().bad().settled(1, 7, Pending).check(&ORACLE);
        claimed().bad().claimed(2, 7).check(&ORACLE);
        // Nor by another worker of the same leader.
        let script = Script::new().enqueued(7).worker_claimed(1, 3, 1, 1, 7);
        script.bad().worker_claimed(2, 3, 1, 2, 7).check(&ORACLE);
        Script::new().bad().claimed(1, 7).check(&ORACLE);
        pending().bad().enqueued(7).check(&ORACLE);
    }

    #[test]
    fn doubt_comes_back_only_to_what_was_released_and_when_its_window_is_over() {
        // Five seconds, from the claim at 1 s.
        let window = SinkKind::WINDOW_MARGIN + Duration::from_secs(5);
        let claimed = || {
            let script = Script::new().sink(SinkKind::Dedup { window }).enqueued(7);
            script.at(1_000).claimed(1, 7).settled(2, 7, InDoubt)
        };
        let back = |script: Script| script.moved(2, 7, Pending, InDoubt, None);
        let released = || claimed().resolved(2, 7, Pending, Deduplicated);
        back(released().at(6_000)).check(&ORACLE);
        back(released().at_ns(5_999_999_999).bad()).check(&ORACLE);
        // By the database's clock.
        back(released().database_wall(2_000).at(4_000)).check(&ORACLE);
        back(released().database_wall(-2_000).at(7_999).bad()).check(&ORACLE);
        // Nothing was sent, so that no window runs.
        back(claimed().resolved(2, 7, Pending, NeverSent).at(9_000).bad()).check(&ORACLE);
    }

    #[test]
    fn only_doubts_are_left_to_a_person() {
        claimed().settled(1, 7, InDoubt).parked(1, 7).ends_parked(7).check(&ORACLE);
        claimed().bad().parked(1, 7).check(&ORACLE);
        claimed().settled(1, 7, Delivered).bad().parked(1, 7).check(&ORACLE);
    }

    #[test]
    fn only_proof_leads_out_of_doubt() {
        let doubtful = || claimed().settled(2, 7, InDoubt);
        for to in [Delivered, Failed, Pending] {
            doubtful().bad().moved(2, 7, InDoubt, to, None).check(&ORACLE);
        }
        doubtful().bad().resolved(2, 7, Claimed, SinkLacksIt).check(&ORACLE);
    }

    #[test]
    fn a_person_settles_doubts_and_requeues_dead_letters_and_no_more() {
        for to in [Delivered, Failed, Pending] {
            let doubtful = claimed().settled(2, 7, InDoubt);
            doubtful.judged(7, InDoubt, to).ends_as(7, to).check(&ORACLE);
            claimed().bad().judged(7, Claimed, to).check(&ORACLE);
        }
        let failed = claimed().settled(1, 7, Failed).judged(7, Failed, Pending);
        failed.ends_as(7, Pending).check(&ORACLE);
        claimed().settled(1, 7, Delivered).bad().judged(7, Delivered, Pending).check(&ORACLE);
    }

    #[test]
    fn a_change_begins_where_the_message_stands_and_the_end_is_where_it_came() {
        claimed().bad().resolved(1, 7, Pending, NeverSent).check(&ORACLE);
        claimed().bad().ends_as(7, Delivered).check(&ORACLE);
        Script::new().bad().ends_as(7, Pending).check(&ORACLE);
    }
}
