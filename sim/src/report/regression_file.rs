//! A shrunk plan as a scenario file: what is kept of a bug that was found.
//!
//! With a bug planted, the file says that it kills it. Without one it expects nothing to be broken:
//! it fails until the bug is mended, and stays as a proof that it is.

use fencepost::probe::Mutant;

use super::summary::{replay_command, shrink_command};
use super::text::{grouped, wrap};
use crate::faults::plan::Plan;
use crate::scenario::units::duration;
use crate::scenario::{Expect, print};
use crate::search::shrink::{Aim, Shrunk};

/// The folder, below the workspace.
pub const FOLDER: &str = "scenarios/regressions";

/// The longest name of a scenario in a file name.
const NAME_MAX: usize = 60;

/// The name of the file: what was run, with which bug, what broke, by which seed.
pub fn file_name(reference: &str, mutant: Option<Mutant>, shrunk: &Shrunk) -> String {
    let stem = std::path::Path::new(reference).file_stem();
    let mut name = simple(stem.and_then(|stem| stem.to_str()).unwrap_or(reference));
    if let Some(mutant) = mutant.map(|mutant| simple(mutant.name())).filter(|m| *m != name) {
        name += &format!("-{mutant}");
    }
    let broken = match &shrunk.aim {
        Aim::Property(property) => simple(property),
        Aim::Panic(_) => "panic".to_owned(),
    };
    format!("{name}-{broken}-seed-{}.toml", shrunk.before.plan.seed)
}

/// Free text as part of a file name.
fn simple(text: &str) -> String {
    let simple = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(simple).take(NAME_MAX).collect()
}

/// The file; `path` is what finds it again.
pub fn text(reference: &str, mutant: Option<Mutant>, shrunk: &Shrunk, path: &str) -> String {
    let seed = shrunk.before.plan.seed;
    let at = shrunk.after.seen.at.map_or_else(String::new, |at| format!(" at {at}"));
    let bug = mutant.map_or_else(String::new, |mutant| format!(" with {} planted", mutant.name()));
    let mut out = comment(&format!("{}{bug}{at}: {}", shrunk.aim, shrunk.after.seen.what));
    out += "#\n";
    out += &comment(&format!(
        "Shrunk from seed {seed} of {reference} in {} tries{}. Before and after: {}.",
        grouped(shrunk.runs.into()),
        if shrunk.stopped { ", then stopped" } else { "" },
        sizes(&shrunk.before.plan, &shrunk.after.plan).join(", "),
    ));
    // Commands are not broken: they are there to be copied.
    out += &format!("# {}\n", shrink_command(reference, seed, mutant));
    out += &format!("# {}\n", replay_command(path, seed, mutant));
    let mut plan = shrunk.after.plan.clone();
    plan.scenario = match mutant {
        Some(mutant) => format!("{}: {} (seed {seed} of {reference})", mutant.name(), shrunk.aim),
        None => format!("{} (seed {seed} of {reference})", shrunk.aim),
    };
    let kills = match &shrunk.aim {
        Aim::Property(property) => mutant.filter(|m| m.breaks().contains(property)),
        Aim::Panic(_) => None,
    };
    let expect = Expect { kills: kills.into_iter().collect(), ..Expect::default() };
    out + &print(&plan, &expect)
}

/// What became of each size: `faults 12 → 2`.
pub fn sizes(before: &Plan, after: &Plan) -> Vec<String> {
    let messages = |plan: &Plan| plan.workload.map_or(0, |workload| workload.messages);
    vec![
        format!("faults {} → {}", before.faults.len(), after.faults.len()),
        format!("messages {} → {}", messages(before), messages(after)),
        format!("voters {} → {}", before.voters, after.voters),
        format!("observers {} → {}", before.observers, after.observers),
        format!("horizon {} → {}", duration(before.horizon), duration(after.horizon)),
    ]
}

/// Text as comment lines.
fn comment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let lines = wrap("  ", &clean);
    lines.lines().map(|line| format!("# {}\n", line.trim())).collect()
}
