//! D3: an unknown outcome puts a message in doubt, and only a proof that its sink can give takes it
//! out again. So a message is sent a second time
//! * under the same key, always;
//! * to a deduplicating sink, after a release, less than its window after the first claim;
//! * to a fenced sink, after it proved that it lacks the message;
//! * to a plain sink never,
//!
//! unless every earlier send is known to have had no effect. And a holder says that its own claim is in
//! doubt only if it is, because a plain sink's doubts are a person's work; and gives a message up only
//! after as many failures as it is told to, of which none had an effect.
//!
//! Guards the fourth layer, by the table of DESIGN section 5. A send counts as unknown until its
//! end says otherwise, so a sender that dies in the middle leaves doubt as well; an accepted one
//! counts like an unknown one, because sending it again takes the same proof. Late sends beyond the
//! bound on clocks (see `claims`) are no decisions to send again; D1 watches what becomes of them.

use std::collections::BTreeMap;

use super::claims::{Claims, Standing};
use super::lost::Lost;
use super::report::Report;
use super::story::{Send, Story, Word};
use super::{Oracle, Setting, Violation};
use crate::history::{Event, History, Kind, MessageNo, MessageState, ProofKind};

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
    let mut out_of_bound = false;
    let mut stories: BTreeMap<MessageNo, Story> = BTreeMap::new();
    let mut lost = Lost::default();
    for (index, event) in history.besides_messages() {
        claims.apply(event);
        lost.apply(event);
        match event.kind {
            Kind::ClockRate { within_bound: false, .. } => out_of_bound = true,
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
                // Whoever sends it again cannot know what is lost.
                let objection = story.objection(sink, event.at).filter(|_| !lost.met(message));
                if let Some(objection) = objection {
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
                    MessageState::Claimed => {
                        let gives_back = is_given_back(history, index, event);
                        let revoked = claims.is_revoked(message, token);
                        let word = Word { at: event.at, gives_back, out_of_bound, revoked };
                        story.settles(setting, token, to, word)
                    }
                    MessageState::InDoubt => {
                        proof.is_some_and(|proof| story.proves(setting, token, to, proof))
                    }
                    // Which other changes there are is D4's business.
                    _ => true,
                };
                if !allowed && !lost.met(message) {
                    report.add(index, event, || {
                        let (from, to) = (from.name(), to.name());
                        let proof = proof.map_or("no proof".into(), |proof| format!("{proof:?}"));
                        format!("{message} went from {from} to {to} under token {token} by {proof}")
                    });
                    continue;
                }
                match proof {
                    Some(ProofKind::NeverSent) => story.given_back(token),
                    Some(proof) => story.sent_again(proof),
                    None => {}
                }
            }
            Kind::Judged { message, to: MessageState::Pending, .. } => {
                stories.entry(message).or_default().begins_anew();
            }
            _ => {}
        }
    }
    report.done()
}

/// Whether the claim that moves into doubt here leaves it at once, because nothing was sent: one
/// transaction, recorded as two changes.
fn is_given_back(history: &History, index: usize, doubted: &Event) -> bool {
    let Some(next) = history.events().get(index + 1) else { return false };
    let Kind::Moved { token, message, .. } = doubted.kind else { return false };
    let (from, to) = (MessageState::InDoubt, MessageState::Pending);
    let back = Kind::Moved { token, message, from, to, proof: Some(ProofKind::NeverSent) };
    (next.at, &next.kind) == (doubted.at, &back)
}
