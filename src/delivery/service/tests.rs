//! What a service refuses to deliver twice.

use super::*;
use crate::cluster::testing::World;
use crate::delivery::{Promise, SendError, Stamp};
use crate::store::{Outgoing, SqliteOutbox, SqliteStore, WorkName};

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
