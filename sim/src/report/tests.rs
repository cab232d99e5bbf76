//! The screen: its width, its columns and what it says.

use std::path::Path;
use std::time::Duration;

use fencepost::probe::{Mutant, REACH_POINTS};

use super::stats::{Reach, Stats};
use super::summary::{columns_of, failure, header, line, replay_command, vacuous};
use super::text::{Paint, width};
use super::total::Total;
use crate::faults::kind::FAULT_KINDS;
use crate::history::SimTime;
use crate::oracles::Violation;
use crate::run::Verdict;
use crate::search::{BatchReport, BatchVerdict, SeedReport};

/// A screen, with all kinds of fault and all reach points in five digits.
const SCREEN_LINES: usize = 56;

/// More than any run will ever see.
fn enormous() -> BatchReport {
    let count = 123_456_789_012;
    let stats = Stats {
        runs: count,
        simulated_ns: u64::MAX,
        events: count * 1_000,
        leader_changes: count,
        guards: count,
        stops: count,
        kills: count,
        cuts: count,
        pauses: count,
        faults: FAULT_KINDS.iter().map(|(kind, _)| (*kind, count)).collect(),
        enqueued: count,
        effects: count,
        delivered: count,
        failed: count,
        in_doubt: count,
        parked: count,
        unfinished: count,
        reach: Reach([count; REACH_POINTS.len()]),
        ..Stats::default()
    };
    let cpu = Duration::from_millis(12_345);
    BatchReport { stats, cpu, wall: cpu, ..BatchReport::default() }
}

fn failing(what: &str) -> SeedReport {
    let violation =
        |property| Violation { property, at: SimTime(12_345_678_901), event: 1, what: what.into() };
    SeedReport {
        seed: 17,
        verdict: Verdict::Violated(vec![violation("D1"), violation("F1")]),
        violations: 5,
        at_least: true,
        stats: Stats::default(),
        hash: 0,
    }
}

#[track_caller]
fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= width(), "{} columns: {line:?}", line.chars().count());
    }
}

#[test]
fn no_line_is_wider_than_the_screen() {
    let name = "a-name-that-is-much-longer-than-any-name-of-a-scenario-should-be-really";
    let mut report = enormous();
    report.failures.push(failing("x"));
    report.vacuous = 12_345_678_901;
    let verdicts = [
        BatchVerdict::Ok,
        BatchVerdict::Violated,
        BatchVerdict::Vacuous(vec!["never reached it ".repeat(20)]),
    ];
    let mut total = Total::default();
    fits(&header(Paint::OFF));
    for verdict in &verdicts {
        fits(&line(name, &report, verdict, Paint::OFF));
        total.add("rolling", None, &report, verdict);
        fits(&vacuous(&report, verdict));
    }
    fits(&total.screen(Paint::OFF, false));
    fits(&Total::default().screen(Paint::OFF, false));
    let screen = total.screen(Paint::OFF, false);
    assert!(screen.lines().count() <= SCREEN_LINES, "it fits a screen: {screen}");
    let sentence = "n1 sent m17 under token 3 and n2 sent it under token 4 ".repeat(6);
    fits(&failure("rolling", Some(Mutant::NoFenceCheck), &failing(&sentence), None, Paint::OFF));
}

#[test]
fn the_columns_of_the_table_are_aligned() {
    let (head, report) = (header(Paint::OFF), BatchReport::default());
    for (report, word) in [(report, "no seeds"), (enormous(), "ok")] {
        let line = line("calm", &report, &BatchVerdict::Ok, Paint::OFF);
        assert_eq!(line.find(word), head.find("verdict"), "{head}\n{line}");
    }
}

#[test]
fn a_failure_says_what_when_and_how_to_see_it_again() {
    let plan = Path::new("reports/run/rolling-seed-17.toml");
    let mutant = Some(Mutant::FoundingDesign);
    let text = failure("rolling", mutant, &failing("m1 came twice"), Some(plan), Paint::OFF);
    for part in [
        "rolling, seed 17",
        "D1 at 12.345678 s",
        "m1 came twice",
        "and at least 3 more of the same",
        "cargo sim replay rolling --seed 17 --mutant founding_design\n",
        "plan    reports/run/rolling-seed-17.toml\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_command_can_be_pasted_into_a_shell() {
    assert_eq!(replay_command("a b's.toml", 1, None), r"cargo sim replay 'a b'\''s.toml' --seed 1");
}

#[test]
fn the_last_sentence_tells_the_verdict() {
    let mut total = Total::default();
    let mut report = BatchReport::default();
    report.stats.runs = 1;
    total.add("a", None, &report, &BatchVerdict::Ok);
    assert!(total.screen(Paint::OFF, false).ends_with("worth running\n"));
    total.add("b", None, &report, &BatchVerdict::Vacuous(vec![]));
    assert!(total.screen(Paint::OFF, false).contains("vacuous: 1 of 2 scenarios"));
    report.failures.push(failing("x"));
    total.add("c", None, &report, &BatchVerdict::Violated);
    let screen = total.screen(Paint::OFF, false);
    assert!(
        screen.contains("violated: a seed failed in 1 of 3 scenarios; 1 of 3 scenarios proved"),
        "{screen}"
    );
    assert!(screen.contains("cargo sim replay c --seed 17"), "{screen}");
}

#[test]
fn a_shard_without_seeds_does_not_say_that_anything_was_worth_running() {
    let none = BatchReport::default();
    assert!(line("calm", &none, &BatchVerdict::Ok, Paint::OFF).ends_with("no seeds"));
    let mut total = Total::default();
    total.add("a", None, &none, &BatchVerdict::Ok);
    let screen = total.screen(Paint::OFF, false);
    assert!(screen.ends_with("nothing ran: this shard has no seeds of any scenario\n"), "{screen}");
    let mut some = BatchReport::default();
    some.stats.runs = 1;
    total.add("b", None, &some, &BatchVerdict::Ok);
    let screen = total.screen(Paint::OFF, false);
    let says = "ok: every property held; this shard has no seeds of 1 of 2 scenarios\n";
    assert!(screen.ends_with(says), "{screen}");
}

/// On a narrow screen a table leaves out what the end of the run counts again.
#[test]
fn a_table_fits_the_screen_that_there_is() {
    let numbers = || ["1", "2", "3", "4", "5", "6", "7", "8"].map(str::to_owned);
    let of = |width| columns_of(width, "a-scenario-with-a-long-name", numbers(), "VIOLATED");
    for width in [60, 70, 80, 96, 100, 160] {
        let line = of(width);
        assert!(line.chars().count() <= width, "{width}: {line}");
        assert!(line.ends_with("VIOLATED") && line.contains("g-name "), "{line}");
    }
    assert!(of(100).contains(" 5 ") && !of(90).contains(" 5 "), "pauses go first");
    assert_eq!(of(160), of(100));
}

#[test]
fn what_was_not_reached_takes_one_line_unless_it_is_asked_for() {
    let lines = |listed| {
        let screen = Total::default().screen(Paint::OFF, listed);
        screen.lines().skip_while(|line| !line.contains("not reached")).count()
    };
    assert!(lines(true) > lines(false) + 5);
    assert!(Total::default().screen(Paint::OFF, false).contains("points: --reach names them"));
    let mut report = enormous();
    report.stats.reach[3] = 0;
    let mut total = Total::default();
    total.add("a", None, &report, &BatchVerdict::Ok);
    let name = fencepost::probe::REACH_POINTS[3].0;
    let screen = total.screen(Paint::OFF, false);
    assert!(screen.contains(&format!("not reached  {name}\n")), "few are named: {screen}");
}
