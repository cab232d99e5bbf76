//! Batches with made-up runs.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use fencepost::probe::{Mutant, REACH_POINTS};

use super::hunt::HuntReport;
use super::verdict::{FAILURES_KEPT, SEEDS_PER_VACUOUS, VACUOUS_KEPT};
use super::{Batch, BatchReport, BatchVerdict, Part, Progress, SeedReport, Seeds};
use crate::faults::lines::{LineTally, Lines};
use crate::faults::plan::node;

use crate::history::{History, Kind, MessageNo, SimTime};
use crate::oracles::{MAX_VIOLATIONS, Outage, Violation};
use crate::run::{RunOptions, RunOutcome, Verdict};
use crate::scenario::Scenario;

fn scenario(more: &str) -> Scenario {
    let text = format!(
        "name = \"made up\"\ncluster = {{ voters = 3, disk = \"kept\" }}\n\
         workload = {{ messages = 5, every = \"50ms\", sink = \"dedup\" }}\nhorizon = \"20s\"\n{more}"
    );
    Scenario::parse("made-up.toml", &text).map_err(miette::Report::new).unwrap()
}

/// A run that delivers one message.
fn outcome(seed: u64, verdict: Verdict) -> RunOutcome {
    let mut history = History::default();
    let message = MessageNo(1);
    history.push(SimTime(seed), Kind::Enqueued { message, key: None });
    let token = fencepost::Token(1);
    history.push(SimTime(seed), Kind::Effect { message, key: message, token, node: node(1) });
    RunOutcome {
        seed,
        verdict,
        lines: Lines::new(),
        history,
        outage: Outage::default(),
        reach: [0; REACH_POINTS.len()],
        sink: None,
    }
}

fn violated(properties: &[&'static str]) -> Verdict {
    let violation = |property: &&'static str| Violation {
        property,
        at: SimTime(5),
        event: 0,
        what: format!("{property} was broken"),
    };
    Verdict::Violated(properties.iter().map(violation).collect())
}

fn vacuous() -> Verdict {
    Verdict::Vacuous(vec!["nothing happened".to_owned()])
}

fn batch(scenario: &Scenario, first: u64, last: u64, jobs: usize) -> Batch<'_> {
    Batch {
        scenario,
        seeds: Seeds { first, last },
        options: RunOptions::default(),
        jobs,
        time_limit: None,
        stop_at_first: false,
    }
}

fn report_of(scenario: &Scenario, verdicts: Vec<Verdict>) -> BatchReport {
    let mut report = BatchReport::default();
    for (seed, verdict) in (1..).zip(verdicts) {
        report.add(&SeedReport::of(&outcome(seed, verdict)), &scenario.expect);
    }
    report
}

#[test]
fn seeds_are_reported_in_order_each_from_a_thread_of_its_own() {
    let scenario = scenario("");
    for jobs in [1, 2, 7] {
        let threads = Mutex::new(BTreeSet::new());
        let mut seen = Vec::new();
        let report = batch(&scenario, 3, 40, jobs).explore_with(
            &|seed| {
                let name = std::thread::current().name().map(str::to_owned);
                assert!(threads.lock().unwrap().insert(name), "a thread ran two seeds");
                // The later ones are faster.
                std::thread::sleep(Duration::from_millis((43 - seed) % 5));
                outcome(seed, Verdict::Ok)
            },
            &mut |progress| match progress {
                Progress::Done(seed) => seen.push((seed.seed, seed.hash)),
                Progress::Slow(..) | Progress::Stopping(_) => panic!("nothing is slow here"),
            },
        );
        assert_eq!(threads.lock().unwrap().len(), 38);
        let expected = (3..=40).map(|seed| (seed, outcome(seed, Verdict::Ok).history.hash()));
        assert!(seen.iter().copied().eq(expected));
        assert_eq!((report.stats.runs, report.stats.effects, report.failed), (38, 38, 0));
        assert_eq!(report.verdict(&scenario), BatchVerdict::Ok);
    }
}

