//! The command line without its process: arguments, names, files and exit codes.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use fencepost::probe::Mutant;

use super::arguments::{Arguments, Command, RunArguments};
use super::error::{mutant, nearest};
use super::{Exit, all_scenarios, dispatch, find, mutant_scenarios};
use crate::search::BatchVerdict;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fencepost-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("scenarios/mutants")).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, more: &str) {
        let text = format!(
            "name = \"made up\"\ncluster = {{ voters = 3, disk = \"kept\" }}\nhorizon = \"20s\"\n{more}"
        );
        std::fs::write(self.0.join(file), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn parse(line: &str) -> Arguments {
    Arguments::try_parse_from(std::iter::once("sim").chain(line.split_whitespace())).unwrap()
}

/// The error and its help, on one line.
#[track_caller]
fn refused(line: &str) -> String {
    let error = dispatch(parse(line)).expect_err(line);
    let help = error.help().map(|help| help.to_string()).unwrap_or_default();
    format!("{error} ({help})")
}

#[test]
fn the_arguments_are_consistent() {
    Arguments::command().debug_assert();
    assert!(parse("").command.is_none());
    let Some(Command::Run(run)) = parse("run calm a.toml --seeds 5..9 --for 1m -j 3").command
    else {
        panic!("not run")
    };
    assert_eq!(run.scenario, ["calm", "a.toml"]);
    assert_eq!(
        (run.seeds.as_deref(), run.time.as_deref(), run.jobs),
        (Some("5..9"), Some("1m"), Some(3))
    );
    assert!(Arguments::try_parse_from(["sim", "replay"]).is_err(), "of what?");
    assert!(Arguments::try_parse_from(["sim", "replay", "a", "--log", "--json"]).is_err());
}

#[test]
fn the_help_shows_examples() {
    let mut command = Arguments::command();
    command.build();
    for name in ["run", "report", "replay", "mutants"] {
        let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
        assert!(help.contains(&format!("cargo sim {name}")), "{help}");
    }
    let help = command.render_help().to_string();
    assert!(help.contains("Exit codes: 0 ok"), "{help}");
}

#[test]
fn bad_input_is_refused_with_the_remedy() {
    for (line, says) in [
        ("run --seeds x", "names no seeds"),
        ("run --seeds 5..3", "ends before it begins"),
        ("run --seeds -1", "5..9"),
        ("run --seeds 5..", "never ends"),
        ("mutants --seeds random", "never ends"),
        ("run --shard 4/4", "the last 3"),
        ("run --shard 1", "0/4, 1/4"),
        ("run calm --require-reach leas_expired", "did you mean \"lease_expired\"?"),
        ("report a.jsonl --require-reach x,all", "there is no reach point \"x\""),
        ("run calm --junit no/such/folder/out", "cannot write"),
        ("run --for 10", "no unit"),
        ("run --for 0s", "no time"),
        ("run --jobs 0", "between 1 and 1024"),
        ("mutants -j 5000", "between 1 and 1024"),
        ("run --mutant no_fence_chek", "did you mean \"no_fence_check\"?"),
        ("run no/such/file.toml", "no/such/file.toml"),
        ("replay no-such-scenario-anywhere", "there is no scenario"),
        ("replay calm --seed x", "not a seed"),
        ("mutants lease_from_repl", "did you mean \"lease_from_reply\"?"),
        ("mutants --seeds 0", "run nothing"),
    ] {
        let refused = refused(line);
        assert!(refused.contains(says), "{line}: {refused}");
    }
}

#[test]
fn nothing_is_written_before_all_is_known_to_be_good() {
    let folder = Folder::new("half-done");
    folder.write("good.toml", "");
    folder.write("bad.toml", "horison = \"1s\"\n");
    let at = |name: &str| folder.0.join(name).display().to_string();
    let arguments = |scenarios: &[&str], jsonl: &str| RunArguments {
        scenario: scenarios.iter().map(|name| at(name)).collect(),
        jsonl: Some(at(jsonl).into()),
        ..RunArguments::default()
    };
    let error = super::run::run(&arguments(&["good.toml", "bad.toml"], "out.jsonl")).unwrap_err();
    assert!(error.to_string().contains("bad.toml"), "{error}");
    assert!(!folder.0.join("out.jsonl").exists());
    let error = super::run::run(&arguments(&["good.toml"], "no/such/out.jsonl")).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
}

#[test]
fn scenarios_are_found_by_name_and_by_path() {
    let folder = Folder::new("find");
    let root = folder.0.as_path();
    let missing = all_scenarios(root).unwrap_err();
    assert!(missing.to_string().contains("no scenario files"), "{missing}");
    folder.write("scenarios/calm.toml", "");
    folder.write("scenarios/rolling.toml", "");
    folder.write("scenarios/mutants/fence.toml", "[expect]\nkills = [\"no_fence_check\"]\n");
    folder.write("scenarios/mutants/calm.toml", "[expect]\nkills = [\"no_fence_check\"]\n");
    folder.write("scenarios/notes.txt", "");
    let names = |found: Vec<super::Subject>| {
        found.into_iter().map(|subject| subject.reference).collect::<Vec<_>>()
    };
    assert_eq!(names(all_scenarios(root).unwrap()), ["calm", "rolling"]);
    assert_eq!(find(root, "fence").unwrap().scenario.expect.kills, [Mutant::NoFenceCheck]);
    assert_eq!(find(root, "calm").unwrap().scenario.expect.kills, [], "the first folder counts");
    assert_eq!(names(mutant_scenarios(root, Mutant::NoFenceCheck).unwrap()), ["fence"]);
    assert_eq!(names(mutant_scenarios(root, Mutant::LeaseFromReply).unwrap()), [""; 0]);
    let path = root.join("scenarios/rolling.toml").display().to_string();
    assert_eq!(find(root, &path).unwrap().reference, path);
    let unknown = find(root, "roling").unwrap_err();
    assert_eq!(unknown.help().unwrap().to_string(), "did you mean \"rolling\"?");
    assert!(find(Path::new("/no/such/root"), "calm").is_err());
}

#[test]
fn the_nearest_name_is_offered_or_all_of_them() {
    assert_eq!(nearest("clam", ["calm", "swarm"]), "did you mean \"calm\"?");
    assert_eq!(
        nearest("roll", ["calm", "rolling-deployment"]),
        "did you mean \"rolling-deployment\"?"
    );
    assert_eq!(nearest("xyz", ["calm", "swarm"]), "there are: calm, swarm");
    assert!(mutant("xyz").unwrap_err().to_string().contains("no mutant \"xyz\""));
    assert_eq!(mutant("no_fence_check").unwrap(), Mutant::NoFenceCheck);
}

#[test]
fn exit_codes_are_as_documented_and_the_worst_one_counts() {
    let vacuous = BatchVerdict::Vacuous(vec![]);
    assert_eq!(Exit::from(&BatchVerdict::Ok).code(), 0);
    assert_eq!(Exit::from(&BatchVerdict::Violated).code(), 1);
    assert_eq!(Exit::BadInput.code(), 2);
    assert_eq!(Exit::from(&vacuous).code(), 3);
    assert_eq!(Exit::Stopped.code(), 130);
    let order = [Exit::Ok, Exit::Vacuous, Exit::Stopped, Exit::BadInput, Exit::Violated];
    for (index, better) in order.into_iter().enumerate() {
        for worse in &order[index..] {
            assert_eq!(better.worse(*worse), *worse);
            assert_eq!(worse.worse(better), *worse);
        }
    }
}
