//! The scheduler in a node that leads alone, over the real store in memory, in simulated time.

use std::sync::Mutex;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::*;
use crate::cluster::{
    ClusterStatus, Coordinator, ElectionCommand, LeaseState, Mail, NodeEvent, Observer, Terms,
};
use crate::election::Role;
use crate::id::{Boot, Generation, Incarnation, Term, Token};
use crate::jobs::{JobError, Misfire, Overlap, Schedule};
use crate::store::{RunState, SqliteOutbox, SqliteStore};
use crate::time::Instant;

/// Simulated time; the wall clock shows as much.
#[derive(Debug, Clone)]
struct Simulated(tokio::time::Instant);

impl Clock for Simulated {
    fn now(&self) -> Instant {
        Instant(0) + self.0.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime { unix_ms: 1_000_000 + self.now().0 / 1_000_000 }
    }

    async fn sleep_until(&self, deadline: Instant) {
        if let Some(left) = self.now().until(deadline) {
            sleep(left).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it never fails")]
struct Never;

/// Leads until it is told to leave.
struct Alone {
    clock: Simulated,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
}

impl Coordinator for Alone {
    type Clock = Simulated;
    type Error = Never;

    fn clock(&self) -> Simulated {
        self.clock.clone()
    }

    fn status(&self) -> Arc<Watched<ClusterStatus>> {
        Arc::clone(&self.status)
    }

    fn lease(&self) -> Arc<Watched<LeaseState>> {
        Arc::clone(&self.lease)
    }

    fn mail(&self) -> Arc<Mail> {
        Mail::new(self.status.with(|status| status.current)).0
    }

    fn terms(&self) -> Terms {
        let boot = Boot { node: self.status.with(|status| status.current), nonce: 1 };
        let (lease, promise) = (Duration::from_millis(900), Duration::from_millis(950));
        Terms { boot, lease, promise }
    }

    async fn run(self, mut commands: mpsc::Receiver<ElectionCommand>) -> Result<(), Never> {
        let _ = commands.recv().await;
        self.lease.set(LeaseState { held: false, ..self.lease.get() });
        Ok(())
    }
}

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &NodeEvent) {}
}

struct World {
    service: ClusterService<SqliteStore, Simulated>,
    lease: Arc<Watched<LeaseState>>,
    /// What actions said, in order.
    said: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        let clock = Simulated(tokio::time::Instant::now());
        let status = Arc::new(Watched::new(ClusterStatus {
            current: "n1".parse().unwrap(),
            incarnation: Incarnation::FIRST,
            role: Role::Leader,
            generation: Generation::NONE,
            term: Term(1),
            leader: None,
            view: Arc::default(),
            clock_suspects: Arc::default(),
        }));
        let lease = Arc::<Watched<LeaseState>>::default();
        let (wall, coordinator) =
            (clock.clone(), Alone { clock, status, lease: Arc::clone(&lease) });
        let outbox = SqliteOutbox::in_memory().unwrap();
        let store = Arc::new(SqliteStore::new(outbox, move || wall.wall()));
        let service = ClusterService::start(coordinator, store, Arc::new(Silent));
        let world = Self { service, lease, said: Arc::default() };
        world.lead(1);
        world
    }

    fn lead(&self, token: u64) {
        self.lease.set(LeaseState {
            token: Token(token),
            until: Instant(u64::MAX),
            held: true,
            generation: Generation::NONE,
            incarnation: Incarnation::FIRST,
        });
    }