#[test]
fn a_panic_fails_its_seed_and_ends_nothing() {
    let scenario = scenario("");
    let run = |seed| {
        assert!(seed != 3, "seed three is broken");
        outcome(seed, Verdict::Ok)
    };
    let report = batch(&scenario, 1, 9, 2).explore_with(&run, &mut |_| {});
    assert_eq!((report.stats.runs, report.failed), (9, 1));
    assert_eq!(report.failures[0].seed, 3);
    let Verdict::Panicked(message) = &report.failures[0].verdict else { panic!("no panic") };
    assert!(message.contains("seed three is broken"), "{message}");
    assert_eq!(report.verdict(&scenario), BatchVerdict::Violated);
}

#[test]
fn the_first_failure_can_end_the_batch_and_what_is_behind_it_is_not_counted() {
    let scenario = scenario("");
    let run = |seed| match seed {
        6 | 8 => outcome(seed, violated(&["D1"])),
        _ => outcome(seed, Verdict::Ok),
    };
    for jobs in [1, 4] {
        let mut batch = batch(&scenario, 1, u64::MAX, jobs);
        batch.stop_at_first = true;
        let report = batch.explore_with(&run, &mut |_| {});
        assert_eq!((report.stats.runs, report.failed, report.failures[0].seed), (6, 1, 6));
    }
}

#[test]
fn a_time_limit_ends_the_batch_but_not_before_one_seed() {
    let scenario = scenario("");
    let mut endless = batch(&scenario, 1, u64::MAX, 2);
    endless.time_limit = Some(Duration::ZERO);
    let report = endless.explore_with(&|seed| outcome(seed, Verdict::Ok), &mut |_| {});
    assert_eq!(report.stats.runs, 1);
    let mut at_the_end = batch(&scenario, u64::MAX, u64::MAX, 2);
    at_the_end.time_limit = Some(Duration::from_secs(60));
    let report = at_the_end.explore_with(&|seed| outcome(seed, Verdict::Ok), &mut |_| {});
    assert_eq!(report.stats.runs, 1);
}

#[test]
fn a_shard_runs_its_own_seeds_in_order() {
    let scenario = scenario("");
    let mut all = BTreeSet::new();
    for shard in ["0/3", "1/3", "2/3"] {
        let part = Part { shard: shard.parse().unwrap(), ..Part::default() };
        let mut seen = Vec::new();
        let run = |seed| outcome(seed, Verdict::Ok);
        batch(&scenario, 5, 14, 2).explore_part_with(&part, &run, &mut |progress| {
            if let Progress::Done(seed) = progress {
                seen.push(seed.seed);
            }
        });
        assert!(seen.is_sorted_by(|a, b| a + 3 == *b), "{shard}: {seen:?}");
        assert!(seen.iter().all(|seed| all.insert(*seed)), "{shard}: {seen:?}");
    }
    assert!(all.into_iter().eq(5..=14));
    let part = Part { shard: "3/4".parse().unwrap(), ..Part::default() };
    let run = |_| panic!("there is no seed for this shard");
    let report = batch(&scenario, 1, 3, 2).explore_part_with(&part, &run, &mut |_| {});
    assert_eq!((report.stats.runs, report.stopped), (0, false));
}

#[test]
fn a_wish_to_stop_lets_running_seeds_end_and_starts_no_more() {
    let scenario = scenario("");
    let part = Part::default();
    let run = |seed| {
        if seed == 4 {
            part.stop.wish();
        }
        outcome(seed, Verdict::Ok)
    };
    let mut told = 0;
    let mut endless = batch(&scenario, 1, u64::MAX, 1);
    endless.time_limit = Some(Duration::from_secs(36_000));
    let report = endless.explore_part_with(&part, &run, &mut |progress| {
        told += u64::from(matches!(progress, Progress::Stopping(_)));
    });
    assert_eq!((report.stats.runs, report.stopped, told), (4, true, 1));
    let report = endless.explore_part_with(&part, &run, &mut |_| {});
    assert_eq!((report.stats.runs, report.stopped), (0, true), "wished before it began");
    // Wished by the last seed: nothing is missing.
    let part = Part::default();
    let run = |seed| {
        part.stop.wish();
        outcome(seed, Verdict::Ok)
    };
    let report = batch(&scenario, 1, 1, 1).explore_part_with(&part, &run, &mut |_| {});
    assert_eq!((report.stats.runs, report.stopped), (1, false));
}

