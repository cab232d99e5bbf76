//! `cargo sim timing`: failover and handover in simulated time, beside what DESIGN section 3 says
//! they should take; and what a heartbeat costs in messages.
//!
//! A *failover* counts from the leader's death to its successor's first lease, and on to its guard;
//! a *handover* from the release. Simulated time knows no machine, so these figures are the same
//! everywhere.

use std::time::Duration;

use fencepost::NodeId;
use fencepost::election::Timing;

use crate::faults::plan::{
    DiskMode, Fault, Handling, Harm, Latency, Network, Plan, PlannedFault, Shape, Target,
    Transport, Workload,
};
use crate::history::{History, Kind, MessageKind, Phase, SimTime};
use crate::oracles::SinkKind;
use crate::run::{RunOptions, RunOutcome, Verdict, run_plan};
use crate::search::fresh;

/// Seeds of each row of the table.
const SEEDS: u64 = 1_000;

/// When the leader goes; the seed adds to it, so that it goes in any phase of its heartbeats.
const GOES_AT: Duration = Duration::from_secs(3);

/// A leader that goes, and the cluster that it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// How many voters there are.
    pub voters: u32,
    /// Whether it stops gracefully; else it is killed.
    pub graceful: bool,
    /// Latency of every link, from and to.
    pub latency: (Duration, Duration),
    /// Whether votes are synced to a disk.
    pub disk: DiskMode,
}

/// What came of one seed, in simulated time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Succession {
    /// Until the successor was elected.
    pub elected: Duration,
    /// Until it had its first lease.
    pub lease: Duration,
    /// Until it was handed its guard.
    pub guard: Duration,
}

impl Case {
    /// The plan of one seed.
    pub fn plan(self, seed: u64) -> Plan {
        let timing = Timing::default();
        let phase = timing.heartbeat.mul_f64((seed % 97) as f64 / 97.0);
        let (low, high) = self.latency;
        let latency = Latency { low, high, shape: Shape::Uniform };
        let fault = Fault::Bounce {
            nodes: vec![Target::Leader],
            graceful: self.graceful,
            harm: Harm::None,
            down: Duration::from_secs(4),
            slow_start: Duration::ZERO,
        };
        Plan {
            scenario: "timing".to_owned(),
            seed,
            voters: self.voters,
            observers: 0,
            disk: self.disk,
            transport: Transport::Links,
            timing,
            network: Network { latency, ..Network::default() },
            workload: Some(Workload {
                messages: 1,
                every: Duration::from_millis(1),
                sink: SinkKind::Dedup { window: Duration::from_secs(300) },
                handling: Handling::default(),
            }),
            jobs: Vec::new(),
            horizon: Duration::from_secs(12),
            heal: Duration::from_secs(15),
            stable: false,
            outage: None,
            faults: vec![PlannedFault::at(GOES_AT + phase, fault)],
        }
    }

    fn outcome(self, seed: u64) -> RunOutcome {
        let plan = self.plan(seed);
        let run = || run_plan(&plan, &RunOptions::default());
        fresh::run_alone(&plan.scenario, seed, run)
    }

    /// The succession of one seed.
    ///
    /// # Errors
    /// The run broke a property, or nobody succeeded: what it says.
    pub fn run(self, seed: u64) -> Result<Succession, String> {
        let outcome = self.outcome(seed);
        match &outcome.verdict {
            Verdict::Violated(found) => {
                return Err(format!("seed {seed} broke {}: {}", found[0].property, found[0].what));
            }
            Verdict::Panicked(message) => return Err(format!("seed {seed} panicked: {message}")),
            Verdict::Overrun(message) => return Err(format!("seed {seed}: {message}")),
            Verdict::Ok | Verdict::Vacuous(_) => {}
        }
        succession(&outcome.history, self.graceful).ok_or(format!("seed {seed}: nobody succeeded"))
    }
}

