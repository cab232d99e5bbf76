//! The service over a coordinator that does as the test says, in simulated time.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::super::testing::{Simulated, World, lose, say};
use super::super::{
    ACTIVATION_PATIENCE, FENCE_LOOK_EVERY, LeaseState, Refusal, Refuser, STOP_LIMIT,
};
use super::*;
use crate::id::{Boot, Generation, Identity, Term, Token};
use crate::store::{Activated, BindError, Roll, StoreError};

const MOMENT: Duration = Duration::from_millis(10);

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

/// A coordinator may lose a lease and be granted it again, which is another leadership to whoever saw the end.
#[tokio::test]
async fn a_guard_that_has_ended_stays_so_whatever_the_coordinator_says_later() {
    let world = World::new();
    world.lead(1);
    let guard = world.service.latch().await.unwrap();
    let other = guard.clone();
    lose(&world.lease);
    assert!(guard.check().is_err());
    world.lead(1);
    assert!(guard.check().is_err() && other.check().is_err(), "it came back");
    other.cancelled().await;
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
    let component = |post: Post<Simulated>| async move {
        let guard = post.guard.wait_for(Option::clone).await;
        post.stop.wait_for(|stop| stop.then_some(())).await;
        sleep(STOP_LIMIT / 2).await;
        say(&said, if guard.check().is_ok() { "may still act" } else { "may not act" });
    };
    world.service.attach("component", component).unwrap();
    world.lead(1);
    let _ = world.service.latch().await.unwrap();
    world.service.shutdown().await.unwrap();
    assert_eq!(world.said(), ["may still act", "leave"]);
    world.service.attach("late", |_| async { panic!("the service has ended") }).unwrap();
    sleep(MOMENT).await;
}

/// Two of a kind would act under the same token, and no fence could tell them apart.
#[tokio::test]
async fn of_components_that_do_the_same_only_one_is_attached() {
    let world = World::new();
    let (end, ended) = oneshot::channel::<()>();
    world.service.attach("sweeper", |_| async { drop(ended.await) }).unwrap();
    world.service.attach("printer", |_| async {}).unwrap();
    let second = world.service.attach("sweeper", |_| async { panic!("two of a kind") });
    assert_eq!(
        second.unwrap_err().to_string(),
        "this service runs a sweeper already, and two would act under the same token: name each \
         after what it does, or wait until the first ends"
    );
    drop(end);
    sleep(MOMENT).await;
    world.service.attach("sweeper", |_| async {}).unwrap();
    world.service.shutdown().await.unwrap();
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
    assert_eq!(world.said(), ["work 3", "hand over 3", "work 5", "hand over 5"]);
    world.service.shutdown().await.unwrap();
    assert!(matches!(selection.ended().await, Stopped::ShutDown));
}

/// L3: what was begun under a guard that is held elsewhere may be under way.
#[tokio::test]
async fn selected_work_does_not_release_a_lease_that_others_act_under() {
    let world = World::new();
    world.lead(1);
    let elsewhere = world.service.latch().await.unwrap();
    let _selection = world.service.select(|_| sleep(MOMENT));
    elsewhere.cancelled().await;
    assert_eq!(world.said(), ["resign 1"]);
    drop(elsewhere);
    world.lead(2);
    sleep(2 * MOMENT).await;
    let component = |post: Post<Simulated>| async move {
        let guard = post.guard.wait_for(Option::clone).await;
        post.stop.wait_for(|stop| stop.then_some(())).await;
        drop(guard);
    };
    world.service.attach("component", component).unwrap();
    world.lead(3);
    sleep(2 * MOMENT).await;
    assert_eq!(world.said(), ["resign 1", "hand over 2", "resign 3"]);
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
    assert_eq!(world.said(), ["work ends", "hand over 4"]);
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

/// A store that never answers: its one call ends no sooner than it likes.
struct Mute;

impl Fence for Mute {
    async fn bind(&self, _: &str) -> Result<(), BindError> {
        Ok(())
    }

    async fn activate(
        &self,
        _: Generation,
        _: Token,
        _: Identity,
    ) -> Result<Activated, StoreError> {
        std::future::pending().await
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        std::future::pending().await
    }

    async fn call_roll(&self, _: Generation, _: &[Boot]) -> Result<Roll, StoreError> {
        std::future::pending().await
    }
}

/// Another node may reach the store: who waits for an answer lets it try, however long its own call lasts.
#[tokio::test]
async fn a_leader_whose_store_does_not_answer_resigns() {
    let world = World::over(|_| Mute);
    world.lead(4);
    let until = world.service.clock().now().plus(60_000_000_000);
    world.lease.set(LeaseState { until, ..world.lease.get() });
    sleep(ACTIVATION_PATIENCE - MOMENT).await;
    assert_eq!(world.said(), Vec::<String>::new());
    sleep(2 * MOMENT).await;
    assert_eq!(world.said(), ["resign 4"]);
    assert!(world.service.leadership().is_none());
}

/// What a store that can be told to fail, or to forget, answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Yes,
    Nothing,
    Failure,
    Floor(u64),
}