#[test]
fn a_report_is_the_same_in_whatever_order_its_seeds_come() {
    let scenario = scenario("");
    let verdict = |seed: u64| match seed % 4 {
        0 => violated(&["D1"]),
        1 => vacuous(),
        2 => Verdict::Panicked("oh".to_owned()),
        _ => Verdict::Ok,
    };
    let seeds = 1..=60;
    let report = |order: Vec<u64>| {
        let mut report = BatchReport::default();
        for seed in order {
            report.add(&SeedReport::of(&outcome(seed, verdict(seed))), &scenario.expect);
        }
        report
    };
    let (one, other) = (report(seeds.clone().collect()), report(seeds.rev().collect()));
    assert_eq!((one.failures.len(), one.vacuous_seeds.len()), (FAILURES_KEPT, VACUOUS_KEPT));
    assert_eq!(one.failures, other.failures);
    assert_eq!(one.vacuous_seeds, other.vacuous_seeds);
    assert_eq!((&one.stats, &one.broken), (&other.stats, &other.broken));
    assert_eq!(one.verdict(&scenario), other.verdict(&scenario));
}

#[test]
fn only_so_many_failures_are_kept_and_all_are_counted() {
    let scenario = scenario("");
    let many = violated(&["D1", "D1", "F1", "D1"]);
    let report = report_of(&scenario, vec![many; 3 * FAILURES_KEPT]);
    assert_eq!(report.failed, 3 * FAILURES_KEPT as u64);
    assert_eq!(report.failures.len(), FAILURES_KEPT);
    assert_eq!(report.broken["D1"], 3 * FAILURES_KEPT as u64);
    assert_eq!(report.failures[0].violations, 4);
    assert!(report.failures[0].broken().eq(["D1", "F1"]), "the first of each property");
    let report = report_of(&scenario, vec![Verdict::Panicked("oh".to_owned()); 2 * FAILURES_KEPT]);
    assert_eq!((report.panicked, report.failures.len()), (2 * FAILURES_KEPT as u64, FAILURES_KEPT));
    let report = report_of(&scenario, vec![vacuous(); 3 * VACUOUS_KEPT]);
    let BatchVerdict::Vacuous(reasons) = report.verdict(&scenario) else { panic!("not vacuous") };
    assert_eq!(reasons.len(), VACUOUS_KEPT + 1);
    assert_eq!(reasons[0], "seed 1: nothing happened");
    assert!(reasons[VACUOUS_KEPT].contains('6'), "{reasons:?}");
}

#[test]
fn a_failure_outranks_vacuity_and_vacuity_outranks_ok() {
    let plain = scenario("");
    let verdict = |verdicts| report_of(&plain, verdicts).verdict(&plain);
    assert_eq!(verdict(vec![Verdict::Ok]), BatchVerdict::Ok);
    assert!(matches!(verdict(vec![Verdict::Ok, vacuous()]), BatchVerdict::Vacuous(_)));
    let panicked = Verdict::Panicked("oh".to_owned());
    assert_eq!(verdict(vec![vacuous(), panicked]), BatchVerdict::Violated);
    assert_eq!(verdict(vec![vacuous(), violated(&["V1"])]), BatchVerdict::Violated);
    assert!(matches!(verdict(vec![]), BatchVerdict::Vacuous(_)), "no seed proves nothing");
}