/// From the end of the first leader to its successor.
fn succession(history: &History, graceful: bool) -> Option<Succession> {
    let mut gone: Option<(NodeId, SimTime)> = None;
    let (mut elected, mut lease) = (None, None);
    for event in history.events() {
        match (&event.kind, gone) {
            (Kind::Released { node, .. }, None) if graceful => gone = Some((*node, event.at)),
            (Kind::Down { node, .. }, None) if !graceful => gone = Some((*node, event.at)),
            (Kind::Elected { .. }, Some((_, since))) => {
                elected = elected.or(Some(nanoseconds(event.at, since)));
            }
            (Kind::LeaseExtended { node, .. }, Some((left, since))) if *node != left => {
                lease = lease.or(Some(nanoseconds(event.at, since)));
            }
            (Kind::GuardIssued { .. }, Some((_, since))) => {
                let guard = nanoseconds(event.at, since);
                return Some(Succession { elected: elected?, lease: lease?, guard });
            }
            _ => {}
        }
    }
    None
}

fn nanoseconds(at: SimTime, since: SimTime) -> Duration {
    Duration::from_nanos(at.since(since))
}

/// How many messages of the election are sent for each heartbeat of a settled leader, with none
/// else between; `None` unless it is the same for all.
pub fn messages_a_heartbeat(history: &History) -> Option<u64> {
    let faults = |kind: &Kind| *kind == Kind::Phase(Phase::Faults);
    let settled = history.events().iter().skip_while(|event| !faults(&event.kind));
    let end = |kind: &Kind| matches!(kind, Kind::Phase(Phase::Healing) | Kind::Fault { .. });
    let (mut first, mut beats, mut messages) = (None, 0_u64, 0_u64);
    for event in settled.take_while(|event| !end(&event.kind)) {
        let Kind::Sent { to, what, .. } = &event.kind else { continue };
        if *what == MessageKind::Heartbeat {
            // A round begins with the message to the first of the voters.
            let first = *first.get_or_insert(*to);
            beats += u64::from(*to == first);
        }
        if first.is_some() {
            messages += 1;
        }
    }
    // The last round may not be answered yet.
    let a_beat = messages.div_ceil(beats.max(1));
    (beats > 1 && a_beat * beats - messages < a_beat).then_some(a_beat)
}

/// What DESIGN section 3 says a failover takes on average, up to the first lease:
/// E − H/2 + J/N + 3 RTT.
pub fn expected_failover(case: Case) -> Duration {
    let timing = Timing::default();
    timing.election_timeout - timing.heartbeat / 2
        + timing.jitter / case.voters
        + 3 * round_trip(case)
}

/// The same for a killed leader with the usual timing and links.
pub fn usual_failover(voters: u32) -> Duration {
    let latency = (Duration::from_micros(300), Duration::from_millis(2));
    expected_failover(Case { voters, graceful: false, latency, disk: DiskMode::Kept })
}

fn round_trip(case: Case) -> Duration {
    case.latency.0 + case.latency.1
}

/// Runs all cases and tells the table. The answer is whether every seed kept all properties and had
/// a successor.
pub fn run(say: &mut dyn FnMut(&str)) -> bool {
    let slow = (Duration::from_micros(300), Duration::from_millis(2));
    let even = (Duration::from_millis(2), Duration::from_millis(2));
    say(&format!("{SEEDS} seeds a row; times in ms of simulated time: mean, p99, most"));
    let mut good = true;
    say("case                                      expected     to lease             to guard");
    for (graceful, what) in [(false, "failover"), (true, "handover")] {
        for voters in [3, 5] {
            for (latency, disk, links) in [
                (slow, DiskMode::Kept, "0.3-2 ms links, synced disk"),
                (even, DiskMode::None, "2 ms links, no disk"),
            ] {
                let case = Case { voters, graceful, latency, disk };
                good &= tell(&format!("{what} N={voters}, {links}"), case, SEEDS, say);
            }
        }
    }
    for voters in [3, 5] {
        let case = Case { voters, graceful: false, latency: slow, disk: DiskMode::Kept };
        let outcome = case.outcome(1);
        let counted = messages_a_heartbeat(&outcome.history);
        let counted = counted.map_or("not steady".to_owned(), |counted| counted.to_string());
        say(&format!(
            "messages a heartbeat, N={voters}: {counted}, expected 2(N-1) = {}",
            2 * (voters - 1)
        ));
    }
    good
}

