//! One run: seed → plan → run → history → oracles → verdict.
//!
//! A run has three phases. Warm-up: until a guard was handed out. Faults: the plan's, and the
//! workload. Healing: all faults have ended, and the liveness oracles must hold within the plan's
//! bound. Every seed runs on a fresh thread of its own; see [`run_plan`].

use std::sync::Arc;
use std::time::Duration;

use fencepost::WallTime;
use fencepost::probe::{self, Mutant, REACH_POINTS};
use fencepost::store::{NewMessage, OrderingKey};
use madsim::runtime::Runtime;
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::faults::lines::{self, Lines};
use crate::faults::plan::{Fault, Plan, Start, Workload};
use crate::faults::render;
use crate::history::{Event, History, JobEvent, Kind, MessageNo, Phase, WorkEvent};
use crate::oracles::{self, Outage, Pace, Setting, SinkKind, Unfinished, Violation};
use crate::report::log;
use crate::report::text::{grouped, rate};
use crate::scenario::Scenario;
use crate::scenario::units::duration;
use crate::streams::stream;
use crate::world::World;
use crate::world::clocks::Clocks;
use crate::world::database::{self, Database, SharedBooks, message_id, ordering_key};
use crate::world::disks::Disks;
use crate::world::links::Links;
use crate::world::sinks::POISON;
use crate::world::timer::nanos;
use crate::world::voters::Cluster;

/// How long the first leader may take, and how many elections with a slow timing.
const WARM_UP_MAX: Duration = Duration::from_secs(30);
const WARM_UP_ROUNDS: u32 = 10;

/// How long a healed cluster, and a leader of it, is watched at least, to see that it is stable.
const HEALING_MIN: Duration = Duration::from_secs(3);

/// How often the testbed looks whether a phase is over.
const LOOK: Duration = Duration::from_millis(50);

/// How many of a million messages the recipient refuses for good.
const POISON_PPM: u64 = 10_000;

/// The longest payload of the workload, in bytes.
const PAYLOAD_MAX: usize = 64;

/// How one seed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every property held.
    Ok,
    /// Properties were broken, in the order of the history.
    Violated(Vec<Violation>),
    /// Nothing was broken, but the run proves nothing: the reasons.
    Vacuous(Vec<String>),
    /// The code under test, or the testbed, panicked with this message.
    Panicked(String),
    /// The run went beyond what the testbed takes, which says nothing about the code under test: which
    /// bound, and what to do.
    Overrun(String),
}

/// What one seed is run with, besides its scenario.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The planted bug.
    pub mutant: Option<Mutant>,
    /// Write the log of all nodes to standard output.
    pub log: bool,
}

/// All there is to know about one run.
#[derive(Clone)]
pub struct RunOutcome {
    /// The seed.
    pub seed: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// What became of the scenario's lines; nothing of a plan that was run without its scenario.
    pub lines: Lines,
    /// All events.
    pub history: History,
    /// Time without a valid guard.
    pub outage: Outage,
    /// How often each of the product's reach points was reached, in the order of [`REACH_POINTS`].
    pub reach: [u32; REACH_POINTS.len()],
    /// Where messages went, if there were any.
    pub sink: Option<SinkKind>,
}

/// Runs one seed of a scenario on this thread, which must be fresh; see [`run_plan`].
pub fn run_seed(scenario: &Scenario, seed: u64, options: &RunOptions) -> RunOutcome {
    let rendered = render(scenario, seed);
    let outcome = run_plan(&rendered.plan, options);
    RunOutcome { lines: lines::of_run(&rendered, &outcome.history), ..outcome }
}

/// Runs a plan on this thread. The thread must be fresh: reach counts and planted bugs are kept for
/// each thread, and madsim seeds a thread's hash maps once.
pub fn run_plan(plan: &Plan, options: &RunOptions) -> RunOutcome {
    probe::begin_run(options.mutant);
    let runtime = Runtime::with_seed_and_config(plan.seed, madsim::Config::default());
    runtime.add_simulator::<Clocks>();
    runtime.add_simulator::<Links>();
    runtime.add_simulator::<Disks>();
    let run = || {
        runtime.block_on(async {
            let world = World::build(plan, runtime.handle().clone());
            Run { plan, world }.run().await
        })
    };
    let names = plan.nodes().map(|node| node.to_string());
    let names = names.chain(["db".to_owned(), "sink".to_owned()]);
    let history = if options.log { log::with_log(names, run) } else { run() };
    let setting = setting(plan);
    let verdict = judge(plan, &history, &setting);
    let outage = oracles::outage(&history, &setting);
    let sink = plan.workload.map(|workload| workload.sink);
    let (reach, lines) = (probe::reach_counts(), Lines::new());
    RunOutcome { seed: plan.seed, verdict, lines, history, outage, reach, sink }
}

