//! What is told of lines that came to nothing.

use super::*;
use crate::faults::lines::{self, Fate, Lines, fates};
use crate::faults::render;
use crate::history::History;
use crate::run::run_seed;
use crate::scenario::Origin;
use crate::search::fresh::run_alone;

/// What the lines of the scenario came to over these seeds, as a batch tells it.
fn told(scenario: &Scenario, seeds: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let (mut sum, mut runs) = (Lines::new(), 0);
    for seed in seeds {
        let run = || run_seed(scenario, seed, &RunOptions::default());
        for (line, tally) in run_alone("in vain", seed, run).lines {
            sum.entry(line).or_default().merge(&tally);
        }
        runs += 1;
    }
    let origins: Vec<&Origin> = scenario.faults.iter().map(|line| &line.origin).collect();
    lines::in_vain(&origins, &sum, runs)
}

const SHORT: &str = "name = \"test\"\ncluster = { voters = 3 }\nhorizon = \"8s\"\n";

fn short(faults: &str) -> Scenario {
    scenario(&format!("{SHORT}workload = {{ messages = 20 }}\nfaults = [\n{faults}\n]\n"))
}

#[test]
fn lines_that_never_begin_are_named_and_no_others() {
    let never = "{ when = \"leader(n2)\", nth = 900, pause = \"n1\", for = \"1s\" }";
    let text = format!("{{ at = \"1s\", pause = \"n2\", for = \"1s\" }},\n{never},");
    let told = told(&short(&text), 1..=3);
    assert_eq!(told, [format!("line 7 never began, in any of 3 seeds: {never}")]);
}

#[test]
fn lines_that_meet_nothing_are_named() {
    // Twice the same: the second finds nobody up.
    let late = "{ at = \"2s..2.5s\", kill = \"n1\", down = \"1s\" }";
    let text = format!("{{ at = \"1s\", die = \"n1\", down = \"5s\" }},\n{late}");
    let scenario = short(&text);
    assert_eq!(told(&scenario, 1..=2), [format!("line 7 met nothing, in any of 2 seeds: {late}")]);
    assert_eq!(told(&scenario, 1..=1), [format!("line 7 met nothing: {late}")]);
}

#[test]
fn a_line_whose_faults_come_in_turn_must_come_to_its_end() {
    // The event comes at 4 s, and the third restart would come at 10 s.
    let text = "{ at = \"4s\", kill = \"leader\", down = \"100ms\" },\n\
                { when = \"leader\", rolling = \"kill\", gap = \"2s\" }";
    let told = told(&short(text), 1..=3);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("line 7 never came to its end"), "{told:?}");
}

#[test]
fn what_the_swarm_draws_is_no_line() {
    let swarm = "[swarm]\ncount = 9\ndraw = { kill = 1, pause = 1 }\n";
    let scenario = scenario(&format!("{SHORT}{swarm}"));
    let rendered = render(&scenario, 1);
    assert!(!rendered.lines.is_empty() && rendered.lines.iter().all(Option::is_none));
    assert_eq!(rendered.plan, generate(&scenario, 1));
    assert!(told(&scenario, 1..=2).is_empty());
}

#[test]
fn a_line_that_is_meant_for_other_seeds_is_none_of_this_one() {
    let text = "name = \"test\"\ncluster = { voters = 3, disk = [\"kept\", \"none\"] }\n\
                horizon = \"8s\"\nfaults = [{ at = \"1s\", disk = \"n1\", is = \"full\", for = \"1s\" }]";
    let scenario = scenario(text);
    let without = (1..50).find(|seed| render(&scenario, *seed).plan.disk == DiskMode::None);
    let without = without.expect("half of all seeds");
    assert!(render(&scenario, without).lines.is_empty());
    assert!(told(&scenario, without..=without).is_empty());
    let none = lines::in_vain(&[&scenario.faults[0].origin], &Lines::new(), 2);
    assert!(none[0].contains("line 4 is in no plan, in any of 2 seeds"), "{none:?}");
}

#[test]
fn faults_that_are_written_alike_are_counted_one_by_one() {
    let line = |text: &str| with_faults(text).faults[0].clone();
    let scenario =
        Scenario { faults: vec![line("{ at = \"1s\", kill = \"leader\" }"); 3], ..with_faults("") };
    let plan = generate(&scenario, 1);
    let mut history = History::default();
    let line = plan.faults[0].to_string();
    let at = crate::history::SimTime(1);
    history.push(at, Kind::Fault { kind: "kill", line: line.clone() });
    history.push(at, Kind::FaultMissed { line });
    let fates = fates(&plan.faults, &history);
    assert_eq!(fates, [Fate::Injected, Fate::MetNothing, Fate::NeverBegan]);
}

/// Without messages nobody asks the database or the sink.
#[test]
fn faults_of_services_that_nobody_uses_meet_nothing() {
    let faults = [
        "{ at = \"1s\", restart = \"db\", down = \"1s\" }",
        "{ at = \"1s\", fail = \"sink\", for = \"1s\" }",
        "{ at = \"1s\", cut = \"n1, n2 <-> db\", for = \"1s\" }",
    ];
    let lists = faults.join(",\n");
    let of = |scenario: &Scenario| told(scenario, 1..=1);
    let idle = of(&scenario(&format!("{SHORT}faults = [\n{lists}\n]\n")));
    let expected =
        faults.iter().zip(5..).map(|(fault, line)| format!("line {line} met nothing: {fault}"));
    assert_eq!(idle, expected.collect::<Vec<_>>());
    let all = scenario(&format!("{SHORT}faults = [{{ at = \"1s\", cut = \"n1\", for = \"1s\" }}]"));
    assert!(of(&all).is_empty());
    assert!(of(&short(&lists)).is_empty());
}