/// Tells one row, or the first seed that went wrong in its place: then the answer is false.
fn tell(name: &str, case: Case, seeds: u64, say: &mut dyn FnMut(&str)) -> bool {
    let row = (1..=seeds).map(|seed| case.run(seed)).collect::<Result<Vec<_>, _>>();
    match &row {
        Ok(found) => say(&line(name, case, found)),
        Err(why) => say(&format!("{name}: {why}")),
    }
    row.is_ok()
}

fn line(name: &str, case: Case, found: &[Succession]) -> String {
    let expected = match case.graceful {
        true => round_trip(case) * 3 / 2,
        false => expected_failover(case),
    };
    let lease = spread(found.iter().map(|succession| succession.lease).collect());
    let guard = spread(found.iter().map(|succession| succession.guard).collect());
    format!("{name:<41} {:>8.1} {lease}  {guard}", millis(expected))
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).expect("few seeds");
    let p99 = times[times.len() * 99 / 100];
    let most = times[times.len() - 1];
    format!("{:>6.1} {:>6.1} {:>6.1}", millis(mean), millis(p99), millis(most))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the simulated machines need besides the links; a call is handled within microseconds.
    const SLACK: Duration = Duration::from_micros(100);

    #[test]
    fn a_handover_takes_one_and_a_half_round_trips_and_one_transaction() {
        let one_way = Duration::from_millis(2);
        for voters in [3, 5] {
            let latency = (one_way, one_way);
            let case = Case { voters, graceful: true, latency, disk: DiskMode::None };
            for seed in 1..=30 {
                let took = case.run(seed).expect("a good run");
                assert!(took.lease <= one_way * 3 + SLACK, "N={voters}, seed {seed}: {took:?}");
                // The transaction is one more round trip, to the database.
                assert!(took.guard <= one_way * 5 + SLACK, "N={voters}, seed {seed}: {took:?}");
            }
        }
    }

    #[test]
    fn a_failover_takes_what_the_formula_says() {
        let latency = (Duration::from_micros(300), Duration::from_millis(2));
        let case = Case { voters: 3, graceful: false, latency, disk: DiskMode::Kept };
        let times: Vec<_> =
            (1..=60).map(|seed| case.run(seed).expect("a good run").lease).collect();
        let mean = times.iter().sum::<Duration>() / 60;
        let expected = expected_failover(case);
        assert!(mean < expected * 5 / 4 && mean > expected * 3 / 4, "{mean:?} for {expected:?}");
    }

    #[test]
    fn a_row_that_went_wrong_says_so_and_is_not_good() {
        let even = Duration::from_millis(2);
        let good = Case { voters: 3, graceful: true, latency: (even, even), disk: DiskMode::None };
        // Slower than any lease, so that nobody ever leads.
        let never = Duration::from_secs(5);
        let bad = Case { latency: (never, never), ..good };
        let mut rows = Vec::new();
        assert!(tell("good", good, 2, &mut |row| rows.push(row.to_owned())));
        assert!(!tell("bad", bad, 2, &mut |row| rows.push(row.to_owned())));
        let [told, wrong] = rows.as_slice() else { panic!("{rows:?}") };
        assert!(told.starts_with("good ") && !told.contains("seed"), "{told}");
        assert!(wrong.starts_with("bad: seed 1"), "{wrong}");
    }

    #[test]
    fn a_heartbeat_costs_two_messages_a_follower() {
        for voters in [2, 3, 5] {
            let latency = (Duration::from_micros(300), Duration::from_millis(2));
            let case = Case { voters, graceful: false, latency, disk: DiskMode::Kept };
            let outcome = case.outcome(7);
            let expected = u64::from(2 * (voters - 1));
            assert_eq!(messages_a_heartbeat(&outcome.history), Some(expected), "N={voters}");
        }
    }
}