/// What the oracles are told of a plan.
pub fn setting(plan: &Plan) -> Setting {
    Setting {
        voters: plan.voter_nodes().collect(),
        sink: plan.workload.map_or(SinkKind::Plain, |workload| workload.sink),
        attempts: plan.workload.map_or(1, |workload| workload.handling.attempts),
        leader_within: plan.heal,
        stable: plan.stable,
        delivers: plan.workload.is_some(),
        jobs: plan.jobs.clone(),
        lies_last: lies_last(plan),
        pace: Pace::of(plan),
        outage: plan.outage,
    }
}

fn judge(plan: &Plan, history: &History, setting: &Setting) -> Verdict {
    let violations = oracles::check_all(history, setting);
    if !violations.is_empty() {
        return Verdict::Violated(violations);
    }
    if let Some(unfinished) = oracles::unfinished(history, setting) {
        return Verdict::Vacuous(vec![too_much(&unfinished, plan.heal)]);
    }
    let effect = |event: &Event| matches!(event.kind, Kind::Effect { .. });
    if plan.workload.is_some() && !history.events().iter().any(effect) {
        return Verdict::Vacuous(vec!["nothing was delivered".to_owned()]);
    }
    let began = |event: &Event| matches!(event.kind, Kind::Job(JobEvent::Began { .. }));
    let acted = |event: &Event| matches!(event.kind, Kind::Work(WorkEvent::Acted { .. }));
    let shares = plan.workload.is_some_and(|workload| workload.handling.units > 0);
    if shares && !history.events().iter().any(acted) {
        return Verdict::Vacuous(vec!["nobody acted on a unit of the work".to_owned()]);
    }
    if !plan.jobs.is_empty() && !history.events().iter().any(began) {
        return Verdict::Vacuous(vec!["no job ran".to_owned()]);
    }
    Verdict::Ok
}

/// How long after a lie somebody may still act on it: until an observer comes back to the real leader, or
/// a voter begins anew that it led astray, and until a lease that it gave has ended. See
/// `fencepost::election`.
fn lies_last(plan: &Plan) -> Duration {
    let t = &plan.timing;
    t.election_timeout * 8 + t.promise + t.quarantine
}

/// What to do about messages that were still being delivered when the run ended.
fn too_much(unfinished: &Unfinished, heal: Duration) -> String {
    let Unfinished { left, per_second } = unfinished;
    let needs = unfinished.needs();
    let enough = Duration::from_secs((heal + needs + needs / 4).as_secs() + 1);
    format!(
        "too much work for heal = \"{}\": {} messages are left, and {} end in a second, so that it would \
         take {} more; write heal = \"{}\", or fewer messages",
        duration(heal),
        grouped(*left),
        rate(*per_second),
        duration(needs),
        duration(enough),
    )
}

struct Run<'a> {
    plan: &'a Plan,
    world: World,
}

