//! Messages that wait in a SQLite file are delivered by whoever leads: the smallest outbox.
//!
//! ```sh
//! cargo example outbox         # enqueues three messages, and delivers what is pending
//! ```
//!
//! Run it again: the messages are there already, and nobody gets them twice. The recipient is the
//! sink below, which here is the console; for files, webhooks and mail there are sinks in the library.

use std::path::Path;
use std::sync::Arc;

use fencepost::delivery::{DispatcherConfig, Promise, SendError, Sink, Stamp};
use fencepost::store::{
    Enqueued, MessageId, MessageState, NewMessage, Outbox, Outgoing, SqliteStore,
};
use fencepost::{ClusterConfig, ClusterService};
use miette::IntoDiagnostic;

#[tokio::main]
async fn main() -> miette::Result<()> {
    let store = SqliteStore::open(Path::new("outbox-example.db")).into_diagnostic()?;
    let store = Arc::new(store);

    for number in 1..=3 {
        let id = MessageId::new(&format!("hello-{number}")).into_diagnostic()?;
        let message = NewMessage::new(id, format!("Hello, number {number}!").as_bytes());
        for answer in store.enqueue(&[message]).await.into_diagnostic()? {
            match answer {
                Enqueued::Added => println!("enqueued hello-{number}"),
                Enqueued::Exists(state) => {
                    println!("hello-{number} is there already: {}", state.name());
                }
            }
        }
    }

    let cluster = ClusterService::builder(ClusterConfig::standalone())
        .store(Arc::clone(&store))
        .initialize()
        .await?;
    cluster.deliver(Arc::new(Console), DispatcherConfig::default())?;
    println!("delivering, until Ctrl-C");
    let signal = async { drop(tokio::signal::ctrl_c().await) };
    cluster.run_until(signal).await?;
    let counts = store.with(|outbox, _| outbox.counts()).await.into_diagnostic()?;
    for state in MessageState::ALL {
        println!("{}: {}", state.name(), counts.of(state));
    }
    Ok(())
}

/// A recipient that cannot tell what it has seen: each message goes to it at most once.
struct Console;

impl Sink for Console {
    fn promise(&self) -> Promise {
        Promise::Plain
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        let text = String::from_utf8_lossy(&message.payload);
        println!("delivered {} with token {}: {text}", message.id, stamp.token);
        Ok(())
    }
}
