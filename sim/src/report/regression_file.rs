//! A shrunk plan as a scenario file: what is kept of a bug that was found.
//!
//! With a bug planted, the file says that it kills it. Without one it expects nothing to be broken:
//! it fails until the bug is mended, and stays as a proof that it is.

use std::path::Path;

use fencepost::probe::Mutant;

use super::summary::{replay_command, shrink_command};
use super::text::{WIDTH, grouped, wrap_to};
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
    let mut name = simple(stem(reference));
    if let Some(mutant) = mutant.map(|mutant| simple(mutant.name())).filter(|m| *m != name) {
        name += &format!("-{mutant}");
    }
    let broken = match &shrunk.aim {
        Aim::Property(property) => simple(property),
        Aim::Panic(_) => "panic".to_owned(),
    };
    format!("{name}-{broken}-seed-{}.toml", shrunk.before.plan.seed)
}

/// What a scenario is called, without the folders and the ending of its file.
fn stem(reference: &str) -> &str {
    Path::new(reference).file_stem().and_then(|stem| stem.to_str()).unwrap_or(reference)
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
    let from = format!("{} (seed {seed} of {})", shrunk.aim, stem(reference));
    plan.scenario = mutant.map_or(from.clone(), |mutant| format!("{}: {from}", mutant.name()));
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
    let lines = wrap_to(WIDTH, "  ", &clean);
    lines.lines().map(|line| format!("# {}\n", line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::faults::generate;
    use crate::history::SimTime;
    use crate::scenario::Scenario;
    use crate::search::shrink::{Broken, Sighting};

    const TEXT: &str = "name = \"made up\"\ncluster = { voters = 5 }\nhorizon = \"20s\"\n\
        faults = [{ at = \"1s\", pause = \"n1\", for = \"2s\" }, { at = \"2s\", kill = \"n2\" }]";

    fn shrunk(aim: Aim) -> Shrunk {
        let scenario = Scenario::parse("made-up.toml", TEXT).map_err(miette::Report::new).unwrap();
        let seen = Sighting {
            what: "it broke\nin two lines".to_owned(),
            at: Some(SimTime(1_500_000_000)),
            after: None,
            hash: 0,
        };
        let before = Broken { plan: generate(&scenario, 7), seen };
        let mut after = before.clone();
        after.plan.faults.pop();
        after.plan.voters = 3;
        let (cpu, wall) = (Duration::ZERO, Duration::ZERO);
        Shrunk { aim, before, after, runs: 1_234, stopped: false, cpu, wall }
    }

    #[test]
    fn a_file_tells_what_broke_and_reads_back_to_the_plan() {
        let shrunk = shrunk(Aim::Property("F1"));
        let mutant = Some(Mutant::NoFenceCheck);
        assert_eq!(file_name("swarm", mutant, &shrunk), "swarm-no-fence-check-f1-seed-7.toml");
        assert_eq!(file_name("a/No fence.toml", None, &shrunk), "no-fence-f1-seed-7.toml");
        let text = text("swarm", mutant, &shrunk, "small");
        for says in [
            "# F1 with no_fence_check planted at 1.500000 s: it broke in two lines",
            "seed 7 of swarm in 1,234 tries",
            "faults 2 → 1",
            "voters 5 → 3",
            "# cargo sim shrink swarm --seed 7 --mutant no_fence_check\n",
            "# cargo sim replay small --seed 7 --mutant no_fence_check\n",
        ] {
            // Long comments are wrapped.
            let whole = text.contains(says) || text.replace("\n# ", " ").contains(says);
            assert!(whole, "{says}\n{text}");
        }
        let read = Scenario::parse("x.toml", &text).map_err(miette::Report::new).unwrap();
        assert_eq!(
            (read.seed, read.expect.kills.as_slice()),
            (Some(7), &[Mutant::NoFenceCheck][..])
        );
        let mut plan = generate(&read, 7);
        plan.scenario.clone_from(&shrunk.after.plan.scenario);
        assert_eq!(plan, shrunk.after.plan);
    }

    #[test]
    fn only_a_planted_bug_is_expected_to_be_found() {
        let expect = |aim, mutant| {
            let text = text("swarm", mutant, &shrunk(aim), "small");
            Scenario::parse("x.toml", &text).map_err(miette::Report::new).unwrap().expect
        };
        // A real bug: the file fails until it is mended.
        assert_eq!(expect(Aim::Property("F1"), None), Expect::default());
        // Not what the bug is known to break.
        assert_eq!(expect(Aim::Property("V3"), Some(Mutant::NoFenceCheck)), Expect::default());
        assert_eq!(expect(Aim::Panic("a.rs:1".into()), None), Expect::default());
    }
}