impl Run<'_> {
    async fn run(self) -> History {
        let Cluster { recorder, timer, .. } = &*self.world.cluster;
        recorder.record(Kind::Phase(Phase::WarmUp));
        // Only a disk that fails makes a process end by itself.
        let disks_fail = self.plan.faults.iter().any(|p| matches!(p.fault, Fault::Disk { .. }));
        let supervisors = if disks_fail { self.world.injector.supervise_all() } else { Vec::new() };
        let t = &self.plan.timing;
        let rounds = (t.quarantine + t.election_timeout + t.jitter) * WARM_UP_ROUNDS;
        let give_up = timer.now() + nanos(WARM_UP_MAX.max(rounds));
        while !self.led() && timer.now() < give_up {
            timer.sleep(LOOK).await;
        }
        if self.led() {
            let operator = self.world.operator.clone();
            let operator = operator.map(|operator| madsim::task::spawn(operator.work()));
            recorder.record(Kind::Phase(Phase::Faults));
            self.faults().await;
            recorder.record(Kind::Phase(Phase::Healing));
            self.heal().await;
            operator.iter().for_each(madsim::task::JoinHandle::abort);
        }
        if let Some(books) = &self.world.books {
            Database::audit(books, recorder, self.store_time())
                .expect("SQLite in memory can be read");
        }
        recorder.record(Kind::End);
        let history = recorder.take();
        // madsim keeps what is pending: without this, every run would leak its tasks.
        self.world.injector.kill_all();
        supervisors.iter().for_each(madsim::task::JoinHandle::abort);
        timer.sleep(Duration::from_millis(1)).await;
        history
    }

    /// Whether every message has ended, and no job's instant waits for its outcome too long, nor the
    /// database for the end of a run.
    fn is_settled(&self) -> bool {
        if self.world.cluster.recorder.holds_back_ends() {
            return false;
        }
        self.world.books.as_ref().is_none_or(|books| {
            let books = database::lock(books);
            books.is_settled() && books.jobs.is_settled(&self.plan.jobs, self.store_time())
        })
    }

    /// The database's wall clock.
    fn store_time(&self) -> WallTime {
        let Cluster { clocks, places, .. } = &*self.world.cluster;
        clocks.wall(places.database())
    }

    /// Whether the same guard has been held for so long.
    fn led_for(&self, long: Duration) -> bool {
        let Cluster { recorder, timer, .. } = &*self.world.cluster;
        recorder.led_since().is_some_and(|since| timer.now() >= since.0 + nanos(long))
    }

    /// Whether someone may act.
    fn led(&self) -> bool {
        self.world.cluster.recorder.led()
    }

    /// Injects the plan's faults while the application writes its messages.
    async fn faults(&self) {
        let timer = &self.world.cluster.timer;
        let start = timer.now();
        let mut running = Vec::new();
        if let Some((workload, books)) = self.plan.workload.zip(self.world.books.clone()) {
            let application = Application {
                workload,
                books,
                cluster: Arc::clone(&self.world.cluster),
                random: stream(self.plan.seed, "workload", 0),
                keys: stream(self.plan.seed, "ordering keys", 0),
            };
            running.push(madsim::task::spawn(application.write()));
        }
        let horizon = start + nanos(self.plan.horizon);
        let recorder = &self.world.cluster.recorder;
        // Those that wait for events do so from now on.
        for planned in &self.plan.faults {
            if let Start::When { event, nth, after } = planned.start {
                let happens = recorder.wait_for(event, nth);
                let injector = self.world.injector.clone();
                let fault = injector.inject_after(happens, after, planned.clone(), horizon);
                running.push(madsim::task::spawn(fault));
            }
        }
        for planned in &self.plan.faults {
            let Start::At(at) = planned.start else { continue };
            let due = start + nanos(at);
            timer.sleep(Duration::from_nanos(due.saturating_sub(timer.now()))).await;
            running.push(madsim::task::spawn(self.world.injector.clone().inject(planned.clone())));
        }
        timer.sleep(Duration::from_nanos(horizon.saturating_sub(timer.now()))).await;
        recorder.give_up_waiting();
        // All faults have ended by plan, but for a graceful stop that takes its time.
        for task in running {
            task.await.expect("neither faults nor the application panic");
        }
    }

    /// Waits until everything is as it should be, at most for the plan's bound.
    async fn heal(&self) {
        let timer = &self.world.cluster.timer;
        let start = timer.now();
        // A leader that was cut off until now still has its lease, and must have lost it by the end.
        let least = HEALING_MIN.max(self.plan.timing.lease * 2);
        loop {
            timer.sleep(LOOK).await;
            let passed = Duration::from_nanos(timer.now() - start);
            // A process may have come back a moment ago: a start waits for whatever holds its machine.
            let all = self.world.cluster.recorder.all_take_part();
            let done = passed >= least && all && self.led_for(least) && self.is_settled();
            if done || passed >= self.plan.heal + least {
                return;
            }
        }
    }
}

/// The application: writes messages into the outbox, next to the database.
struct Application {
    workload: Workload,
    books: SharedBooks,
    cluster: Arc<Cluster>,
    random: Xoshiro256PlusPlus,
    /// A stream of its own, so that keys change no payload.
    keys: Xoshiro256PlusPlus,
}

impl Application {
    /// What the next message is ordered by.
    fn key(&mut self) -> Option<OrderingKey> {
        let keys = self.workload.handling.keys;
        (keys > 0).then(|| ordering_key(self.keys.random_range(1..=keys)))
    }

    async fn write(mut self) {
        for number in 1..=self.workload.messages {
            let message = MessageNo(number);
            let mut payload = vec![0; self.random.random_range(0..=PAYLOAD_MAX)];
            self.random.fill_bytes(&mut payload);
            if self.random.next_u64() % 1_000_000 < POISON_PPM {
                payload.splice(0..0, POISON.iter().copied());
            }
            let now: WallTime = self.cluster.clocks.wall(self.cluster.places.database());
            let new =
                NewMessage { key: self.key(), ..NewMessage::new(message_id(message), payload) };
            let recorder = &self.cluster.recorder;
            let written = database::lock(&self.books).enqueue(&[new], now, recorder);
            written.expect("SQLite in memory can be written");
            self.cluster.timer.sleep(self.workload.every).await;
        }
    }
}