/// A store that raises the fence at once, and then says what it is told to.
struct Told(Arc<Watched<Says>>);

impl Fence for Told {
    async fn bind(&self, _: &str) -> Result<(), BindError> {
        Ok(())
    }

    async fn activate(
        &self,
        _: Generation,
        _: Token,
        _: Identity,
    ) -> Result<Activated, StoreError> {
        Ok(Activated::Raised)
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        Err(StoreError::Unavailable("nobody asks".into()))
    }

    async fn confirm(
        &self,
        generation: Generation,
        _: Token,
        _: Identity,
    ) -> Result<Activated, StoreError> {
        match self.0.get() {
            Says::Yes => Ok(Activated::Raised),
            Says::Nothing => std::future::pending().await,
            Says::Failure => Err(StoreError::Unavailable("read-only".into())),
            Says::Floor(floor) => Ok(Activated::Behind { floor: Token(floor), generation }),
        }
    }

    async fn call_roll(&self, _: Generation, _: &[Boot]) -> Result<Roll, StoreError> {
        Err(StoreError::Unavailable("nobody calls".into()))
    }
}

/// A leader that may act, over a store that says so from now on.
async fn leads_over(says: Says) -> (World<Told>, Arc<Watched<Says>>) {
    let told = Arc::new(Watched::new(Says::Yes));
    let store = Arc::clone(&told);
    let world = World::over(|_| Told(store));
    world.lead(4);
    sleep(3 * FENCE_LOOK_EVERY).await;
    assert!(world.service.leadership().is_some());
    assert_eq!(world.said(), Vec::<String>::new());
    told.set(says);
    (world, told)
}

/// Silent, or refusing: whoever may act loses it for a store that is of no use any more, and not before.
#[tokio::test]
async fn a_leader_that_loses_its_store_lets_others_try_after_its_patience() {
    for says in [Says::Nothing, Says::Failure] {
        let (world, _) = leads_over(says).await;
        sleep(ACTIVATION_PATIENCE - FENCE_LOOK_EVERY - MOMENT).await;
        assert!(world.service.leadership().is_some(), "{says:?}");
        sleep(FENCE_LOOK_EVERY + 2 * MOMENT).await;
        assert_eq!(world.said(), ["resign 4"], "{says:?}");
        assert!(world.service.leadership().is_none());
    }
}

#[tokio::test]
async fn patience_grows_while_no_store_answers_and_is_as_before_once_one_does() {
    let world = World::over(|_| Mute);
    for (token, times) in [(4, 1), (5, 2), (6, 4), (7, 4)] {
        world.lead(token);
        sleep(ACTIVATION_PATIENCE * times - MOMENT).await;
        assert_eq!(world.said().len(), token as usize - 4, "still patient with token {token}");
        sleep(2 * MOMENT).await;
        assert_eq!(world.said().last(), Some(&format!("resign {token}")));
    }
    let (world, told) = leads_over(Says::Nothing).await;
    sleep(ACTIVATION_PATIENCE + MOMENT).await;
    told.set(Says::Yes);
    world.lead(5);
    sleep(FENCE_LOOK_EVERY / 2).await;
    told.set(Says::Nothing);
    sleep(ACTIVATION_PATIENCE + MOMENT).await;
    assert_eq!(world.said(), ["resign 4", "resign 5"]);
}

/// A floor below the token: the store has lost what it acknowledged. Above: somebody else was elected.
/// Either way the guard ends at once, and the next election is for a term above both.
#[tokio::test]
async fn a_leader_whose_fence_is_another_leads_on_above_it() {
    for (floor, above) in [(2, 4), (9, 9), (4, 4)] {
        let (world, _) = leads_over(Says::Floor(floor)).await;
        sleep(FENCE_LOOK_EVERY + MOMENT).await;
        assert_eq!(world.said(), [format!("outranked 4 {above}")]);
        assert!(world.service.leadership().is_none());
    }
}

#[tokio::test]
async fn what_a_component_hears_against_the_token_counts_at_once() {
    let refused = |by, token, known| Refusal { token: Token(token), known: Token(known), by };
    for (refusal, said) in [
        (refused(Refuser::Sink, 4, 7), vec!["outranked 4 7"]),
        (refused(Refuser::Store, 4, 6), vec!["outranked 4 6"]),
        (refused(Refuser::Store, 4, 1), vec!["outranked 4 4"]),
        (refused(Refuser::Store, 3, 9), vec![]),
        (refused(Refuser::Sink, 4, u64::MAX), vec![]),
    ] {
        let (world, _) = leads_over(Says::Yes).await;
        world.service.post().refusals.tell(refusal);
        sleep(MOMENT).await;
        assert_eq!(world.said(), said, "{refusal:?}");
        assert_eq!(world.service.leadership().is_some(), said.is_empty(), "{refusal:?}");
    }
}
