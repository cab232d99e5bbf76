//! The store that a configuration names, opened for one command.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use miette::{Context, IntoDiagnostic, Report, miette};
use tokio::runtime::Runtime;

use super::{ConfigArg, Failure};
use fencepost::node::config::NodeConfig;
use fencepost::store::{
    BindError, Counts, EnqueueError, Enqueued, Entry, FenceRow, JobName, JobRuns, JobState, Judged,
    MessageId, NewMessage, Outbox, Page, Passed, PostgresConfig, PostgresStore, RunRecord,
    SqliteOutbox, SqliteStore, StoreConfig, StoreError, Verdict, VerdictError,
};
use fencepost::{Clock, SystemClock, WallTime};

/// An outbox, whichever it is. Calls wait for their answers.
pub(super) enum OpenOutbox {
    Sqlite(SqliteOutbox),
    Postgres(PostgresStore, Runtime),
}

/// Opens the outbox to change something in it; it is created if it does not exist. Another cluster's is
/// refused.
pub(super) fn open(config: &NodeConfig) -> Result<OpenOutbox, Report> {
    open_at(&config.store)?.of_cluster(&config.cluster)
}

/// The same, of an outbox that exists.
pub(super) fn open_existing_of_cluster(config: &ConfigArg) -> Result<OpenOutbox, Failure> {
    let config = config.load()?;
    let outbox = open_existing_at(&config.store)?;
    outbox.of_cluster(&config.cluster).map_err(Failure::AtRun)
}

fn open_at(store: &StoreConfig) -> Result<OpenOutbox, Report> {
    match store {
        StoreConfig::Sqlite(path) => open_file(path).map(OpenOutbox::Sqlite),
        StoreConfig::Postgres(config) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .into_diagnostic()
                .wrap_err("cannot start the async runtime")?;
            let store = runtime.block_on(store_in_database(config))?;
            Ok(OpenOutbox::Postgres(store, runtime))
        }
    }
}

/// Opens an outbox that exists. In a server, the first look creates it.
pub(super) fn open_existing(config: &ConfigArg) -> Result<OpenOutbox, Failure> {
    open_existing_at(&config.load()?.store)
}

/// The same, by where it is.
pub(super) fn open_existing_at(store: &StoreConfig) -> Result<OpenOutbox, Failure> {
    if let StoreConfig::Sqlite(path) = store
        && !path.exists()
    {
        return Err(Failure::AtRun(miette!(
            help = "it is created by the first `fencepost node` or `fencepost enqueue`",
            "there is no outbox at {} yet",
            path.display()
        )));
    }
    open_at(store).map_err(Failure::AtRun)
}

/// Opens the file, which is created if it does not exist.
fn open_file(path: &Path) -> Result<SqliteOutbox, Report> {
    let what = || format!("cannot open the outbox {}", path.display());
    if let Some(directory) = path.parent() {
        // What a node writes is for its user alone.
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(directory);
        made.into_diagnostic().wrap_err_with(what)?;
    }
    SqliteOutbox::open(path).into_diagnostic().wrap_err_with(what)
}

/// Refuses a file that may not be written: no waiting makes it another.
pub(super) fn check_writable(path: &Path) -> Result<(), Report> {
    match File::options().read(true).write(true).open(path) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Err(miette!(
                help =
                    "let this user write to the file and to its folder, or name another in [store]",
                "cannot write to the outbox {}: {error}",
                path.display()
            ))
        }
        // What else is wrong with it is told by whoever opens it.
        _ => Ok(()),
    }
}

/// The store of a node, which takes part while the file cannot be opened, and tries again.
pub(super) fn store_in_file(path: &Path) -> SqliteStore {
    let path = path.to_owned();
    SqliteStore::opened_by(move || {
        open_file(&path).map_err(|error| {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            StoreError::Unavailable(causes.join(": "))
        })
    })
}

/// A store in a database, for a command that needs it at once.
pub(super) async fn store_in_database(config: &PostgresConfig) -> Result<PostgresStore, Report> {
    let store = PostgresStore::open(config).await;
    store.into_diagnostic().wrap_err("cannot open the outbox in PostgreSQL")
}

impl OpenOutbox {
    /// The same, unless it belongs to another cluster than this: nothing of one is put into another's, nor
    /// settled there. It is bound for ever, so once is enough to look.
    fn of_cluster(mut self, ours: &str) -> Result<Self, Report> {
        let fence = self.fence().into_diagnostic().wrap_err("cannot read whose outbox it is")?;
        match fence.cluster {
            Some(theirs) if theirs != ours => {
                Err(BindError::OtherCluster { ours: ours.to_owned(), theirs }.into())
            }
            _ => Ok(self),
        }
    }

    pub(super) fn enqueue(
        &mut self,
        messages: &[NewMessage],
    ) -> Result<Vec<Enqueued>, EnqueueError> {
        match self {
            Self::Sqlite(outbox) => outbox.enqueue(messages, SystemClock.wall()),
            Self::Postgres(store, runtime) => runtime.block_on(store.enqueue(messages)),
        }
    }

    pub(super) fn counts(&mut self) -> Result<Counts, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.counts(),
            Self::Postgres(store, runtime) => runtime.block_on(store.counts()),
        }
    }

    pub(super) fn fence(&mut self) -> Result<FenceRow, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.fence(),
            Self::Postgres(store, runtime) => runtime.block_on(store.fence()),
        }
    }

    pub(super) fn jobs(&mut self) -> Result<Vec<JobName>, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.jobs(),
            Self::Postgres(store, runtime) => runtime.block_on(store.jobs()),
        }
    }

    /// Where a job stands, and the store's clock.
    pub(super) fn job_state(
        &mut self,
        job: &JobName,
    ) -> Result<(Option<JobState>, WallTime), StoreError> {
        let jobs = std::slice::from_ref(job);
        let mut states = match self {
            Self::Sqlite(outbox) => outbox.job_states(jobs, SystemClock.wall())?,
            Self::Postgres(store, runtime) => runtime.block_on(store.job_states(jobs))?,
        };
        Ok((states.jobs.pop().flatten(), states.now))
    }

    pub(super) fn job_history(
        &mut self,
        job: &JobName,
        limit: usize,
    ) -> Result<Vec<RunRecord>, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.job_history(job, limit),
            Self::Postgres(store, runtime) => runtime.block_on(store.job_history(job, limit)),
        }
    }

    pub(super) fn page(&mut self, page: &Page) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.page(page),
            Self::Postgres(store, runtime) => runtime.block_on(store.page(page)),
        }
    }

    pub(super) fn entry(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.entry(id),
            Self::Postgres(store, runtime) => runtime.block_on(store.entry(id)),
        }
    }

    pub(super) fn trail(&mut self, id: &MessageId) -> Result<Vec<Passed>, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.trail(id),
            Self::Postgres(store, runtime) => runtime.block_on(store.trail(id)),
        }
    }

    pub(super) fn judge_all(&mut self, verdicts: &[Verdict]) -> Result<Judged, StoreError> {
        match self {
            Self::Sqlite(outbox) => outbox.judge_all(verdicts, SystemClock.wall()),
            Self::Postgres(store, runtime) => runtime.block_on(store.judge_all(verdicts)),
        }
    }

    pub(super) fn judge(&mut self, verdict: &Verdict) -> Result<Passed, VerdictError> {
        match self {
            Self::Sqlite(outbox) => outbox.judge(verdict, SystemClock.wall()),
            Self::Postgres(store, runtime) => runtime.block_on(store.judge(verdict)),
        }
    }
}
