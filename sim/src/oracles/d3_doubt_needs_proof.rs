//! D3: an unknown outcome puts a message in doubt, and only a proof that its sink can give takes it
//! out again. So a message is sent a second time
//! * under the same key, always;
//! * to a deduplicating sink, after a release, less than its window after the first claim;
//! * to a fenced sink, after it proved that it lacks the message;
//! * to a plain sink never,
//!
//! unless every earlier send is known to have had no effect.
//!
//! Guards the fourth layer, by the table of DESIGN section 5. A send counts as unknown until its
//! end says otherwise, so a sender that dies in the middle leaves doubt as well; an accepted one
//! counts like an unknown one, because sending it again takes the same proof. Late sends beyond the
//! bound on clocks (see `claims`) are no decisions to send again; D1 watches what becomes of them.

use std::collections::BTreeMap;

use super::claims::{Claims, Standing};
use super::report::Report;
use super::story::{Send, Story};
use super::{Oracle, Setting, Violation};
use crate::history::{History, Kind, MessageNo, MessageState, ProofKind};

/// Doubt is never guessed away.
pub const ORACLE: Oracle = Oracle {
    property: "D3",
    says: "unknown outcomes become in doubt and are sent again only by proof, under the same key",
    layer: "claim before send",
    check,
};

fn check(history: &History, setting: &Setting) -> Vec<Violation> {
    let sink = setting.sink;
    let mut report = Report::new(ORACLE.property);
    let mut claims = Claims::default();
    let mut stories: BTreeMap<MessageNo, Story> = BTreeMap::new();
    for (index, event) in history.besides_messages() {
        claims.apply(event);
        match event.kind {
            Kind::Claimed { token, message, .. } => {
                let story = stories.entry(message).or_default();
                story.first_claimed.get_or_insert(event.at);
                story.claim = Some((token, story.sends.len()));
            }
            Kind::SendStarted { node, token, message, key, .. } => {
                if key != message {
                    report.add(index, event, || format!("{node} sent {message} under key {key}"));
                }
                if claims.standing(node, token, message) == Standing::TakenOutOfBound {
                    continue;
                }
                let story = stories.entry(message).or_default();
                if let Some(objection) = story.objection(sink, event.at) {
                    report.add(index, event, || {
                        format!("{node} sent {message} with token {token} {objection}")
                    });
                }
                story.sends.push(Send {
                    node,
                    token,
                    outcome: None,
                    cleared: false,
                    disproved: false,
                });
            }
            Kind::SendEnded { node, token, message, outcome } => {
                let story = stories.entry(message).or_default();
                let this =
                    |send: &&mut Send| (send.node, send.token, send.outcome) == (node, token, None);
                if let Some(send) = story.sends.iter_mut().rev().find(this) {
                    send.outcome = Some(outcome);
                }
            }
            Kind::Moved { token, message, from, to, proof } => {
                let story = stories.entry(message).or_default();
                let allowed = match from {
                    MessageState::Claimed => story.settles(token, to),
                    MessageState::InDoubt => {
                        proof.is_some_and(|proof| story.proves(sink, token, to, proof))
                    }
                    // Which other changes there are is D4's business.
                    _ => true,
                };
                if !allowed {
                    report.add(index, event, || {
                        let (from, to) = (from.name(), to.name());
                        let proof = proof.map_or("no proof".into(), |proof| format!("{proof:?}"));
                        format!("{message} went from {from} to {to} under token {token} by {proof}")
                    });
                } else if from == MessageState::InDoubt && proof != Some(ProofKind::NeverSent) {
                    for send in &mut story.sends {
                        send.cleared = true;
                        send.disproved |= proof == Some(ProofKind::SinkLacksIt);
                    }
                } else if proof == Some(ProofKind::NeverSent) {
                    story.given_back();
                }
            }
            // A person vouches that no send had an effect or will have one.
            Kind::Judged { message, to: MessageState::Pending, .. } => {
                let story = stories.entry(message).or_default();
                story.sends.iter_mut().for_each(|send| send.disproved = true);
                story.first_claimed = None;
            }
            _ => {}
        }
    }
    report.done()
}
