//! Every node runs the schedule, one of them acts, and each instant runs at most once: the smallest
//! scheduled job.
//!
//! ```sh
//! cargo example scheduled_job      # every two seconds, until Ctrl-C
//! ```
//!
//! Stop it and run it again: what it missed in the last ten seconds, a job's grace, it runs late, each
//! instant once. What is older is skipped, and recorded as skipped.

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
            let late = run.late_by().as_millis();
            println!("running {} with token {}, {late} ms late", run.id(), run.token());
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
    println!("running every two seconds, until Ctrl-C");
    cluster.run_until(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
