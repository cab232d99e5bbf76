//! What depends on the moment between two readings of the clock, which other tests cannot meet: one
//! voter, whose clock goes as the test says.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::super::alone::Alone;
use super::super::disk::NoDisk;
use super::super::registrar::Registrar;
use super::*;
use crate::election::{ColdStart, Role};
use crate::store::Unfenced;
use crate::time::WallTime;

/// Shows the readings of a list, one after the other, and then goes on showing the last.
#[derive(Debug, Clone, Default)]
struct Scripted(Arc<Mutex<(Instant, VecDeque<Instant>)>>);

impl Scripted {
    fn show(&self, readings: impl IntoIterator<Item = Instant>) {
        self.0.lock().unwrap().1.extend(readings);
    }
}

impl Clock for Scripted {
    fn now(&self) -> Instant {
        let mut shown = self.0.lock().unwrap();
        if let Some(next) = shown.1.pop_front() {
            shown.0 = next;
        }
        shown.0
    }

    fn wall(&self) -> WallTime {
        WallTime::default()
    }

    async fn sleep_until(&self, deadline: Instant) {
        if self.now() < deadline {
            std::future::pending::<()>().await;
        }
    }
}

struct Unheard;

impl Observer for Unheard {
    fn observe(&self, _: &NodeEvent) {}
}

type Tested = Driver<Alone, Scripted, NoDisk>;

/// The only voter, and it leads.
async fn leader() -> (Tested, Scripted) {
    let me: NodeId = "n1".parse().unwrap();
    let config = Config { cold_start: ColdStart::ByAllVoters, ..Config::of_voter(me, vec![me]) };
    let clock = Scripted::default();
    clock.show([Instant(1)]);
    let (_, rolls) = Registrar::new(Arc::new(Unfenced));
    let observer = Arc::new(Unheard);
    let mut driver =
        Driver::start(config, 7, Alone, clock.clone(), NoDisk, observer, rolls).await.unwrap();
    for _ in 0..20 {
        if driver.lease.get().held {
            return (driver, clock);
        }
        clock.show([driver.election.next_wake()]);
        driver.step(Input::Tick).await.unwrap();
    }
    panic!("the only voter does not lead");
}

#[tokio::test]
async fn a_lease_that_is_renewed_in_time_goes_on() {
    let (mut driver, clock) = leader().await;
    let before = driver.lease.get();
    clock.show([Instant(before.until.0 - 2), Instant(before.until.0 - 1)]);
    driver.step(Input::Tick).await.unwrap();
    let after = driver.lease.get();
    assert!(after.held && after.token == before.token && after.until > before.until);
}

/// Whoever looked in between has seen the end, and acts no more: then the node must not go on leading.
#[tokio::test]
async fn a_lease_that_ran_out_before_its_renewal_was_said_is_given_up() {
    let (mut driver, clock) = leader().await;
    let before = driver.lease.get();
    clock.show([Instant(before.until.0 - 1), before.until]);
    driver.step(Input::Tick).await.unwrap();
    let after = driver.lease.get();
    assert!(!after.held && after.until == before.until, "{after:?}");
    let status = driver.status.get();
    assert!(status.role != Role::Leader && status.leader.is_none(), "{status:?}");
    assert_eq!(driver.election.lease_until(), None);
}

/// Nobody has said that the last act is over.
#[tokio::test]
async fn a_driver_whose_service_is_gone_releases_nothing() {
    let (driver, _) = leader().await;
    let lease = Arc::clone(&driver.lease);
    let (sender, commands) = mpsc::channel(1);
    drop(sender);
    driver.run(commands).await.unwrap();
    assert!(lease.get().held, "it runs out by itself");
}
