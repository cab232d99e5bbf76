//! What lies excuse. A vote, an acknowledgement or a release in another node's name is as good as a real
//! one until connections prove who speaks, so what rests on them may fail while somebody lies: elections,
//! leases, and what nodes believe of each other. What the store checks may not, nor what a node does of
//! itself; and a while after the last lie everything has to hold again.

use std::time::Duration;

use super::Violation;
use crate::history::{History, Kind, SimTime};
use crate::world::timer::nanos;

/// The properties that rest on what others say, and why each of them does.
const EXCUSED: &[(&str, &str)] = &[
    ("E1", "votes are made up"),
    ("E3", "votes are made up"),
    ("L1", "votes and acknowledgements are made up"),
    ("L4", "releases are made up"),
    ("L6", "readings of clocks are made up"),
    ("S1", "heartbeats are made up"),
    ("M1", "votes are made up"),
    ("M3", "what others know of a node is made up"),
    ("W1", "answers to workers are made up"),
    ("W2", "answers to workers are made up"),
    ("V5", "a liar can depose whoever leads, again and again"),
    ("V6", "nobody need lead, or a worker may be led astray"),
];

/// Drops what is excused in a history in which somebody lies. `after` is how long what was believed may
/// last.
pub(super) fn excuse(history: &History, after: Duration, found: &mut Vec<Violation>) {
    let mut windows: Vec<(SimTime, Option<SimTime>)> = Vec::new();
    for (_, event) in history.besides_messages() {
        match &event.kind {
            Kind::Fault { kind: "lies", .. } => windows.push((event.at, None)),
            Kind::FaultEnded { line } if line.contains("lies = ") => {
                if let Some((_, end)) = windows.iter_mut().find(|(_, end)| end.is_none()) {
                    *end = Some(SimTime(event.at.0 + nanos(after)));
                }
            }
            _ => {}
        }
    }
    // A leader that is made to believe that a worker has let go of a unit assigns it anew, which puts its
    // claims in doubt for no good reason. How they leave doubt is not excused.
    let doubted = |violation: &Violation| {
        violation.property == "D3" && violation.what.contains("from claimed to in doubt")
    };
    let within = |at: SimTime| {
        windows.iter().any(|(begin, end)| *begin <= at && end.is_none_or(|end| at <= end))
    };
    found.retain(|violation| {
        let rests_on_others = EXCUSED.iter().any(|(property, _)| *property == violation.property);
        !((rests_on_others || doubted(violation)) && within(violation.at))
    });
}
