//! Sessions as the pool keeps them, and what the server says in them beside its answers.
//!
//! COMMIT can succeed with a warning. A server that waits for a synchronous standby and is told to wait no
//! longer, by `pg_cancel_backend` or a shutdown, says that it did what it was asked, and warns
//! that only it knows: a standby that takes over does not. So warnings are kept beside each session, for
//! whoever waits for its COMMIT. They are noted before the answer that follows them on the wire is passed
//! on.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Config, Connection, Error, Socket};
use tracing::debug;

use super::hosts::in_turn;

pub(super) type Pool = deadpool::managed::Pool<Sessions>;
pub(super) type Object = deadpool::managed::Object<Sessions>;

/// The function of the server that says what a program in PL/pgSQL, such as a trigger, has to say. It is
/// not about the commit.
const RAISED_BY_A_PROGRAM: &str = "exec_stmt_raise";

/// Makes sessions.
pub(super) struct Sessions {
    pub(super) settings: Config,
    pub(super) dial: Box<dyn Dial>,
}

impl Manager for Sessions {
    type Type = Session;
    type Error = Error;

    async fn create(&self) -> Result<Session, Error> {
        in_turn(&*self.dial, &self.settings).await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<Error> {
        match session.is_closed() {
            true => Err(RecycleError::message("the connection is closed")),
            false => Ok(()),
        }
    }
}

/// A connection to the server, and what it warns of.
pub(super) struct Session {
    client: ClientWrapper,
    pub(super) warnings: Arc<Warnings>,
}

impl Deref for Session {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

/// The last warning of a session.
#[derive(Default)]
pub(super) struct Warnings(Mutex<Option<String>>);

impl Warnings {
    /// The last one since this was asked.
    pub(super) fn take(&self) -> Option<String> {
        self.lock().take()
    }

    fn note(&self, said: &DbError) {
        // The first is the class of warnings, whatever language the second is in.
        let warns = said.code().code().starts_with("01")
            || said.parsed_severity() == Some(Severity::Warning)
            || said.severity() == "WARNING";
        if warns && said.routine() != Some(RAISED_BY_A_PROGRAM) {
            *self.lock() = Some(format!("{} (SQLSTATE {})", said.message(), said.code().code()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Session, Error>> + Send + 'a>>;

/// Connects to one server, encrypted or not.
pub(super) trait Dial: Send + Sync {
    /// Connects as these settings say.
    fn dial<'a>(&'a self, settings: &'a Config) -> Dialling<'a>;
}

impl<T> Dial for T
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn dial<'a>(&'a self, settings: &'a Config) -> Dialling<'a> {
        Box::pin(async move {
            let (client, connection) = settings.connect(self.clone()).await?;
            let warnings = Arc::<Warnings>::default();
            let task = tokio::spawn(listen(connection, Arc::clone(&warnings)));
            Ok(Session { client: ClientWrapper::new(client, task), warnings })
        })
    }
}

/// Carries what is said to and fro until the connection ends.
async fn listen<S, T>(mut connection: Connection<S, T>, warnings: Arc<Warnings>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(AsyncMessage::Notice(said)) => {
                debug!(severity = said.severity(), said = said.message(), "the database says");
                warnings.note(&said);
            }
            Ok(_) => {}
            // Whoever waits for an answer is told.
            Err(error) => return debug!(%error, "a session ended"),
        }
    }
}
