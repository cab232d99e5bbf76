//! Links that flap, and topologies: `flap = "n1 <-> n2"`, `topology = "star(n2)"`.

use std::time::Duration;

use super::FaultSpec;
use super::fault::Around;
use super::field::{Section, text};
use super::links::{Ends, links, single};
use super::problem::{Problems, suggest};
use super::units::duration as written;
use crate::faults::plan::Topology;

/// The shortest time for which a flapping link is cut or mended: what is faster than a message is
/// no cut, and a run must not drown in them.
const LEAST: Duration = Duration::from_millis(1);

/// A `flap`.
pub(super) fn flap(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let links = links("flap", Ends::Cut, section, around, problems);
    let mut turn = |key: &str| {
        let lasts = section.need_duration(key, problems)?;
        if lasts.low >= LEAST {
            return Some(lasts);
        }
        problems.add(
            section.place(key),
            format!("\"{key}\" is too short"),
            format!("expected at least {}", written(LEAST)),
            format!("write for example {key} = \"200ms\""),
        );
        None
    };
    let (up, down) = (turn("up"), turn("down"));
    let lasts = section.need_some_time("for", problems);
    Some(FaultSpec::Flap { links: links?, up: up?, down: down?, lasts: lasts? })
}

/// A `topology`.
pub(super) fn topology(
    section: &Section,
    around: Around,
    problems: &mut Problems,
) -> Option<FaultSpec> {
    let topology = which(section, around, problems);
    let lasts = section.need_some_time("for", problems);
    Some(FaultSpec::Topology { topology: topology?, lasts: lasts? })
}

fn which(section: &Section, around: Around, problems: &mut Problems) -> Option<Topology> {
    let value = section.get("topology")?;
    let all = text("topology", value, "\"ring\", \"chain\" or \"star(n2)\"", problems)?;
    let topology = match all {
        "ring" => Topology::Ring,
        "chain" => Topology::Chain,
        _ => {
            let centre = all.strip_prefix("star(").and_then(|rest| rest.strip_suffix(')'));
            let Some(centre) = centre else {
                let help = match all.starts_with("star") {
                    true => "name the centre: \"star(n2)\" or \"star(leader)\"".to_owned(),
                    false => suggest(all, ["ring", "chain", "star(n2)"]),
                };
                let message = format!("topology = \"{all}\" is unknown");
                problems.add(value.span(), message, "not a topology", help);
                return None;
            };
            let place = problems.part(&value.span(), all, centre);
            Topology::Star(single("star", centre, place, around, problems)?)
        }
    };
    // Too few for every seed; a line that means something for some of the seeds is meant for those.
    let most = around.voters.zip(around.observers).map(|(v, o)| v.high + o.high);
    if let Some(most) = most.filter(|most| *most < topology.least_nodes()) {
        problems.add(
            value.span(),
            format!("\"{all}\" cuts nothing among {most} nodes"),
            "all links belong to it",
            format!("have {} nodes at least, or cut links by name", topology.least_nodes()),
        );
        return None;
    }
    Some(topology)
}
