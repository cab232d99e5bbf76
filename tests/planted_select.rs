//! A planted source of chance: a simulation with an unbiased `select!` is the same run again within
//! its batch, and another one alone in a new process. What `cargo sim determinism` compares with must
//! tell the two apart, and show the first event; with `biased;` there is nothing to tell.
//!
//! This program is its own other process, so it comes without a test harness: `trace` makes it one.

use std::process::{Command, ExitCode};

use fencepost_sim::history::{History, Kind, MessageNo, SimTime};
use fencepost_sim::search::determinism::{Difference, compare, write_trace};
use madsim::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;

/// How often each run chooses between two branches that are both ready.
const CHOICES: u32 = 64;

/// Seeds that run in this process, one after the other.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

/// Whom a run listens to first.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Biased,
    Unbiased,
}

impl Order {
    fn name(self) -> &'static str {
        if self == Self::Biased { "biased" } else { "unbiased" }
    }
}

/// One run: which of two messages came first, again and again.
async fn choose(order: Order) -> History {
    let mut history = History::default();
    for at in 0..CHOICES {
        let ((one, mut first), (two, mut second)) = (unbounded_channel(), unbounded_channel());
        one.send(1).expect("the receiver is here");
        two.send(2).expect("the receiver is here");
        let number = match order {
            Order::Biased => tokio::select! {
                biased;
                number = first.recv() => number,
                number = second.recv() => number,
            },
            Order::Unbiased => tokio::select! {
                number = first.recv() => number,
                number = second.recv() => number,
            },
        };
        let message = MessageNo(number.expect("it was sent"));
        history.push(SimTime(u64::from(at)), Kind::Enqueued { message, key: None });
    }
    history
}

/// Runs a seed as the testbed does: on a fresh thread, in a runtime of its own.
fn run(seed: u64, order: Order) -> History {
    let simulate = move || {
        let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.block_on(choose(order))
    };
    std::thread::spawn(simulate).join().expect("a run does not panic")
}

fn figures(history: &History) -> String {
    format!("{{\"events\":{},\"hash\":\"{:016x}\"}}", history.len(), history.hash())
}

/// The seeds that are another run when they are alone, and the first of the differences.
fn differing(order: Order) -> Vec<(u64, Difference)> {
    let itself = std::env::current_exe().expect("this program has a file");
    let alone = |seed: u64| {
        let history = run(seed, order);
        let mut other = Command::new(&itself);
        other.args(["trace", order.name(), &seed.to_string()]);
        let difference = compare(&figures(&history), &history, &mut other).err()?;
        Some((seed, difference))
    };
    SEEDS.filter_map(alone).collect()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [trace, order, seed] = arguments.as_slice()
        && trace == "trace"
    {
        let order = if order == "biased" { Order::Biased } else { Order::Unbiased };
        let history = run(seed.parse().expect("a seed is a number"), order);
        // The reader goes away when it knows enough.
        let _ = write_trace(&mut std::io::stdout().lock(), &figures(&history), &history);
        return ExitCode::SUCCESS;
    }
    let biased = differing(Order::Biased);
    assert!(biased.is_empty(), "with `biased;` a run is its seed: {biased:?}");
    let unbiased = differing(Order::Unbiased);
    assert!(!unbiased.is_empty(), "the planted select was not caught");
    for (seed, difference) in &unbiased {
        let Difference::Event { here, there, .. } = difference else {
            panic!("seed {seed}: an event differs, not {difference:?}");
        };
        assert!(here.is_some() && there.is_some() && here != there, "seed {seed}: {difference:?}");
    }
    println!("caught in {} of {} seeds", unbiased.len(), SEEDS.count());
    ExitCode::SUCCESS
}
