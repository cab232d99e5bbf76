//! Running wide, as its user meets it: shards that merge to what one machine says, results that are
//! cut off or come from elsewhere, a stop by Ctrl-C, and what build servers read.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Two scenarios of the repository that are quick, and reach something.
const SCENARIOS: [&str; 2] = ["calm", "database-slow"];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fencepost-sim"));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.env("NO_COLOR", "1");
    command
}

fn sim(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the testbed runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("fencepost-wide-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&path).expect("there is room for a folder");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path that is text").to_owned()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("the file was written")
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).expect("there is room for a file");
        self.path(name)
    }

    /// Runs the scenarios and keeps the results in a file.
    fn results(&self, name: &str, more: &[&str]) -> (String, Output) {
        let path = self.path(name);
        let mut arguments = vec!["run"];
        arguments.extend(SCENARIOS);
        arguments.extend(more);
        arguments.extend(["--jsonl", &path]);
        let output = sim(&arguments);
        (path, output)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The summary without what only the machine decides.
fn summary(text: &str) -> String {
    let from = text.find("scenario ").expect("there is a table");
    let machine = |line: &&str| !line.starts_with("  time ") && !line.starts_with("  speed ");
    let columns = |line: &str| {
        // The speed stands before the verdict.
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, .., _, verdict] if SCENARIOS.contains(name) => {
                format!("{} {verdict}", words[..words.len() - 2].join(" "))
            }
            _ => line.to_owned(),
        }
    };
    text[from..].lines().filter(machine).map(columns).collect::<Vec<_>>().join("\n")
}

#[test]
fn merged_shards_are_what_one_machine_says() {
    let folder = Folder::new("shards");
    let asked = ["--seeds", "7..19", "--reach"];
    let (all, unsharded) = folder.results("all.jsonl", &asked);
    assert_eq!(unsharded.status.code(), Some(0), "{}", stdout(&unsharded));
    let mut shards = Vec::new();
    for (index, jobs) in [("0", "1"), ("1", "3"), ("2", "2")] {
        let shard = format!("{index}/3");
        let more = ["--seeds", "7..19", "--shard", &shard, "--jobs", jobs];
        let (path, output) = folder.results(&format!("{index}.jsonl"), &more);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        let first = stdout(&output).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("seeds 7 to 19 of ") && first.contains(&shard), "{first}");
        shards.push(path);
    }
    let one = sim(&["report", &all, "--reach"]);
    let merged = sim(&["report", &shards[2], &shards[0], &shards[1], "--reach"]);
    assert_eq!((one.status.code(), merged.status.code()), (Some(0), Some(0)));
    let body = |output: &Output| stdout(output).split_once('\n').expect("lines").1.to_owned();
    assert_eq!(body(&merged), body(&one), "to the letter");
    assert_eq!(summary(&stdout(&merged)), summary(&stdout(&unsharded)), "and what the run said");
    assert!(stderr(&merged).is_empty(), "{}", stderr(&merged));

    // The shards hold every line of the one, and no other.
    let seeds = |text: String| {
        let seed = |line: &&str| line.contains("\"type\":\"seed\"");
        text.lines().filter(seed).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut parts: Vec<String> =
        ["0.jsonl", "1.jsonl", "2.jsonl"].map(|name| seeds(folder.read(name))).concat();
    let mut whole = seeds(folder.read("all.jsonl"));
    parts.sort();
    whole.sort();
    assert_eq!((parts.len(), &parts), (2 * 13, &whole));

    // What is missing is noted; what comes twice counts once.
    let part = sim(&["report", &shards[0], &shards[1]]);
    assert!(stderr(&part).contains("1 of 3 shards of calm are missing"), "{}", stderr(&part));
    let twice = sim(&["report", &all, &shards[1], "--reach"]);
    let noted = stderr(&twice).replace('\n', " ");
    assert!(noted.contains("4 results of calm came again"), "{noted}");
    assert_eq!(body(&twice), body(&one));
}

