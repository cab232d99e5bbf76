//! What a service refuses to deliver twice, and how long the leader of a shared delivery waits.

use std::time::Duration;

use super::*;
use crate::cluster::testing::World;
use crate::delivery::{Promise, SendError, Stamp};
use crate::id::{Generation, Identity, Incarnation, Token};
use crate::store::{
    Attempt, Fence, MessageId, MessageState, NewMessage, Outbox, Outgoing, Permit, SqliteOutbox,
    SqliteStore, WorkName,
};

struct Nowhere;

impl Sink for Nowhere {
    fn promise(&self) -> Promise {
        Promise::Plain
    }

    async fn send(&self, _: &Outgoing, _: Stamp) -> Result<(), SendError> {
        Ok(())
    }
}

fn work(name: &str, units: u32) -> Work {
    Work { name: WorkName::new(name).unwrap(), units }
}

/// Two dispatchers of one token would each take what the other claimed for its own.
#[tokio::test]
async fn an_outbox_is_delivered_once_for_a_service_alone_or_shared() {
    let store = |wall: crate::cluster::testing::Simulated| {
        SqliteStore::new(SqliteOutbox::in_memory().unwrap(), move || wall.wall())
    };
    let (sink, config) = (Arc::new(Nowhere), DispatcherConfig::default);
    let alone = World::over(store).service;
    alone.deliver(Arc::clone(&sink), config()).unwrap();
    let again = alone.deliver(Arc::clone(&sink), config()).unwrap_err();
    assert!(again.to_string().starts_with("this service runs a dispatcher already"), "{again}");
    let shared = alone.deliver_shared(Arc::clone(&sink), config(), work("outbox", 4));
    assert!(matches!(shared, Err(DistributeError::AlreadyAttached(_))), "{shared:?}");
    // It was not distributed either.
    alone.distribute(work("outbox", 4), |_| std::future::pending()).unwrap();

    let shared = World::over(store).service;
    // What is refused for another reason takes no place.
    let none = shared.deliver_shared(Arc::clone(&sink), config(), work("outbox", 0));
    assert!(matches!(none, Err(DistributeError::Units { .. })), "{none:?}");
    shared.deliver_shared(Arc::clone(&sink), config(), work("outbox", 4)).unwrap();
    let again = shared.deliver_shared(Arc::clone(&sink), config(), work("other", 4));
    assert!(matches!(again, Err(DistributeError::AlreadyAttached(_))), "{again:?}");
    assert!(shared.deliver(sink, config()).is_err());
    let twice = shared.distribute(work("outbox", 4), |_| std::future::pending());
    assert!(matches!(twice, Err(DistributeError::NameTaken { .. })), "{twice:?}");
}

/// A worker's permission may outlast the leader that gave it, by as much as was promised (950 ms here).
#[tokio::test]
async fn claims_under_an_earlier_leader_stand_until_its_workers_have_no_permission() {
    let world = World::over(|clock| {
        SqliteStore::new(SqliteOutbox::in_memory().unwrap(), move || clock.wall())
    });
    let store = Arc::clone(world.service.store());
    let id = MessageId::new("m").unwrap();
    store.enqueue(&[NewMessage::new(id.clone(), *b"hello")]).await.unwrap();
    let holder = Identity { node: "n2".parse().unwrap(), incarnation: Incarnation::FIRST };
    store.activate(Generation::NONE, Token(4), holder).await.unwrap();
    let attempt = Attempt { id: id.clone(), number: 1 };
    let permit = Permit::of_holder(Token(4));
    store.claim(&permit, &[attempt], world.service.clock().wall()).await.unwrap();
    let config = DispatcherConfig::default();
    world.service.deliver_shared(Arc::new(Nowhere), config, work("outbox", 4)).unwrap();
    world.lead(5);
    for (after, is_claimed) in [(500, true), (1000, false)] {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let id = id.clone();
        let state = store.with(move |outbox, _| outbox.state_of(&id)).await.unwrap();
        assert_eq!(state == Some(MessageState::Claimed), is_claimed, "{state:?}");
    }
}
