//! Every node runs the schedule, one of them acts, and each instant runs at most once: the smallest
//! scheduled job.
//!
//! ```sh
//! cargo example scheduled_job      # every two seconds, until Ctrl-C
//! ```
//!
//! Stop it and run it again a few seconds later: it makes up for what it missed, each instant once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fencepost::jobs::{Job, JobContext, Jobs, Schedule};
use fencepost::store::{MessageId, NewMessage, Outbox, SqliteStore};
use fencepost::{ClusterConfig, ClusterService};
use miette::IntoDiagnostic;

#[tokio::main]
async fn main() -> miette::Result<()> {
    let store = Arc::new(SqliteStore::open(Path::new("jobs-example.db")).into_diagnostic()?);

    let mut jobs = Jobs::default();
    let events = Arc::clone(&store);
    let schedule = Schedule::every(Duration::from_secs(2)).into_diagnostic()?;
    let job = Job::new("distribute events", schedule, move |run: JobContext| {
        let events = Arc::clone(&events);
        async move {
            let late = if run.is_caught_up() { ", to make up for what was missed" } else { "" };
            println!("running {} with token {}{late}", run.id(), run.token());
            // The same id for the same instant: enqueued twice, it is one message.
            let message = NewMessage::new(MessageId::new(&run.id())?, *b"something happened");
            events.enqueue(&[message]).await?;
            Ok(())
        }
    });
    jobs.add(job.into_diagnostic()?).into_diagnostic()?;

    let builder = ClusterService::builder(ClusterConfig::standalone()).store(store);
    let cluster = builder.initialize().await?;
    cluster.schedule(jobs)?;
    cluster.run_until(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