#[test]
fn what_cannot_be_used_is_told_with_its_place_and_the_rest_counts() {
    let folder = Folder::new("cut");
    let (whole, _) = folder.results("whole.jsonl", &["--seeds", "1..3"]);
    let text = folder.read("whole.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    // batch, 3 seeds, end; twice.
    assert_eq!(lines.len(), 10);

    let half = lines[7].len() / 2;
    let cut = format!("{}\n{}", lines[..7].join("\n"), &lines[7][..half]);
    let at_a_line = format!("{}\n", lines[..3].join("\n"));
    let other_content = text.replacen("\"content\":\"", "\"content\":\"0", 5);
    // The hash of seed 1 in the line of seed 2.
    let hash = |line: &str| {
        let from = line.find("\"hash\":\"").expect("a seed has a hash") + 8;
        line[from..from + 16].to_owned()
    };
    let other_hash = lines[2].replace(&hash(lines[2]), &hash(lines[1]));
    for (name, text, seeds, says) in [
        ("cut", cut.as_str(), "4 seeds · 2", "cut:8: the file is cut off in the middle"),
        ("end", &at_a_line, "2 seeds · 1", "end:3: the results end in calm, after seed 2"),
        ("prose", "seed one was fine\n", "", "prose:1: this is not JSON"),
        ("other", "{\"a\":1}\n", "", "other:1: this is no result"),
        ("empty", "", "", "empty: is empty"),
        ("lost", lines[1], "", "lost:1: no line before it says what seed 1 is of"),
        ("new", &lines[0].replace("\"format\":1", "\"format\":2"), "", "this is format 2"),
        ("point", &lines[0].replace("\"reach\":[]", "\"reach\":[\"x\"]"), "", "reach point \"x\""),
    ] {
        let path = folder.write(name, text);
        let output = sim(&["report", &path]);
        let told = stderr(&output).replace("\n       ", " ");
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains(says), "{name}: {told}");
        assert!(told.lines().count() <= 2, "{name}: {told}");
        assert!(stdout(&output).contains(seeds), "{name}: {}", stdout(&output));
        if seeds.is_empty() {
            assert!(stdout(&output).contains("no results"), "{name}: {}", stdout(&output));
        }
    }

    // With a whole file beside it, its results count.
    for (name, text, says) in [
        ("version", other_content.as_str(), "this is another version of calm"),
        ("build", &format!("{}\n{other_hash}\n", lines[0]), "results of different builds"),
        ("half", &cut, "half:8: the file is cut off in the middle"),
    ] {
        let path = folder.write(name, text);
        let output = sim(&["report", &whole, &path]);
        let told = stderr(&output).replace("\n       ", " ");
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains(says), "{name}: {told}");
        assert!(stdout(&output).contains("6 seeds · 2"), "{name}: {}", stdout(&output));
    }
    let missing = sim(&["report", &whole, &folder.path("no-such-file")]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("no-such-file: cannot be read"), "{}", stderr(&missing));
    assert!(stdout(&missing).contains("6 seeds · 2"), "{}", stdout(&missing));
}