/// A night of the swarm draws a mixture now and then under which nothing comes through.
#[test]
fn few_vacuous_seeds_of_many_are_told_and_forgiven() {
    let scenario = scenario("");
    let verdict = |runs: u64, empty| {
        let verdicts = (0..runs).map(|at| if at < empty { vacuous() } else { Verdict::Ok });
        let report = report_of(&scenario, verdicts.collect());
        let told = crate::report::summary::vacuous(&report, &report.verdict(&scenario));
        (report.verdict(&scenario).name(), told)
    };
    assert_eq!(verdict(SEEDS_PER_VACUOUS - 1, 1).0, "vacuous");
    assert_eq!(verdict(SEEDS_PER_VACUOUS, 2).0, "vacuous");
    let (name, told) = verdict(SEEDS_PER_VACUOUS, 1);
    assert_eq!(name, "ok");
    assert!(told.contains("1 of 1,000 seeds"), "{told}");
    assert!(told.contains("seed 1: nothing happened"), "{told}");
    assert_eq!(verdict(SEEDS_PER_VACUOUS, 0), ("ok", String::new()));
}

#[test]
fn what_a_batch_must_reach_is_asked_of_the_batch_only() {
    let reach = REACH_POINTS[0].0;
    let scenario = scenario(&format!(
        "[expect]\nreach = [\"{reach}\"]\nfaults = [\"pause\"]\nleader_changes = 2\n"
    ));
    let mut report = report_of(&scenario, vec![Verdict::Ok]);
    report.stats.effects = 0;
    let BatchVerdict::Vacuous(reasons) = report.verdict(&scenario) else { panic!("not vacuous") };
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for missed in ["delivered", reach, "pause", "changed 0 times, expected 2"] {
        assert!(reasons.iter().any(|reason| reason.contains(missed)), "{missed}: {reasons:?}");
    }
    assert_eq!(report.verdict_of_seeds(&scenario), BatchVerdict::Ok);
    report.stats.effects = 1;
    report.stats.reach[0] = 1;
    report.stats.faults.insert("pause", 1);
    report.stats.leader_changes = 2;
    assert_eq!(report.verdict(&scenario), BatchVerdict::Ok);
}

#[test]
fn a_scenario_may_expect_that_something_breaks() {
    let scenario = scenario("[expect]\nverdict = [\"L1\", \"L2\"]\n");
    let verdict = |verdicts| report_of(&scenario, verdicts).verdict(&scenario);
    assert_eq!(verdict(vec![Verdict::Ok, violated(&["L1"])]), BatchVerdict::Ok);
    assert_eq!(verdict(vec![violated(&["L1", "L2"])]), BatchVerdict::Ok);
    assert_eq!(verdict(vec![violated(&["L1"]), violated(&["L1", "F1"])]), BatchVerdict::Violated);
    let BatchVerdict::Vacuous(reasons) = verdict(vec![Verdict::Ok]) else { panic!("not vacuous") };
    assert_eq!(reasons, ["expected to break L1 or L2, and nothing broke"]);
    let none = report_of(&scenario, vec![]);
    assert_eq!(none.verdict_of_seeds(&scenario), BatchVerdict::Ok, "a shard without seeds");
    assert!(matches!(none.verdict(&scenario), BatchVerdict::Vacuous(_)), "a batch without seeds");
}

#[test]
fn a_hunt_accepts_only_what_the_mutant_breaks() {
    let scenario = scenario("");
    let hunt = |mutant, with, without| HuntReport {
        mutant,
        with: report_of(&scenario, with),
        without: report_of(&scenario, without),
    };
    let ok = || vec![Verdict::Ok];
    let lease = |with| hunt(Mutant::LeaseFromReply, with, ok()).problem();
    assert_eq!(lease(vec![Verdict::Ok, violated(&["L1"])]), None);
    assert_eq!(lease(vec![violated(&["E3", "L1"])]), None);
    assert!(lease(ok()).unwrap().contains("not found within 1 seeds"));
    assert!(lease(vec![violated(&["E3"])]).unwrap().contains("reported E3, which is not L1"));
    assert!(lease(vec![violated(&["L1", "D1"])]).unwrap().contains("broke D1"));
    let panicked = vec![Verdict::Panicked("oh".to_owned())];
    assert!(lease(panicked).unwrap().contains("panicked"));
    let fence = |without| hunt(Mutant::NoFenceCheck, vec![violated(&["F1", "D1"])], without);
    assert_eq!(fence(ok()).problem(), None);
    let dirty = fence(vec![violated(&["V1"])]).problem().unwrap();
    assert!(dirty.contains("without the bug, too: V1"), "{dirty}");
}

