//! The scheduler in a node that leads alone, over the real store in memory, in simulated time.

use tokio::time::sleep;

use super::*;
use crate::cluster::testing::{Said, Simulated, World, lose, say};
use crate::jobs::{JobError, Misfire, Overlap, Schedule};
use crate::store::{RunState, SqliteOutbox, SqliteStore};

fn leading() -> World<SqliteStore> {
    let outbox = SqliteOutbox::in_memory().unwrap();
    let world = World::over(|clock| SqliteStore::new(outbox, move || clock.wall()));
    world.lead(1);
    world
}

impl World<SqliteStore> {
    /// A job that is due every `every` milliseconds and acts as `act` does.
    fn job<F>(
        &self,
        name: &str,
        every: u64,
        act: impl Fn(JobContext<Simulated>, Said) -> F + Send + Sync + 'static,
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
        self.service.schedule(all).unwrap();
    }

    /// What became of a job's instants, newest first.
    async fn outcomes(&self, name: &str) -> Vec<(RunState, Option<String>)> {
        let name = JobName::new(name).unwrap();
        let history = self.service.store().job_history(&name, 99).await.unwrap();
        history.into_iter().map(|record| (record.state, record.reason)).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_job_runs_at_its_instants_and_its_failures_are_its_own() {
    let world = leading();
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
    let world = leading();
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
    assert_eq!(world.said(), ["told", "done", "leave"]);
    assert_eq!(world.outcomes("slow").await, [(RunState::Done, None)]);
}

#[tokio::test]
async fn the_end_of_the_guard_ends_the_run_and_the_next_holder_says_so() {
    let world = leading();
    let slow = world.job("slow", 1000, async |run, said| {
        say(&said, format!("{} begins", run.id()));
        sleep(SECOND * 5).await;
        say(&said, "never said");
        Ok(())
    });
    world.schedule([slow.misfire(Misfire::Skip).unwrap().grace(SECOND / 2).unwrap()]);
    sleep(SECOND * 3 / 2).await;
    lose(&world.lease);
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

/// Under one token the store could not tell which of two schedulers a run belongs to.
#[tokio::test]
async fn a_second_schedule_is_refused_whatever_its_jobs() {
    let world = leading();
    let jobs = |name| {
        let mut jobs = Jobs::default();
        jobs.add(world.job(name, 1000, async |_, _| Ok(()))).unwrap();
        jobs
    };
    world.service.schedule(Jobs::default()).unwrap();
    world.service.schedule(jobs("one")).unwrap();
    for name in ["one", "another"] {
        let refused = world.service.schedule(jobs(name)).unwrap_err();
        assert!(refused.to_string().ends_with("add all jobs to one `Jobs`, and schedule that"));
    }
    sleep(SECOND * 3 / 2).await;
    assert_eq!(world.outcomes("one").await, [(RunState::Done, None)]);
    assert_eq!(world.outcomes("another").await, []);
}

/// A rolling deployment: this node leads on and has the schedule of before, when the first node of the new
/// version starts; and then it is rolled back.
#[tokio::test]
async fn the_schedule_of_the_node_that_started_last_is_run_and_nothing_of_before_it() {
    let world = leading();
    let report = world.job("report", 1000, async |run, said| {
        say(&said, run.id());
        Ok(())
    });
    world.schedule([report.misfire(Misfire::CatchUp { at_most: 99 }).unwrap()]);
    sleep(SECOND * 5 / 2).await;
    let store = Arc::clone(world.service.store());
    let announce = async |every: u64| {
        let schedule = Schedule::every(Duration::from_millis(every)).unwrap().to_text();
        let name = JobName::new("report").unwrap();
        store.announce_jobs(&[JobPlan { name, schedule }]).await.unwrap();
    };
    // Of every 700 ms there were some instants by now; they were never due.
    announce(700).await;
    assert_eq!(world.said(), ["report@1001000", "report@1002000"]);
    sleep(SECOND * 3 / 2).await;
    let expected = ["report@1001000", "report@1002000", "report@1003100", "report@1003800"];
    assert_eq!(world.said(), expected);
    // Whoever leads next runs by it, too, though it has the other one.
    lose(&world.lease);
    world.lead(2);
    sleep(SECOND * 7 / 10).await;
    assert_eq!(world.said()[4..], ["report@1004500"]);
    announce(1000).await;
    sleep(SECOND * 2).await;
    assert_eq!(world.said()[5..], ["report@1005000", "report@1006000"]);
}
