//! One HTTP/1.1 exchange at a time on one connection, and whether anything of it can have left.
//!
//! A connection is driven only while somebody waits for it, so there is no task that outlives an
//! exchange: when an exchange is given up, its connection is gone with it. It is reset, not closed,
//! so that the kernel drops what it had not sent yet.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::warn;

use super::super::dial::Dialer;
use super::super::{SinkOpenError, WebhookConfig};
use crate::tls;

/// How long a connection may rest before it is replaced: less than servers let one rest, because a
/// request that meets the server's end of a connection is in doubt.
const REUSE_WITHIN: Duration = Duration::from_secs(1);

/// How much of an answer's body is read. Of a longer one the rest is dropped, with the connection.
const MAX_BODY: usize = 16 << 10;

/// How many connections may rest.
const MAX_RESTING: usize = 8;

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// An exchange without an answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing of the request left this process.
    NotSent(String),
    /// Some of it may have.
    Unknown(String),
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// At most [`MAX_BODY`] bytes.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// Exchanges with one server.
pub(super) struct Client {
    /// The place as errors name it.
    place: String,
    dialer: Dialer,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect_timeout: Duration,
    timeout: Duration,
    resting: Mutex<Vec<Connection>>,
    /// Whether a connection may be used again: not after the receiver has closed one under a request.
    reuses: AtomicBool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    driver: Option<Pin<Box<Driver>>>,
    /// When it was last known to be of use.
    used: Instant,
    /// Whether it has had a request before.
    is_kept: bool,
}

impl Client {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, SinkOpenError> {
        let invalid = |why: &str| SinkOpenError::invalid("url", why);
        let host = config.url.host().ok_or_else(|| invalid("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, default_port) = match config.url.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| invalid(&error.to_string()))?;
                let mut client = tls::client(config.ca.as_deref())?;
                client.alpn_protocols = vec![b"http/1.1".to_vec()];
                (Some((TlsConnector::from(Arc::new(client)), name)), 443)
            }
            _ => return Err(invalid("it must begin with http:// or https://")),
        };
        let port = config.url.port_u16().unwrap_or(default_port);
        Ok(Self {
            place: format!("{host}:{port}"),
            dialer: Dialer::new(host, port),
            tls,
            connect_timeout: config.connect_timeout,
            timeout: config.timeout,
            resting: Mutex::new(Vec::new()),
            reuses: AtomicBool::new(config.keep_alive),
        })
    }

    /// Makes sure that a connection rests which can take a request at once.
    pub(super) async fn ready(&self) -> Result<(), String> {
        while let Some(mut connection) = self.take() {
            let rested = connection.used.elapsed() >= REUSE_WITHIN;
            if !rested && matches!(timeout(REUSE_WITHIN, connection.is_usable()).await, Ok(true)) {
                self.put(connection);
                return Ok(());
            }
        }
        let connected = timeout(self.connect_timeout, self.connect()).await;
        let connected =
            connected.unwrap_or_else(|_| Err(format!("not within {:?}", self.connect_timeout)));
        match connected {
            Ok(connection) => {
                self.put(connection);
                Ok(())
            }
            Err(why) => {
                self.dialer.was_useless();
                Err(format!("cannot connect to {}: {why}", self.place))
            }
        }
    }

    /// Sends the request on the connection that rests, and waits for the answer.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let Some(mut connection) = self.take() else {
            return Err(Failure::NotSent("the connection was lost before the request".into()));
        };
        let deadline = Instant::now() + self.timeout;
        let response = match timeout_at(deadline, connection.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) => {
                if connection.is_kept && matches!(failure, Failure::Unknown(_)) {
                    self.stop_reusing();
                }
                return Err(failure);
            }
            Err(_) => return Err(Failure::Unknown(format!("no answer within {:?}", self.timeout))),
        };
        let (parts, body) = response.into_parts();
        let (body, is_whole) = connection.read(body, deadline).await;
        if is_whole && self.reuses.load(Ordering::Relaxed) {
            (connection.used, connection.is_kept) = (Instant::now(), true);
            self.put(connection);
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body, is_whole })
    }

    /// A receiver that closes kept connections when it pleases makes a doubt each time that a request
    /// meets it: this one was the last.
    fn stop_reusing(&self) {
        if self.reuses.swap(false, Ordering::Relaxed) {
            warn!(
                receiver = self.place,
                "it closed a kept connection under a request: from now on each request has a connection \
                 of its own, as with `keep_alive = false`"
            );
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn take(&self) -> Option<Connection> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put(&self, connection: Connection) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < MAX_RESTING {
            resting.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = self.dialer.dial().await?;
        // Closing it resets it: what the kernel still holds of a request that was given up is
        // dropped, and a deduplication window need not wait for it.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))
            .map_err(|error| error.to_string())?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(
                connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|error| format!("TLS: {error}"))?,
            ),
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let (driver, used) = (Some(Box::pin(driver)), Instant::now());
        let mut connection = Connection { sender, driver, used, is_kept: false };
        match connection.is_usable().await {
            true => Ok(connection),
            false => Err("the server closed the connection at once".into()),
        }
    }
}

impl Connection {
    /// Waits for `work`, and lets the connection do what there is to do.
    async fn drive<R>(driver: &mut Option<Pin<Box<Driver>>>, work: impl Future<Output = R>) -> R {
        let mut work = std::pin::pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            if let Some(open) = driver
                && open.as_mut().poll(context).is_ready()
            {
                // How it ended is told by what waits for it.
                *driver = None;
            }
            work.as_mut().poll(context)
        })
        .await
    }

    /// Waits until it can take a request; `false` once it cannot any more.
    async fn is_usable(&mut self) -> bool {
        let Self { sender, driver, .. } = self;
        // Once more even if it is ready: that is when it notices that the server has closed it.
        let mut looked = false;
        let look = poll_fn(|context| {
            if !looked {
                looked = true;
                return Poll::Pending;
            }
            sender.poll_ready(context)
        });
        Self::drive(driver, look).await.is_ok()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let Self { sender, driver, .. } = self;
        Self::drive(driver, sender.try_send_request(request)).await.map_err(|mut error| {
            // A request that is handed back was not begun.
            let not_begun = error.take_message().is_some();
            let why = whole(&error.into_error());
            match not_begun {
                true => Failure::NotSent(why),
                false => Failure::Unknown(why),
            }
        })
    }

    /// Reads a body, but not past [`MAX_BODY`] bytes nor `deadline`. Tells whether that is all.
    async fn read(&mut self, mut body: Incoming, deadline: Instant) -> (Vec<u8>, bool) {
        let mut read = Vec::new();
        loop {
            let frame = Self::drive(&mut self.driver, body.frame());
            match timeout_at(deadline, frame).await {
                Ok(None) => return (read, true),
                Ok(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    let room = MAX_BODY - read.len();
                    read.extend_from_slice(&data[..data.len().min(room)]);
                    if data.len() > room {
                        return (read, false);
                    }
                }
                Ok(Some(Err(_))) | Err(_) => return (read, false),
            }
        }
    }
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out += &format!(": {cause}");
        next = cause.source();
    }
    out
}
