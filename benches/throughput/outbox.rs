//! The outbox as applications use it: a service of one node that delivers to a sink which does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fencepost::delivery::{DispatcherConfig, Promise, SendError, Sink, Stamp};
use fencepost::store::{
    MessageId, MessageState, NewMessage, Outgoing, PostgresConfig, PostgresStore, SqliteOutbox,
    SqliteStore, Store,
};
use fencepost::{Clock, ClusterConfig, ClusterService, SystemClock};
use miette::IntoDiagnostic;
use tokio::sync::Notify;

use super::bare;

/// How many messages are enqueued at once, before the clock starts.
const ENQUEUED_AT_ONCE: usize = 500;

/// How often the store is asked whether the last ones are marked.
const LOOK: Duration = Duration::from_millis(1);

pub const PAYLOAD: &[u8] = &[7; 64];

/// Messages per second, in a new file.
pub async fn sqlite(batch: usize, messages: usize) -> miette::Result<f64> {
    let directory = tempfile::tempdir().into_diagnostic()?;
    let file = directory.path().join("outbox.db");
    let outbox = SqliteOutbox::open(&file).into_diagnostic()?;
    let store = Arc::new(SqliteStore::new(outbox, || SystemClock.wall()));
    let counted = Arc::clone(&store);
    let delivered = || async {
        let counts = counted.with(|outbox, _| outbox.counts()).await.into_diagnostic()?;
        Ok(counts.of(MessageState::Delivered))
    };
    let tidy = async { bare::tidy_sqlite(&file).into_diagnostic() };
    through(store, batch, messages, tidy, delivered).await
}

/// The same, in a database of its own.
pub async fn postgres(connection: &str, batch: usize, messages: usize) -> miette::Result<f64> {
    let database = bare::database(connection).await?;
    let store = PostgresStore::open(&PostgresConfig::new(&database)).await.into_diagnostic()?;
    let counted = store.clone();
    let delivered = || async {
        let counts = counted.counts().await.into_diagnostic()?;
        Ok(counts.of(MessageState::Delivered))
    };
    let tidy = bare::tidy_postgres(&database);
    through(Arc::new(store), batch, messages, tidy, delivered).await
}

async fn through<S: Store, F>(
    store: Arc<S>,
    batch: usize,
    messages: usize,
    tidy: impl Future<Output = miette::Result<()>>,
    delivered: impl Fn() -> F,
) -> miette::Result<f64>
where
    F: Future<Output = miette::Result<u64>>,
{
    let all: Vec<_> = (0..messages)
        .map(|number| {
            let id = MessageId::new(&format!("message-{number}")).into_diagnostic()?;
            Ok(NewMessage::new(id, PAYLOAD))
        })
        .collect::<miette::Result<_>>()?;
    for some in all.chunks(ENQUEUED_AT_ONCE) {
        store.enqueue(some).await.into_diagnostic()?;
    }
    tidy.await?;
    let service =
        ClusterService::builder(ClusterConfig::standalone()).store(store).initialize().await?;
    let sink = Arc::new(Nothing { left: AtomicUsize::new(messages), done: Notify::new() });
    // Until now there is no guard that could be waited for without taking part.
    drop(service.latch().await.into_diagnostic()?);
    let began = Instant::now();
    service
        .deliver(Arc::clone(&sink), DispatcherConfig { batch, ..DispatcherConfig::default() })?;
    sink.done.notified().await;
    while delivered().await? < messages as u64 {
        tokio::time::sleep(LOOK).await;
    }
    let passed = began.elapsed();
    service.shutdown().await.into_diagnostic()?;
    Ok(messages as f64 / passed.as_secs_f64())
}

/// Takes everything, and says when it has taken all.
struct Nothing {
    left: AtomicUsize,
    done: Notify,
}

impl Sink for Nothing {
    fn promise(&self) -> Promise {
        Promise::Deduplicates { window: Duration::from_secs(3600) }
    }

    async fn send(&self, _: &Outgoing, _: Stamp) -> Result<(), SendError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
        Ok(())
    }
}
