//! `cargo sim` as its user meets it: exit codes, and errors that say what to do.

use std::path::PathBuf;
use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fencepost-sim"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("NO_COLOR", "1")
        .output()
        .expect("the testbed runs")
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
fn bad_input_ends_with_2_and_the_remedy() {
    for (arguments, says) in [
        (&["run", "--seeds", "x"][..], "names no seeds"),
        (&["run", "--seeds", "5..3"], "ends before it begins"),
        (&["run", "no-such-scenario"], "there is no scenario"),
        (&["run", "--mutant", "no_such_mutant"], "there is no mutant"),
        (&["run", "calm", "--jsonl", "no/such/folder/out"], "cannot write"),
        (&["run", "--sedes", "5"], "--seeds"),
        (&["replay"], "SCENARIO"),
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
