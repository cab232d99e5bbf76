//! `cargo sim` as its user meets it: exit codes, and errors that say what to do.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fencepost-sim"));
    command.args(arguments).env("NO_COLOR", "1").env_remove("COLUMNS");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

fn sim(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the testbed runs")
}

/// An election-only scenario in a file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, more: &str) -> Self {
        let file = format!("fencepost-command-line-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        let text = format!(
            "name = \"made up\"\ncluster = {{ voters = 3, disk = \"kept\" }}\nhorizon = \"5s\"\n{more}"
        );
        std::fs::write(&path, text).expect("the folder for temporary files takes one");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path that is text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn exit_codes_tell_the_verdict() {
    let ok = File::new("ok", "");
    let vacuous = File::new("vacuous", "[expect]\nleader_changes = 1000\n");
    let bad = File::new("bad", "horison = \"1s\"\n");
    for (file, code, says) in [(&ok, 0, "ok: "), (&vacuous, 3, "leadership changed")] {
        let output = sim(&["run", file.path(), "--seeds", "2"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.starts_with("seeds 1 to 2 of "), "the seeds are named first: {text}");
        assert!(text.contains(says), "{text}");
    }
    let output = sim(&["run", bad.path()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "nothing half-done");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("horison") && text.contains("horizon"), "{text}");
}

#[test]
fn a_shard_without_seeds_is_no_failure_and_claims_nothing() {
    let calm = File::new("no-seeds", "");
    let breaks = File::new("no-seeds-breaks", "[expect]\nverdict = \"L1\"\n");
    for file in [&calm, &breaks] {
        let output = sim(&["run", file.path(), "--seeds", "2", "--shard", "3/8"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("this shard has no seeds of any scenario"), "{text}");
        assert!(!text.contains("worth running") && !text.contains("ok:"), "{text}");
    }
}

#[test]
fn bad_input_ends_with_2_and_the_remedy() {
    for (arguments, says) in [
        (&["run", "--seeds", "x"][..], "names no seeds"),
        (&["run", "--seeds", "5..3"], "ends before it begins"),
        (&["run", "no-such-scenario"], "there is no scenario"),
        (&["run", "--mutant", "no_such_mutant"], "there is no mutant"),
        (&["run", "calm", "--jsonl", "no/such/folder/out"], "cannot write"),
        (&["run", "--sedes", "5"], "--seeds"),
        (&["replay"], "SCENARIO"),
        (&["shrink", "calm", "--seed", "x"], "is not a seed"),
        (&["shrink", "calm", "--seed", "-1"], "is not a seed"),
        (&["shrink", "calm"], "which seed of calm?"),
        (&["shrink", "clam", "--seed", "1"], "did you mean \"calm\"?"),
        (&["shrink", "calm", "--seed", "1", "--mutant", "no_fence"], "mean \"no_fence_check\"?"),
        (&["shrink", "calm", "--seed", "1", "--property", "E9"], "there is no property \"E9\""),
        (&["shrink", "calm", "--seed", "1", "--jobs", "0"], "--jobs 0"),
        (&["shrink", "calm", "--seed", "1", "--out", "no/such/folder/out"], "cannot write"),
        (&["shrink", "calm", "--seed", "1"], "nothing to shrink: seed 1 of calm breaks no"),
        (&["shrink", "calm", "--seed", "1", "--property", "d1"], "does not break D1"),
        (&["no-such-command"], "Usage"),
    ] {
        let output = sim(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?} did something");
    }
}

#[test]
fn json_lines_are_the_same_for_one_thread_and_for_many() {
    let scenario =
        File::new("jsonl", "faults = [{ at = \"1s\", pause = \"leader\", for = \"3s\" }]");
    let written = |jobs| {
        let out =
            std::env::temp_dir().join(format!("fencepost-{}-{jobs}.jsonl", std::process::id()));
        let path = out.to_str().expect("a path that is text");
        sim(&["run", scenario.path(), "--seeds", "3..8", "--jobs", jobs, "--jsonl", path]);
        let text = std::fs::read_to_string(&out).expect("the file was written");
        std::fs::remove_file(&out).expect("it can be removed");
        text
    };
    let one = written("1");
    assert_eq!(one.lines().filter(|line| line.contains("\"type\":\"seed\"")).count(), 6);
    assert_eq!(one, written("4"));
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("fencepost-command-line-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files takes one");
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path that is text").to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn pages_are_written_and_linked() {
    let folder = Folder::new("pages");
    let (results, page) = (folder.file("a.jsonl"), folder.file("run.html"));
    let mutant = ["founding-design", "--mutant", "founding_design"];
    let run = ["run", "--seeds", "1", "--no-shrink", "--jsonl", &results];
    let output = sim(&[&run[..], &mutant].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let output = sim(&["report", &results, "--html", &page, "--pages"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let link = "founding-design-seed-1-founding_design.html";
    assert!(folder.read("run.html").contains(&format!("href=\"{link}\"")));
    assert!(folder.read(link).starts_with("<!doctype html>"));

    // Half of the results: what is there is shown, and what is missing is told.
    let all = folder.read("a.jsonl");
    std::fs::write(&results, &all[..all.len() - 300]).expect("it can be written");
    let output = sim(&["report", &results, "--html", &page]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.read("run.html").contains("the file is cut off"));

    let replay = folder.file("replay.html");
    let output = sim(&["replay", "calm", "--html", &replay]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(&format!("page       {replay}")), "{text}");
    assert!(folder.read("replay.html").contains("Every property held."));
    let output = sim(&["replay", "calm", "--html", "no/such/folder/out.html"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), text.contains("cannot write")), (Some(2), true), "{text}");
}

/// More than it takes: only the kill makes that leader lead on without an election.
const RESUMED: &str = "workload = { messages = 20, every = \"100ms\", sink = \"plain\" }\n\
    faults = [{ at = \"500ms\", pause = \"n2\", for = \"100ms\" },\n\
    { at = \"1s\", kill = \"leader\", down = \"10ms\" },\n\
    { at = \"3s\", wall = \"n1\", step = \"4s\" }]";

#[test]
fn a_shrunk_plan_fails_as_the_seed_did_and_is_not_written_over() {
    let scenario = File::new("shrink", RESUMED);
    let small = File::new("shrunk", "");
    let shrink = |out: &str, jobs: &str| {
        let mutant = ["--mutant", "restarted_leader_resumes"];
        let arguments = ["shrink", scenario.path(), "--seed", "2", "--out", out, "--jobs", jobs];
        sim(&[&arguments[..], &mutant].concat())
    };
    let refused = shrink(small.path(), "2");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("is there already"), "{text}");
    assert!(!refused.stdout.is_empty(), "what was found is shown all the same");

    std::fs::remove_file(small.path()).expect("it is there");
    let written = shrink(small.path(), "2");
    assert_eq!(written.status.code(), Some(0), "{}", String::from_utf8_lossy(&written.stderr));
    let plan = std::fs::read_to_string(small.path()).expect("it was written");
    assert_eq!(plan.matches("{ at = ").count(), 1, "{plan}");
    assert!(plan.contains("kill = ") || plan.contains("stop = "), "{plan}");
    assert!(plan.contains("# Shrunk from seed 2 of "), "{plan}");
    // With one thread the same comes out, and the same content is no conflict.
    assert_eq!(shrink(small.path(), "1").status.code(), Some(0));

    let mutant = "restarted_leader_resumes";
    let with = sim(&["replay", small.path(), "--mutant", mutant]);
    assert_eq!(with.status.code(), Some(1), "{}", String::from_utf8_lossy(&with.stdout));
    assert_eq!(sim(&["replay", small.path()]).status.code(), Some(0));
    let hunt = sim(&["shrink", small.path(), "--mutant", mutant, "--out", small.path()]);
    let text = String::from_utf8_lossy(&hunt.stdout);
    assert!(text.contains("faults 1 → 1"), "a plan that is small stays as it is: {text}");
}

#[test]
fn a_failing_run_shrinks_its_first_seed_unless_told_not_to() {
    let scenario = File::new("run-shrinks", RESUMED);
    let run = |more: &[&str]| {
        let mutant = ["--mutant", "restarted_leader_resumes", "--seeds", "2..3"];
        let output = sim(&[&["run", scenario.path()], &mutant[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = run(&[]);
    assert_eq!(text.matches("  shrunk  ").count(), 1, "{text}");
    assert!(text.contains("E4: faults 3 → 1, after "), "{text}");
    let path = text.split("  shrunk  ").nth(1).and_then(|rest| rest.lines().next());
    let path = path.expect("a path").to_owned();
    let replayed = sim(&["replay", &path, "--mutant", "restarted_leader_resumes"]);
    assert_eq!(replayed.status.code(), Some(1), "{path}");
    assert!(!run(&["--no-shrink"]).contains("shrunk"));
}

/// The leader is killed at an event that comes once, before anybody waits for it.
const NEVER: &str = "faults = [\n  { at = \"1s\", pause = \"n1\", for = \"1s\" },\n  \
    { when = \"leader\", nth = \"7..90\", kill = \"leader\", down = \"1s\" },\n]\n";

#[test]
fn a_line_that_never_began_is_named_by_run_replay_report_and_page() {
    let scenario = File::new("never", NEVER);
    let folder = Folder::new("never");
    let (results, page) = (folder.file("a.jsonl"), folder.file("replay.html"));
    let name = "line 6 never began";
    let output = sim(&["run", scenario.path(), "--seeds", "3", "--jsonl", &results]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains(&format!("{name}, in any of 3 seeds: {{ when = \"leader\"")), "{text}");
    assert!(!text.contains("line 5"), "{text}");
    let output = sim(&["report", &results]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), text.contains(name)), (Some(3), true), "{text}");

    let output = sim(&["replay", scenario.path(), "--html", &page]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((output.status.code(), text.contains(name)), (Some(3), true), "{text}");
    let html = folder.read("replay.html");
    assert!(html.contains("<b>never began</b>: <span>{ when = ") && html.contains(name));
    // Half of the seeds are no whole batch.
    let output = sim(&["run", scenario.path(), "--seeds", "4", "--shard", "0/2"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    // A planted bug that is found is found, whatever never began.
    let more = ["--seed", "1", "--mutant", "own_vote_not_recorded"];
    let output = sim(&[&["replay", scenario.path()][..], &more].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}

/// More than one leader can send before the run ends: no property was broken, and nothing was proved.
#[test]
fn a_backlog_that_heal_is_too_short_for_is_told_with_its_rate() {
    let scenario = File::new(
        "backlog",
        "workload = { messages = 3000, every = \"1ms\", sink = \"plain\" }\nheal = \"6s\"\n",
    );
    let output = sim(&["run", scenario.path(), "--seeds", "1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in ["too much work for heal = \"6s\": ", " messages are left, and ", "write heal = "] {
        assert!(plain.contains(says), "{says}: {text}");
    }
}

/// The device that has no room, where a system has one.
const FULL: &str = "/dev/full";

#[test]
fn what_cannot_be_written_is_an_error_and_says_so_once() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open(FULL) else { return };
    let scenario = File::new("full", "");
    let results = Folder::new("full");
    let jsonl = results.file("a.jsonl");
    assert_eq!(sim(&["run", scenario.path(), "--jsonl", &jsonl]).status.code(), Some(0));
    for arguments in [
        &["list"][..],
        &["--help"],
        &["run", scenario.path(), "--seeds", "2"],
        &["replay", scenario.path()],
        &["replay", scenario.path(), "--json"],
        &["report", &jsonl],
    ] {
        let output = command(arguments).stdout(full.try_clone().expect("a handle")).output();
        let output = output.expect("the testbed runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert_eq!(text.matches("cannot write to standard output").count(), 1, "{text}");
    }
    // A violation matters more, and nobody needs to read the notes.
    let mutant = ["--mutant", "own_vote_not_recorded", "--no-shrink"];
    let mut violated = command(&[&["run", scenario.path()][..], &mutant].concat());
    let violated = violated.stdout(full.try_clone().expect("a handle")).output();
    assert_eq!(violated.expect("the testbed runs").status.code(), Some(1));
    let mut unread = command(&["run", "no-such-scenario"]);
    let unread = unread.stderr(full).output().expect("the testbed runs");
    assert_eq!(unread.status.code(), Some(2));
    for option in ["--jsonl", "--junit", "--html"] {
        let output = sim(&["run", scenario.path(), "--seeds", "1", option, FULL]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option}: {text}");
        assert!(text.contains("cannot write /dev/full"), "{option}: {text}");
    }
}

/// As other programs that write to a pipe which nobody reads: soon, without a word, by SIGPIPE's code.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut child = command(&["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the testbed runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(141));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn lines_are_as_wide_as_the_screen() {
    for (columns, most) in [("60", 60), ("80", 80), ("132", 132), ("nonsense", 100), ("0", 100)] {
        let output = command(&["run", "calm", "--seeds", "1"]).env("COLUMNS", columns).output();
        let text = String::from_utf8(output.expect("the testbed runs").stdout).expect("text");
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= most, "{columns}: {widest}\n{text}");
    }
}
