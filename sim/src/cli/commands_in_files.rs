//! Every command line of the testbed that stands in the files for build servers and fleets, and in
//! the README, is one that it accepts.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::arguments::{Arguments, Command, EndingArguments, RunArguments};
use super::conclusion::required;
use super::seeds::{seeds, shard};
use super::{error, find, find::root};
use crate::scenario::units::parse_duration;

/// What a line calls the testbed.
const NAMES: &[&str] = &["cargo sim", "./fencepost-sim"];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The commands of a workflow, a script or a page. A command that is folded over several lines goes
/// on for as long as the lines are indented as deep.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut command = line.trim().to_owned();
        let folded = NAMES.iter().any(|name| command.starts_with(name)) && indent(line) > 0;
        let more = |next: &&str| folded && indent(next) == indent(line) && !next.trim().is_empty();
        while let Some(next) = lines.next_if(more) {
            command += &format!(" {}", next.trim());
        }
        let Some(name) = NAMES.iter().find(|name| command.contains(*name)) else { continue };
        let (before, arguments) = command.split_once(name).expect("it was found");
        let prose = !matches!(before.trim(), "" | "step" | "- run:" | "run:");
        if !prose && !arguments.starts_with(|c: char| c.is_alphanumeric()) {
            found.push(arguments.split(" #").next().unwrap_or_default().trim().to_owned());
        }
    }
    found
}

/// Fills in what the build server and the shell would.
fn filled(command: &str) -> Vec<String> {
    let command = command
        .replace("${{ matrix.shard }}", "3")
        .replace("${{ inputs.duration || '45m' }}", "45m")
        .replace("$((FIRST_SEED + 39))", "4200000039")
        .replace("$((FIRST_SEED + 999))", "4200000999")
        .replace("$((FIRST_SEED + 1000))", "4200001000")
        .replace("${FIRST_SEED}", "4200000000")
        .replace("$(JOB_COMPLETION_INDEX)", "7")
        .replace("$(POD_NAME)", "fencepost-fuzz-7-x2x4z")
        .replace('"', "");
    assert!(!command.contains('$'), "what is that? {command}");
    command.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn accepted(arguments: &[String]) {
    let line = arguments.join(" ");
    let words = std::iter::once("sim").chain(arguments.iter().map(String::as_str));
    let parsed = Arguments::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}"));
    let scenario = |name: &String| assert!(find(&root(), name).is_ok(), "{line}: {name}");
    let ending = |ending: &EndingArguments| {
        ending.require_reach.iter().for_each(|text| assert!(required(text).is_ok(), "{line}"));
    };
    match parsed.command {
        Some(Command::Run(RunArguments {
            scenario: names,
            seeds: text,
            shard: part,
            time,
            ending: end,
            ..
        })) => {
            names.iter().for_each(scenario);
            time.iter().for_each(|time| assert!(parse_duration(time).is_ok(), "{line}"));
            text.iter().for_each(|text| assert!(seeds(text, time.is_some()).is_ok(), "{line}"));
            part.iter().for_each(|part| assert!(shard(part).is_ok(), "{line}"));
            ending(&end);
        }
        Some(Command::Report(report)) => ending(&report.ending),
        Some(Command::Determinism(check)) => {
            check.scenario.iter().for_each(scenario);
            check.seeds.iter().for_each(|text| assert!(seeds(text, false).is_ok(), "{line}"));
        }
        Some(Command::Replay(replay)) => {
            scenario(&replay.scenario);
            replay.mutant.iter().for_each(|name| assert!(error::mutant(name).is_ok(), "{line}"));
        }
        _ => {}
    }
}

#[test]
fn build_servers_and_pages_use_commands_that_exist() {
    let root = root();
    let files =
        [".github/workflows/ci.yml", ".github/workflows/nightly.yml", ".ci/run", "README.md"];
    let mut all = Vec::new();
    for file in files {
        let found = commands(&read(&root.join(file)));
        found.iter().for_each(|command| accepted(&filled(command)));
        all.extend(found);
    }
    for (subcommand, least) in [("run", 2), ("determinism", 1), ("report", 1), ("replay", 1)] {
        let found = all.iter().filter(|command| command.starts_with(subcommand)).count();
        assert!(found >= least, "{subcommand}: {all:?}");
    }
}

#[test]
fn the_fleet_uses_a_command_that_exists_and_a_shard_for_each_pod() {
    let job: PathBuf = root().join("deploy/kubernetes/fuzz-job.yaml");
    let text = read(&job);
    let arguments: Vec<String> = text
        .lines()
        .skip_while(|line| line.trim() != "args:")
        .skip(1)
        .map_while(|line| line.trim().strip_prefix("- "))
        .flat_map(filled)
        .collect();
    assert!(arguments.len() > 4, "{arguments:?}");
    accepted(&arguments);
    let pods = text.lines().find_map(|line| line.trim().strip_prefix("completions: "));
    let pods = pods.expect("so many pods");
    assert!(arguments.contains(&format!("--shard=7/{pods}")), "{pods} pods: {arguments:?}");
    // The second pod of a shard must not write over what the first has left.
    for file in ["--jsonl=", "--junit="] {
        let name = arguments.iter().find(|argument| argument.starts_with(file));
        assert!(name.is_some_and(|name| name.contains("-7-x2x4z.")), "{file}: {arguments:?}");
    }
    assert!(text.contains("name: POD_NAME") && text.contains("fieldPath: metadata.name"));
}
