//! What a smaller plan must break: the same property, or the same place of a panic.

use std::fmt;
use std::time::Duration;

use fencepost::probe::Mutant;

use crate::history::{Kind, Phase, SimTime};
use crate::run::{RunOutcome, Verdict};

/// What is looked for in every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// This property is broken.
    Property(&'static str),
    /// The code panics at this place.
    Panic(String),
}

/// How a run broke it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What happened, in one sentence.
    pub what: String,
    /// When; a panic leaves no history that would say.
    pub at: Option<SimTime>,
    /// How long after the faults began; zero if before.
    pub after: Option<Duration>,
    /// The hash of the history.
    pub hash: u64,
}

impl Aim {
    /// What to shrink of a run: what was asked for if it is broken, else the first property that
    /// the planted bug is known to break, else the first at all.
    pub fn of(
        outcome: &RunOutcome,
        asked: Option<&'static str>,
        mutant: Option<Mutant>,
    ) -> Option<Self> {
        match &outcome.verdict {
            Verdict::Ok | Verdict::Vacuous(_) | Verdict::Overrun(_) => None,
            Verdict::Panicked(message) => {
                asked.is_none().then(|| Self::Panic(place(message).to_owned()))
            }
            Verdict::Violated(violations) => {
                let broken = || violations.iter().map(|violation| violation.property);
                let meant = mutant.map_or(&[][..], Mutant::breaks);
                let found = match asked {
                    Some(asked) => broken().find(|property| *property == asked),
                    None => broken().find(|property| meant.contains(property)).or(broken().next()),
                };
                found.map(Self::Property)
            }
        }
    }

    /// How that run broke it, if it did.
    pub fn seen_in(&self, outcome: &RunOutcome) -> Option<Sighting> {
        let hash = outcome.history.hash();
        match (self, &outcome.verdict) {
            (Self::Panic(aim), Verdict::Panicked(message)) if place(message) == aim => {
                Some(Sighting { what: message.clone(), at: None, after: None, hash })
            }
            (Self::Property(aim), Verdict::Violated(violations)) => {
                let first = violations.iter().find(|violation| violation.property == *aim)?;
                let began = outcome.history.events().iter().find_map(|event| {
                    (event.kind == Kind::Phase(Phase::Faults)).then_some(event.at)
                });
                let after = began.map_or(0, |began| first.at.since(began));
                Some(Sighting {
                    what: first.what.clone(),
                    at: Some(first.at),
                    after: Some(Duration::from_nanos(after)),
                    hash,
                })
            }
            _ => None,
        }
    }
}

/// The place that ends the message of a panic that was caught, else all of it.
fn place(message: &str) -> &str {
    let last = message.rfind(" (").map(|start| &message[start + 2..]);
    let place = last.and_then(|rest| rest.strip_suffix(')'));
    let line = |place: &&str| place.rsplit_once(':').is_some_and(|(_, n)| n.parse::<u32>().is_ok());
    place.filter(line).unwrap_or(message)
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(property) => f.write_str(property),
            Self::Panic(place) => write!(f, "panic at {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_known_by_its_place() {
        assert_eq!(place("no row for m7 (src/store/rows.rs:12)"), "src/store/rows.rs:12");
        assert_eq!(place("no row (m7) for it"), "no row (m7) for it");
        assert_eq!(place("left is (a: b)"), "left is (a: b)");
    }
}