    /// A job that is due every `every` milliseconds and acts as `act` does.
    fn job<F>(
        &self,
        name: &str,
        every: u64,
        act: impl Fn(JobContext<Simulated>, Arc<Mutex<Vec<String>>>) -> F + Send + Sync + 'static,
    ) -> Job<Simulated>
    where
        F: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let (said, every) = (Arc::clone(&self.said), Duration::from_millis(every));
        let schedule = Schedule::every(every).unwrap();
        Job::new(name, schedule, move |context| act(context, Arc::clone(&said))).unwrap()
    }

    fn schedule(&self, jobs: impl IntoIterator<Item = Job<Simulated>>) {
        let mut all = Jobs::default();
        jobs.into_iter().for_each(|job| all.add(job).unwrap());
        self.service.schedule(all);
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// What became of a job's instants, newest first.
    async fn outcomes(&self, name: &str) -> Vec<(RunState, Option<String>)> {
        let name = JobName::new(name).unwrap();
        let history = self.service.store().job_history(&name, 99).await.unwrap();
        history.into_iter().map(|record| (record.state, record.reason)).collect()
    }
}

fn say(said: &Mutex<Vec<String>>, what: impl Into<String>) {
    said.lock().unwrap().push(what.into());
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_job_runs_at_its_instants_and_its_failures_are_its_own() {
    let world = World::new();
    let good = world.job("good", 1000, async |run, said| {
        say(&said, format!("{} by {}", run.id(), run.token()));
        run.check()?;
        Ok(())
    });
    let bad = world.job("bad", 1000, async |_, _| Err(JobError::new("no paper")));
    let worse = world.job("worse", 1000, async |_, _| panic!("out of ink"));
    // A panic of the call, before there is a future.
    let worst = world.job("worst", 1000, |_, _| -> std::future::Ready<Result<(), JobError>> {
        panic!("no printer")
    });
    world.schedule([bad, worse, worst, good]);
    sleep(SECOND * 5 / 2).await;
    assert_eq!(world.said(), ["good@1001000 by 1", "good@1002000 by 1"]);
    let failed = |reason: &str| vec![(RunState::Failed, Some(reason.to_owned())); 2];
    assert_eq!(world.outcomes("good").await, [(RunState::Done, None), (RunState::Done, None)]);
    assert_eq!(world.outcomes("bad").await, failed("no paper"));
    assert_eq!(world.outcomes("worse").await, failed("panicked: out of ink"));
    assert_eq!(world.outcomes("worst").await, failed("panicked: no printer"));
}

#[tokio::test]
async fn a_shutdown_waits_for_the_run_and_begins_no_other() {
    let world = World::new();
    let slow = world.job("slow", 1000, async |run, said| {
        run.stopping().await;
        say(&said, "told");
        sleep(SECOND * 2).await;
        // The guard lasts: what is under way comes to its end.
        run.check()?;
        say(&said, "done");
        Ok(())
    });
    world.schedule([slow.overlap(Overlap::Allow { at_most: 9 }).unwrap()]);
    sleep(SECOND * 3 / 2).await;
    world.service.shutdown().await.unwrap();
    assert_eq!(world.said(), ["told", "done"]);
    assert_eq!(world.outcomes("slow").await, [(RunState::Done, None)]);
}

#[tokio::test]
async fn the_end_of_the_guard_ends_the_run_and_the_next_holder_says_so() {
    let world = World::new();
    let slow = world.job("slow", 1000, async |run, said| {
        say(&said, format!("{} begins", run.id()));
        sleep(SECOND * 5).await;
        say(&said, "never said");
        Ok(())
    });
    world.schedule([slow.misfire(Misfire::Skip).unwrap().grace(SECOND / 2).unwrap()]);
    sleep(SECOND * 3 / 2).await;
    world.lease.set(LeaseState { held: false, ..world.lease.get() });
    sleep(SECOND * 10 + SECOND / 5).await;
    assert_eq!(world.outcomes("slow").await, [(RunState::Running, None)]);
    world.lead(2);
    sleep(SECOND / 10).await;
    let interrupted = "the holder of token 1 lost leadership or died".to_owned();
    let skipped = crate::store::SkipReason::Misfire.text().to_owned();
    assert_eq!(
        world.outcomes("slow").await,
        [(RunState::Skipped, Some(skipped)), (RunState::Interrupted, Some(interrupted))]
    );
    assert_eq!(world.said(), ["slow@1001000 begins"]);
}
