//! `cargo sim bench`: how fast the testbed is, beside what bounds it, in one run.
//!
//! `core` is the election alone, as plain values in memory. `bare` is a hand-written event loop that
//! carries the same messages between the same cores and the same SQLite, without async, network,
//! history or oracles: what is between it and the testbed is the price of running the real node.
//! Only ratios within one run mean anything; the absolute figures are those of the machine.

mod bare;
mod core;

use std::time::Duration;

// chance: it measures; a run never sees it
use rustix::time::{ClockId, clock_gettime};

use crate::faults::plan::{DiskMode, Handling, Network, Plan, Transport, Workload};
use crate::oracles::SinkKind;
use crate::run::{RunOptions, Verdict, run_plan};
use crate::search::fresh;

/// Seeds of each timed measurement.
const SEEDS: u64 = 300;

/// Seeds of the measurement of memory.
const MEMORY_SEEDS: u64 = 10_000;

/// Simulated seconds of a run's fault phase.
const HORIZON: Duration = Duration::from_secs(60);

/// Seeds of one job in one round of the comparison of one job with two, and how many rounds.
const JOB_SEEDS: u64 = 60;
const ROUNDS: usize = 7;

/// How many times as fast two jobs are to be as one.
const TWO_JOBS_AIM: f64 = 1.9;

/// How the bound is called.
const BARE: &str = "  bare event loop, same messages";

/// What is measured: a cluster without faults.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    voters: u32,
    messages: u32,
    aim: u32,
}

const LOADS: [Load; 2] = [
    Load { name: "3 voters, 60 s, 200 messages", voters: 3, messages: 200, aim: 100 },
    Load { name: "5 voters, 60 s, election only", voters: 5, messages: 0, aim: 250 },
];

impl Load {
    fn plan(self, seed: u64) -> Plan {
        let workload = (self.messages > 0).then(|| Workload {
            messages: self.messages,
            every: HORIZON / (self.messages + 1),
            sink: SinkKind::Dedup { window: Duration::from_secs(300) },
            handling: Handling::default(),
        });
        Plan {
            scenario: self.name.to_owned(),
            seed,
            voters: self.voters,
            observers: 0,
            disk: DiskMode::Kept,
            transport: Transport::Links,
            timing: fencepost::election::Timing::default(),
            network: Network::default(),
            workload,
            jobs: Vec::new(),
            horizon: HORIZON,
            heal: Duration::from_secs(15),
            stable: false,
            outage: None,
            faults: Vec::new(),
        }
    }
}

/// CPU time of this process, in seconds.
fn cpu_seconds() -> f64 {
    seconds_of(ClockId::ProcessCPUTime)
}

fn seconds_of(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
        .as_secs_f64()
}

/// Resident memory of this process in kB, where the system tells.
fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// One seed on a fresh thread; tells how much time it simulated, in seconds.
fn simulate(load: Load, seed: u64) -> f64 {
    // chance: seeds run beside each other and share nothing
    std::thread::scope(|scope| {
        let run = || {
            let outcome = run_plan(&load.plan(seed), &RunOptions::default());
            assert_eq!(outcome.verdict, Verdict::Ok, "{} seed {seed}", load.name);
            outcome.history.events().last().map_or(0.0, |event| event.at.as_secs_f64())
        };
        fresh::spawn(scope, load.name, seed, run).join().expect("a calm run does not panic")
    })
}

fn row(name: &str, seeds: f64, simulated: f64) -> String {
    format!("  {name:<44} {seeds:>10.0} {simulated:>18.0}")
}

/// Runs all measurements; `say` prints a line.
pub fn run(say: &mut dyn FnMut(&str)) {
    say(&format!("  {:<44} {:>10} {:>18}", "per CPU second", "seeds", "simulated seconds"));
    for load in LOADS {
        // Warm: the first runs pay for pages and code.
        simulate(load, 0);
        let begin = cpu_seconds();
        let simulated: f64 = (1..=SEEDS).map(|seed| simulate(load, seed)).sum();
        let spent = cpu_seconds() - begin;
        let per_second = SEEDS as f64 / spent;
        say(&row(load.name, per_second, simulated / spent));

        let begin = cpu_seconds();
        let tally = (1..=SEEDS).fold(bare::Tally::default(), |tally, seed| {
            tally + bare::run(load.voters, load.messages, HORIZON, seed)
        });
        let spent = cpu_seconds() - begin;
        let bare_per_second = SEEDS as f64 / spent;
        say(&row(BARE, bare_per_second, tally.simulated / spent));
        say(&format!(
            "  {:<44} aim {}: {}; {:.1} times the bare loop's cost; {} messages a seed",
            "",
            load.aim,
            if per_second >= f64::from(load.aim) { "met" } else { "missed" },
            bare_per_second / per_second,
            tally.messages / SEEDS,
        ));
    }
    say("");
    two_jobs(say);
    say("");
    let (messages, elections) = (core::messages_per_cpu_second(), core::elections_per_cpu_second());
    say("  core alone, 3 nodes in memory, one thread, per CPU second");
    say(&format!("  {:<44} {:>10.2} million (aim 10)", "  messages handled", messages / 1e6));
    say(&format!("  {:<44} {:>10.0} thousand (aim 500)", "  elections", elections / 1e3));
    say("");
    memory(say);
}

/// What a second processor is worth: nothing but a shared lock, or a shared cache, takes from it.
fn two_jobs(say: &mut dyn FnMut(&str)) {
    say("  two jobs at once beside one, by time passed, on a machine with nothing else to do");
    for load in LOADS {
        let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| rate(load, 2) / rate(load, 1)).collect();
        ratios.sort_by(f64::total_cmp);
        let (median, most) = (ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
        let met = if median >= TWO_JOBS_AIM { "met" } else { "missed" };
        say(&format!(
            "  {:<44} {median:>10.2} times, at best {most:.2} (aim {TWO_JOBS_AIM}: {met})",
            format!("  {}", load.name),
        ));
    }
}

/// Seeds in a second of time passed, with that many jobs.
fn rate(load: Load, jobs: u64) -> f64 {
    let begin = seconds_of(ClockId::Monotonic);
    // chance: seeds run beside each other and share nothing
    std::thread::scope(|scope| {
        for job in 0..jobs {
            scope.spawn(move || {
                for seed in 1..=JOB_SEEDS {
                    simulate(load, job * JOB_SEEDS + seed);
                }
            });
        }
    });
    (jobs * JOB_SEEDS) as f64 / (seconds_of(ClockId::Monotonic) - begin)
}

/// Memory over many seeds: flat, or something is kept.
fn memory(say: &mut dyn FnMut(&str)) {
    say(&format!(
        "  memory over {MEMORY_SEEDS} seeds of {:?}, one thread after another",
        LOADS[0].name
    ));
    let mut next_look = 100;
    for seed in 1..=MEMORY_SEEDS {
        simulate(LOADS[0], seed);
        if seed == next_look {
            let resident = resident_kb().map_or("unknown".to_owned(), |kb| format!("{kb} kB"));
            say(&format!("  {:<44} {resident:>13}", format!("  resident after {seed} seeds")));
            next_look = if seed < 1_000 { 1_000 } else { seed + 3_000 };
        }
    }
}
