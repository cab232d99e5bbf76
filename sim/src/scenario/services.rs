//! Faults of the database and the sink: restarts, failures, answers that are late or lost; and the
//! verdicts of a person.

use std::time::Duration;

use super::fault::Around;
use super::field::{Section, Value, text};
use super::problem::{Problems, suggest};
use super::units::Between;
use super::{FaultSpec, ServiceSpec};
use crate::faults::plan::{Case, Service};

const SERVICES: &[&str] = &["db", "sink"];

/// One word of `known`.
pub(super) fn word(
    key: &str,
    value: &Value,
    known: &[&'static str],
    problems: &mut Problems,
) -> Option<&'static str> {
    let expected = format!("\"{}\"", known.join("\" or \""));
    let found = text(key, value, &expected, problems)?;
    let word = known.iter().find(|word| **word == found).copied();
    if word.is_none() {
        problems.add(
            value.span(),
            format!("{key} = \"{found}\" is not known"),
            format!("expected {expected}"),
            suggest(found, known.iter().copied()),
        );
    }
    word
}

fn service(key: &str, section: &Section, problems: &mut Problems) -> Option<Service> {
    match word(key, section.get(key)?, SERVICES, problems)? {
        "db" => Some(Service::Database),
        _ => Some(Service::Sink),
    }
}

/// A `restart`.
pub(super) fn restart(section: &Section, problems: &mut Problems) -> Option<FaultSpec> {
    let service = service("restart", section, problems);
    let down = section.need_duration("down", problems);
    let loses = match section.get("loses") {
        None => Some(Between::exactly(Duration::ZERO)),
        Some(_) => {
            if service == Some(Service::Sink) {
                problems.add(
                    section.place("loses"),
                    "a sink loses nothing that it has acknowledged",
                    "only a database fails over to a standby that lags",
                    "leave it out, or write restart = \"db\"",
                );
            }
            section.need_some_time("loses", problems)
        }
    };
    Some(FaultSpec::Restart { service: service?, loses: loses?, down: down? })
}

/// A `fail`.
pub(super) fn fail(section: &Section, problems: &mut Problems) -> Option<FaultSpec> {
    let service = service("fail", section, problems);
    let share_ppm = share(section, problems);
    let lasts = section.need_some_time("for", problems);
    Some(FaultSpec::Service {
        service: service?,
        trouble: ServiceSpec::Fails,
        share_ppm: share_ppm?,
        lasts: lasts?,
    })
}

/// A `refuse`: nothing that the sink is sent is good enough for it.
pub(super) fn refuse(section: &Section, problems: &mut Problems) -> Option<FaultSpec> {
    word("refuse", section.get("refuse")?, &["sink"], problems)?;
    let share_ppm = share(section, problems);
    let lasts = section.need_some_time("for", problems);
    let (service, trouble) = (Service::Sink, ServiceSpec::Refuses);
    Some(FaultSpec::Service { service, trouble, share_ppm: share_ppm?, lasts: lasts? })
}

/// A `commit` or an `effect`: what was asked is done, and its acknowledgement is late or lost.
pub(super) fn answers(kind: &str, section: &Section, problems: &mut Problems) -> Option<FaultSpec> {
    let service = if kind == "commit" { Service::Database } else { Service::Sink };
    let trouble = match word(kind, section.get(kind)?, &["late", "lost"], problems) {
        Some("late") => section.need_some_time("by", problems).map(|by| ServiceSpec::Late { by }),
        Some(_) => {
            if section.get("by").is_some() {
                problems.add(
                    section.place("by"),
                    "what is lost is not late as well",
                    format!("only {kind} = \"late\" takes \"by\""),
                    format!("leave it out, or write {kind} = \"late\""),
                );
            }
            Some(ServiceSpec::Lost)
        }
        None => None,
    };
    let share_ppm = share(section, problems);
    let lasts = section.need_some_time("for", problems);
    Some(FaultSpec::Service { service, trouble: trouble?, share_ppm: share_ppm?, lasts: lasts? })
}

/// A `judge`: a person looks, thinks, and passes verdicts.
pub(super) fn judge(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let case = word("judge", section.get("judge")?, &["doubts", "dead letters"], problems);
    let thinks = section.need_duration("thinks", problems);
    if around.delivers == Some(false) {
        problems.add(
            section.place("judge"),
            "there are no messages: there is no workload",
            "nothing to judge",
            "add workload = { messages = 200, sink = \"plain\" }",
        );
        return None;
    }
    let case = if case? == "doubts" { Case::Doubts } else { Case::DeadLetters };
    Some(FaultSpec::Judge { case, thinks: thinks? })
}

/// How many of the questions are met; all, if nothing is said.
fn share(section: &Section, problems: &mut Problems) -> Option<u32> {
    if section.get("share").is_none() {
        return Some(1_000_000);
    }
    let share = section.probability("share", problems)?;
    if share > 0 {
        return Some(share);
    }
    problems.add(
        section.place("share"),
        "\"share\" is zero",
        "no question would be met",
        "write for example share = 0.3, or leave it out to meet all",
    );
    None
}
