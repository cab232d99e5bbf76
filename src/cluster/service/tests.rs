//! The service over a coordinator that does as the test says, in simulated time.

use std::sync::Mutex;
use std::time::Duration;

use super::super::{Coordinator, ElectionCommand, LeaseState, NodeEvent, STOP_LIMIT};
use super::*;
use crate::id::{Generation, Incarnation, Term, Token};
use crate::time::{Instant, WallTime};
use tokio::sync::oneshot;
use tokio::time::sleep;

const LEASE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(10);

/// The simulated time.
#[derive(Debug, Clone)]
struct Simulated(tokio::time::Instant);

impl Clock for Simulated {
    fn now(&self) -> Instant {
        Instant(0) + self.0.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    async fn sleep_until(&self, deadline: Instant) {
        if let Some(left) = self.now().until(deadline) {
            sleep(left).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the quorum has burnt down")]
struct BurntDown;

struct Obedient {
    clock: Simulated,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
    said: Arc<Mutex<Vec<String>>>,
    fails: oneshot::Receiver<()>,
}

impl Coordinator for Obedient {
    type Clock = Simulated;
    type Error = BurntDown;

    fn clock(&self) -> Simulated {
        self.clock.clone()
    }

    fn status(&self) -> Arc<Watched<ClusterStatus>> {
        Arc::clone(&self.status)
    }

    fn lease(&self) -> Arc<Watched<LeaseState>> {
        Arc::clone(&self.lease)
    }

    async fn run(mut self, mut commands: mpsc::Receiver<ElectionCommand>) -> Result<(), BurntDown> {
        loop {
            let command = tokio::select! {
                biased;
                command = commands.recv() => command.expect("the service holds the other end"),
                Ok(()) = &mut self.fails => return Err(BurntDown),
            };
            match command {
                ElectionCommand::Outranked { .. } => unreachable!("there is no store"),
                ElectionCommand::Resign { term } => {
                    say(&self.said, format!("resign {term}"));
                    lose(&self.lease);
                }
                ElectionCommand::Leave => {
                    say(&self.said, "leave");
                    lose(&self.lease);
                    return Ok(());
                }
            }
        }
    }
}

fn say(said: &Mutex<Vec<String>>, what: impl Into<String>) {
    said.lock().unwrap().push(what.into());
}

fn lose(lease: &Watched<LeaseState>) {
    lease.set(LeaseState { held: false, ..lease.get() });
}

struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &NodeEvent) {}
}

/// A service, and the strings that pull it.
struct World {
    service: ClusterService<Unfenced, Simulated>,
    status: Arc<Watched<ClusterStatus>>,
    lease: Arc<Watched<LeaseState>>,
    /// What happened, in order.
    said: Arc<Mutex<Vec<String>>>,
    fail: oneshot::Sender<()>,
}

impl World {
    fn new() -> Self {
        let current = "n1".parse().unwrap();
        let status = Arc::new(Watched::new(ClusterStatus {
            current,
            incarnation: Incarnation::FIRST,
            role: Role::Rejoining,
            generation: Generation::default(),
            term: Term(0),
            leader: None,
            view: Arc::default(),
            clock_suspects: Arc::default(),
        }));
        let (lease, said) = (Arc::<Watched<LeaseState>>::default(), Arc::default());
        let (fail, fails) = oneshot::channel();
        let coordinator = Obedient {
            clock: Simulated(tokio::time::Instant::now()),
            status: Arc::clone(&status),
            lease: Arc::clone(&lease),
            said: Arc::clone(&said),
            fails,
        };
        let service = ClusterService::start(coordinator, Arc::new(Unfenced), Arc::new(Silent));
        Self { service, status, lease, said, fail }
    }

    fn lead(&self, token: u64) {
        self.lease.set(LeaseState {
            token: Token(token),
            until: self.service.clock().now() + LEASE,
            held: true,
            ..LeaseState::default()
        });
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_latch_opens_with_the_lease_and_not_before() {
    let world = World::new();
    assert!(world.service.leadership().is_none());
    tokio::select! {
        biased;
        _ = world.service.latch() => panic!("there is no lease"),
        () = sleep(MOMENT) => {}
    }
    world.lead(7);
    let guard = world.service.latch().await.unwrap();
    assert_eq!(guard.token(), Token(7));
    assert!(!guard.is_fenced() && guard.check().is_ok());
    assert_eq!(world.service.leadership().unwrap().token(), Token(7));
    lose(&world.lease);
    guard.cancelled().await;
    assert!(guard.check().is_err() && world.service.leadership().is_none());
}

/// The cell holds a guard until the coordinator wakes up; what counts is the clock.
#[tokio::test]
async fn a_guard_whose_lease_has_run_out_unnoticed_is_not_handed_out() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    world.lease.set_quietly(LeaseState { until: world.service.clock().now(), ..world.lease.get() });
    assert!(world.service.leadership().is_none() && guard.check().is_err());
}

#[tokio::test]
async fn a_shutdown_ends_guards_and_hands_over_when_the_last_was_dropped() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    let said = Arc::clone(&world.said);
    tokio::spawn(async move {
        guard.cancelled().await;
        say(&said, "told");
        assert!(guard.check().is_err());
        sleep(STOP_LIMIT / 2).await;
        say(&said, "last act");
    });
    world.service.shutdown().await.unwrap();
    assert_eq!(world.said(), ["told", "last act", "leave"]);
    assert!(matches!(world.service.latch().await, Err(Stopped::ShutDown)));
    assert!(world.service.leadership().is_none());
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_attached_whose_guard_lasts() {
    let world = World::new();
    let said = Arc::clone(&world.said);
    world.service.attach("component", |post| async move {
        let guard = post.guard.wait_for(Option::clone).await;
        post.stop.wait_for(|stop| stop.then_some(())).await;
        sleep(STOP_LIMIT / 2).await;
        say(&said, if guard.check().is_ok() { "may still act" } else { "may not act" });
    });
    world.lead(1);
    let _ = world.service.latch().await.unwrap();
    world.service.shutdown().await.unwrap();
    assert_eq!(world.said(), ["may still act", "leave"]);
    world.service.attach("late", |_| async { panic!("the service has ended") });
    sleep(MOMENT).await;
}

/// What still acts may have an effect at any time: its lease must not be released.
#[tokio::test]
async fn what_outlasts_the_limit_keeps_the_lease_from_being_released() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    let began = world.service.clock().now();
    world.service.shutdown().await.unwrap();
    assert!(world.service.clock().now() >= began + STOP_LIMIT);
    assert!(world.said().is_empty(), "{:?}", world.said());
    assert!(guard.check().is_err());
}

/// It may be held for ever: nothing can be done under it any more.
#[tokio::test]
async fn a_guard_that_was_lost_before_holds_nobody_up() {
    let world = World::new();
    world.lead(1);
    let _guard = world.service.latch().await.unwrap();
    lose(&world.lease);
    sleep(MOMENT).await;
    let began = world.service.clock().now();
    world.service.shutdown().await.unwrap();
    assert!(world.service.clock().now() < began + STOP_LIMIT);
    assert_eq!(world.said(), ["leave"]);
}

#[tokio::test]
async fn selected_work_gives_leadership_up_and_queues_again() {
    let world = World::new();
    let said = Arc::clone(&world.said);
    let selection = world.service.select(move |guard| {
        let said = Arc::clone(&said);
        async move {
            say(&said, format!("work {}", guard.token()));
            sleep(MOMENT).await;
        }
    });
    for token in [3, 5] {
        world.lead(token);
        sleep(10 * MOMENT).await;
    }
    assert_eq!(world.said(), ["work 3", "resign 3", "work 5", "resign 5"]);
    world.service.shutdown().await.unwrap();
    assert!(matches!(selection.ended().await, Stopped::ShutDown));
}

/// Tells of its end, in whatever way it ends.
struct Ends(Arc<Mutex<Vec<String>>>);

impl Drop for Ends {
    fn drop(&mut self) {
        say(&self.0, "work ends");
    }
}

fn endless(world: &World) -> Selection {
    let said = Arc::clone(&world.said);
    world.service.select(move |_guard| {
        let ends = Ends(Arc::clone(&said));
        async move {
            let _ends = ends;
            std::future::pending().await
        }
    })
}

#[tokio::test]
async fn selected_work_is_cancelled_with_its_guard() {
    let world = World::new();
    let _selection = endless(&world);
    world.lead(1);
    sleep(MOMENT).await;
    lose(&world.lease);
    sleep(MOMENT).await;
    assert_eq!(world.said(), ["work ends"], "there is nothing to give up");
    world.lead(2);
    sleep(MOMENT).await;
    world.service.shutdown().await.unwrap();
    assert_eq!(world.said(), ["work ends", "work ends", "leave"]);
}

#[tokio::test]
async fn a_dropped_selection_gives_leadership_up() {
    let world = World::new();
    let selection = endless(&world);
    world.lead(4);
    sleep(MOMENT).await;
    drop(selection);
    sleep(MOMENT).await;
    assert_eq!(world.said(), ["work ends", "resign 4"]);
}

#[tokio::test]
async fn a_watch_tells_the_status_its_changes_and_the_end() {
    let world = World::new();
    let mut watch = world.service.watch();
    assert_eq!(watch.next().await, Some(world.service.status()));
    let joined = ClusterStatus {
        role: Role::Follower,
        leader: Some("n2".parse().unwrap()),
        ..world.service.status()
    };
    world.status.set(ClusterStatus { term: Term(1), ..world.service.status() });
    world.status.set(joined.clone());
    assert_eq!(watch.next().await, Some(joined.clone()), "the latest, not each");
    assert_eq!(world.service.joined().await.unwrap(), joined);
    world.service.shutdown().await.unwrap();
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_service_that_is_dropped_ends_without_handing_over() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    let World { service, said, fail, .. } = world;
    let mut watch = service.watch();
    watch.next().await;
    let selection = service.select(|_| std::future::pending());
    drop(service);
    guard.cancelled().await;
    assert_eq!(watch.next().await, None);
    assert!(matches!(selection.ended().await, Stopped::ShutDown));
    drop(fail);
    assert!(!said.lock().unwrap().contains(&"leave".to_owned()));
}

#[tokio::test]
async fn a_failed_coordinator_ends_everything_with_its_reason() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    world.fail.send(()).unwrap();
    guard.cancelled().await;
    for stopped in [
        world.service.latch().await.unwrap_err(),
        world.service.joined().await.unwrap_err(),
        world.service.ended().await,
        world.service.shutdown().await.unwrap_err(),
    ] {
        assert!(stopped.to_string().ends_with("failed: the quorum has burnt down"), "{stopped}");
    }
}