#[test]
fn a_line_of_which_nothing_came_makes_a_whole_batch_vacuous() {
    let fault = "{ at = \"3s\", kill = \"n1\" }";
    let scenario = scenario(&format!("faults = [\n  {fault},\n]\n"));
    let mut report = report_of(&scenario, vec![Verdict::Ok; 4]);
    let mut verdict = |tally: LineTally| {
        report.stats.lines.insert(0, tally);
        assert_eq!(report.verdict_of_seeds(&scenario), BatchVerdict::Ok, "of one shard of many");
        report.verdict(&scenario)
    };
    let never = LineTally { planned: 4, ..LineTally::default() };
    let reason = |flaw: &str| {
        let text = format!("line 6 {flaw}, in any of 4 seeds: {fault}");
        BatchVerdict::Vacuous(vec![text])
    };
    assert_eq!(verdict(never), reason("never began"));
    assert_eq!(verdict(LineTally { due: 3, whole: 3, ..never }), reason("met nothing"));
    assert_eq!(verdict(LineTally { due: 3, whole: 3, met: 1, ..never }), BatchVerdict::Ok);
    assert_eq!(verdict(LineTally::default()), reason("is in no plan"));
}

/// What the testbed cannot run says nothing about the code, and is neither a failure nor vacuous.
#[test]
fn a_seed_beyond_the_testbeds_bounds_is_an_error_of_its_own() {
    let scenario = scenario("");
    let overrun = || Verdict::Overrun("too many events".to_owned());
    let verdict = |verdicts| report_of(&scenario, verdicts).verdict(&scenario);
    let reasons = BatchVerdict::Overrun(vec!["seed 2: too many events".to_owned()]);
    assert_eq!(verdict(vec![Verdict::Ok, overrun()]), reasons);
    assert_eq!(verdict(vec![vacuous(), overrun()]), reasons);
    assert_eq!(verdict(vec![violated(&["D1"]), overrun()]), BatchVerdict::Violated);
    let outcome = super::fresh::run_caught(1, || {
        std::panic::panic_any(crate::world::recorder::Overrun("too many events".to_owned()))
    });
    assert_eq!(outcome.verdict, overrun());
}

#[test]
fn oracles_stop_to_tell_and_their_count_is_a_least_one() {
    let report = |count| SeedReport::of(&outcome(1, violated(&vec!["D1"; count])));
    let (few, many) = (report(MAX_VIOLATIONS - 1), report(MAX_VIOLATIONS));
    assert_eq!((few.violations, few.at_least), (MAX_VIOLATIONS - 1, false));
    assert_eq!((many.violations, many.at_least), (MAX_VIOLATIONS, true));
}

/// The time that shrinking takes is part of the batch's.
#[test]
fn a_batch_with_a_failure_leaves_time_for_it() {
    let scenario = scenario("");
    let limit = Some(Duration::from_secs(3600));
    let timed = Batch { time_limit: limit, ..batch(&scenario, 1, 9, 1) };
    let part = Part { spare: Duration::from_secs(3600), ..Part::default() };
    let run = |seed| outcome(seed, if seed == 3 { violated(&["D1"]) } else { Verdict::Ok });
    let report = timed.explore_part_with(&part, &run, &mut |_| {});
    assert!((3..=4).contains(&report.stats.runs), "{} seeds", report.stats.runs);
    let fine = |seed| outcome(seed, Verdict::Ok);
    assert_eq!(timed.explore_part_with(&part, &fine, &mut |_| {}).stats.runs, 9);
}