#[test]
fn a_violation_is_the_same_in_the_report_and_in_junit() {
    let folder = Folder::new("violated");
    let (jsonl, xml) = (folder.path("a.jsonl"), folder.path("a.xml"));
    let mutant = ["--mutant", "founding_design", "--no-shrink"];
    let arguments = ["run", "founding-design", "--seeds", "3", "--jsonl", &jsonl, "--junit", &xml];
    let run = sim(&[&arguments[..], &mutant].concat());
    assert_eq!(run.status.code(), Some(1), "{}", stdout(&run));
    let again = folder.path("b.xml");
    let report = sim(&["report", &jsonl, "--junit", &again]);
    assert_eq!(report.status.code(), Some(1), "{}", stdout(&report));
    let replay = "cargo sim replay founding-design --seed 1 --mutant founding_design";
    for text in [stdout(&run), stdout(&report), folder.read("a.xml"), folder.read("b.xml")] {
        assert!(text.contains(replay), "{text}");
    }
    // The plans are the run's alone, and so is the time.
    let blocks = |text: String| {
        let plan = |line: &&str| !line.starts_with("  plan ");
        let from = text.find("VIOLATED founding").expect("a seed failed");
        let until = text.find("\nfounding-design ").expect("then comes its line");
        text[from..until].lines().filter(plan).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(blocks(stdout(&run)), blocks(stdout(&report)));
    let untimed = |name| {
        let text = folder.read(name);
        let (before, after) = text.split_once(" time=\"").expect("a suite has a time");
        format!("{before}{}", after.split_once('"').expect("it ends").1)
    };
    assert_eq!(untimed("a.xml"), untimed("b.xml"));
    assert!(
        folder.read("a.xml").contains("<failure type=\"D5\" message=\"D5 at"),
        "{}",
        folder.read("a.xml")
    );
}

#[test]
fn a_reach_point_that_is_required_must_be_reached_by_some_scenario() {
    let folder = Folder::new("reach");
    let (path, all) = folder.results("a.jsonl", &["--seeds", "2", "--require-reach", "all"]);
    assert_eq!(all.status.code(), Some(3), "{}", stdout(&all));
    let why = "never reached handover_asked: a stopping leader asked another voter";
    assert!(stdout(&all).contains(why), "{}", stdout(&all));
    // Only one of the two scenarios reaches it, which is enough.
    let reached = sim(&["report", &path, "--require-reach", "roll_called, lease_expired"]);
    assert_eq!(reached.status.code(), Some(0), "{}", stdout(&reached));
    let xml = folder.path("gate.xml");
    let arguments = ["report", &path, "--require-reach", "roll_called,voters_clash"];
    let missed = sim(&[&arguments[..], &["--junit", &xml]].concat());
    assert_eq!(missed.status.code(), Some(3), "{}", stdout(&missed));
    assert!(stdout(&missed).contains("vacuous: never reached by any: voters_clash"));
    assert!(folder.read("gate.xml").contains("no scenario ever reached voters_clash"));
}

/// A run that ends only if it is stopped, after it has written so many lines of results.
fn endless(folder: &Folder, scenario: &str, name: &str, lines: usize) -> Child {
    let path = folder.path(name);
    let mut command = command(&["run", scenario, "--seeds", "5..", "--for", "10h", "--jobs", "2"]);
    command.args(["--jsonl", &path]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the testbed runs");
    while std::fs::read_to_string(&path).map_or(0, |text| text.lines().count()) < lines {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).expect("a process number");
    let pid = rustix::process::Pid::from_raw(pid).expect("not zero");
    rustix::process::kill_process(pid, signal).expect("it still runs");
}

#[test]
fn ctrl_c_ends_the_search_and_leaves_results_that_can_be_used() {
    use rustix::process::Signal;
    for (name, which) in [("int", Signal::INT), ("term", Signal::TERM)] {
        let folder = Folder::new(name);
        let child = endless(&folder, "calm", "a.jsonl", 4);
        signal(&child, which);
        let output = child.wait_with_output().expect("it ends");
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(130), "{text}");
        assert!(text.starts_with("seeds from 5 on of calm"), "{text}");
        assert!(text.contains("stopped: not all seeds have run"), "{text}");
        let written = folder.read("a.jsonl");
        assert!(written.ends_with("\"stopped\":true}\n"), "{written}");
        let seeds = written.lines().count() - 2;
        assert!(text.contains(&format!("  seeds        {seeds} seeds ")), "{seeds}: {text}");
        let report = sim(&["report", &folder.path("a.jsonl")]);
        assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
        assert!(stderr(&report).contains("was stopped in calm, after seed"), "{}", stderr(&report));
        assert!(stdout(&report).contains(&format!("{seeds} seeds ")), "{}", stdout(&report));
    }
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_a_kill_leaves_whole_lines() {
    use rustix::process::Signal;
    let folder = Folder::new("twice");
    // No seed of this one comes to its end while anybody waits.
    let text = "name = \"long\"\ncluster = { voters = 3, disk = \"kept\" }\nhorizon = \"1000h\"\n";
    let long = folder.write("long.toml", text);
    let child = endless(&folder, &long, "a.jsonl", 1);
    // Both signals wait until the process runs on, so that it is the second one that ends it.
    for which in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        signal(&child, which);
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(!stdout(&output).contains("stopped: "), "{}", stdout(&output));

    let mut child = endless(&folder, "calm", "b.jsonl", 4);
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    let written = folder.read("b.jsonl");
    assert!(written.ends_with("}\n"), "{written}");
    let report = sim(&["report", &folder.path("b.jsonl")]);
    assert_eq!(report.status.code(), Some(2));
    let told = stderr(&report).replace("\n       ", " ");
    assert!(told.contains("the run did not come to its end"), "{told}");
    let seeds = written.lines().count() - 1;
    assert!(stdout(&report).contains(&format!("{seeds} seeds ")), "{}", stdout(&report));
}

#[test]
fn determinism_is_shown_against_new_processes_of_any_build() {
    let itself = env!("CARGO_BIN_EXE_fencepost-sim");
    let output = sim(&["determinism", "calm", "--seeds", "3", "--against", itself]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("ok: 3 seeds gave the same run each time"), "{text}");
    let line = text.lines().find(|line| line.starts_with("calm ")).expect("a line of the table");
    let numbers: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((numbers[1], numbers[2], numbers[4]), ("3", "6", "0"), "{line}");
    for (binary, says) in [("/no/such/binary", "cannot compare with"), ("/bin/sh", "no testbed")] {
        let output = sim(&["determinism", "calm", "--against", binary]);
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

#[cfg(unix)]
#[test]
fn determinism_shows_the_first_event_that_differs() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("other-build");
    // Another build: one word of its third event is not the same.
    let script = format!(
        "#!/bin/sh\n'{}' \"$@\" | sed -e '1s/\"hash\":\"/&0/' -e '4s/node: /Node: /'\n",
        env!("CARGO_BIN_EXE_fencepost-sim")
    );
    let other = folder.write("other", &script);
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let output = sim(&["determinism", "calm", "--seeds", "2..2", "--against", &other]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "DIFFERENT calm, seed 2",
        "  2 events are the same, the next one is not",
        "    before  0 ",
        "    here    0 ",
        "    there   0 ",
        "Node: ",
        "  replay  cargo sim replay calm --seed 2\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_random_first_seed_is_told_before_it_runs() {
    let mut child = command(&["run", "calm", "--seeds", "random", "--for", "1ms"]);
    let mut child = child.stdout(Stdio::piped()).spawn().expect("the testbed runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a line").expect("text");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(child.wait().expect("it ends").success(), "{rest:?}");
    let word = first.strip_prefix("seeds from ").and_then(|rest| rest.split(' ').next());
    let seed: u64 = word.and_then(|seed| seed.parse().ok()).expect(&first);
    // Which is all that is needed to run it again.
    let again = sim(&["run", "calm", "--seeds", &format!("{seed}..{seed}")]);
    assert_eq!(again.status.code(), Some(0), "{}", stdout(&again));
}
