//! The thread of a violation: the events before it that it is about, so that a picture can join them.

use fencepost::Token;

use crate::history::{Event, Kind, MessageNo};
use crate::oracles::Violation;

/// How many events one thread joins at most.
const THREAD_MAX: usize = 12;

/// The violation that a picture begins with: what the recipient saw twice, if it did, else the first.
pub fn focus(violations: &[Violation]) -> Option<&Violation> {
    let twice = violations.iter().find(|violation| violation.property == "D1");
    twice.or(violations.first())
}

/// The events that the violation is about, oldest first; the last is the one that broke the property.
pub fn thread(events: &[Event], violation: &Violation) -> Vec<usize> {
    let Some(last) = events.get(violation.event) else { return Vec::new() };
    let subject = match violation.property {
        // They are noticed at whatever happens next, and are about who led before.
        "V5" | "outage" => Subject::Leadership,
        "V6" => named(&violation.what).map_or(Subject::Leadership, Subject::Message),
        _ => Subject::of(&last.kind),
    };
    let before = events[..violation.event].iter().enumerate().rev();
    let about = before.filter(|(_, event)| subject.concerns(&event.kind));
    let mut found: Vec<usize> = about.take(THREAD_MAX - 1).map(|(index, _)| index).collect();
    found.reverse();
    found.push(violation.event);
    found
}

/// Whether a violation is about who may act, and is shown there.
pub fn is_about_acting(violation: &Violation) -> bool {
    matches!(violation.property, "V5" | "V6" | "outage")
}

/// The message that a sentence begins with.
fn named(what: &str) -> Option<MessageNo> {
    what.split(' ').next()?.strip_prefix('m')?.parse().ok().map(MessageNo)
}

/// What an event is about.
enum Subject {
    /// What becomes of a message.
    Message(MessageNo),
    /// Who may act.
    Leadership,
    /// A job's runs.
    Job,
    /// Something else, of which nothing is told.
    Other,
}

impl Subject {
    fn of(kind: &Kind) -> Self {
        match (message(kind), kind) {
            (Some(message), _) => Self::Message(message),
            (None, Kind::Job(_)) => Self::Job,
            (None, Kind::Work(_) | Kind::End | Kind::Phase(_)) => Self::Other,
            (None, _) => Self::Leadership,
        }
    }

    fn concerns(&self, kind: &Kind) -> bool {
        match self {
            Self::Message(about) => message(kind) == Some(*about),
            Self::Leadership => token(kind).is_some(),
            Self::Job => matches!(kind, Kind::Job(_)),
            Self::Other => false,
        }
    }
}

/// The message whose way an event belongs to.
fn message(kind: &Kind) -> Option<MessageNo> {
    match kind {
        Kind::ClaimStarted { message, .. }
        | Kind::ClaimEnded { message, .. }
        | Kind::SendStarted { message, .. }
        | Kind::SendEnded { message, .. }
        | Kind::Claimed { message, .. }
        | Kind::Moved { message, .. }
        | Kind::Parked { message, .. }
        | Kind::Judged { message, .. }
        | Kind::Effect { message, .. }
        | Kind::NoEffect { message, .. }
        | Kind::Enqueued { message, .. }
        | Kind::Final { message, .. } => Some(*message),
        _ => None,
    }
}

/// The token, or the term that becomes one, of an event that makes or ends a leader.
fn token(kind: &Kind) -> Option<Token> {
    match kind {
        Kind::Elected { term, .. } | Kind::SteppedDown { term, .. } => Some(Token(term.0)),
        Kind::GuardIssued { token, .. }
        | Kind::Activated { token, .. }
        | Kind::Fenced { token, .. } => Some(*token),
        _ => None,
    }
}
