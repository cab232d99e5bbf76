//! What the sinks are told: plain data, checked where it is read (see
//! [`NodeConfig`](crate::node::config::NodeConfig)), opened in real builds.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use crate::delivery::Promise;
use crate::secret::SecretSource;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkConfig {
    /// They are appended to this file.
    File(PathBuf),
    /// They are posted to a web server.
    Webhook(WebhookConfig),
    /// They are mailed.
    Smtp(SmtpConfig),
}

/// A webhook: messages are posted to it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where to: `http` or `https`, with a host, without user and fragment.
    pub url: Uri,
    /// What the receiver can do.
    pub promise: Promise,
    /// The type of the payload.
    pub content_type: HeaderValue,
    /// Sent with each request as they are.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The same, with values that are nobody's business, such as `authorization`.
    pub secret_headers: Vec<(HeaderName, SecretSource)>,
    /// How long to wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// How long to wait for the answer to a request, counted from its first byte.
    pub timeout: Duration,
    /// The status codes by which this receiver, and everything that stands before it, says that it
    /// did nothing and may be asked again.
    pub refused_for_now: BTreeSet<u16>,
    /// Whether a connection may be used for the next request. A receiver that closes it in that moment
    /// leaves a doubt; after the first one each request gets a connection of its own in any case.
    pub keep_alive: bool,
    /// PEM file with the certificates to trust in the place of the well-known ones.
    pub ca: Option<PathBuf>,
}

impl WebhookConfig {
    /// See [`WebhookConfig::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// See [`WebhookConfig::timeout`].
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// 401 and 425 and 429: by their definition the request was not applied.
    ///
    /// Not 503, 502 or 504: a proxy says so when it lost the answer of a receiver that may have
    /// acted. Not 408: it comes when a part of the request is missing, and which part is not told.
    pub const REFUSED_FOR_NOW: [u16; 3] = [401, 425, 429];
    /// What a deduplication window is shortened by, beside the timeout: for bytes that are still on
    /// their way when the sender has given up, and for steps of the store's clock.
    pub const MARGIN: Duration = Duration::from_secs(60);

    /// A webhook at `url` of which nothing is known, with the defaults.
    pub fn plain(url: Uri) -> Self {
        Self {
            url,
            promise: Promise::Plain,
            content_type: HeaderValue::from_static("application/octet-stream"),
            headers: Vec::new(),
            secret_headers: Vec::new(),
            connect_timeout: Self::CONNECT_TIMEOUT,
            timeout: Self::TIMEOUT,
            refused_for_now: Self::REFUSED_FOR_NOW.into(),
            keep_alive: true,
            ca: None,
        }
    }

    /// Whether everything that is sent can be read on the way: `http` to another machine.
    pub fn is_in_the_clear(&self) -> bool {
        self.url.scheme_str() == Some("http") && !is_loopback(self.url.host().unwrap_or_default())
    }

    /// Whether a request sets this header by itself, so that no configuration may.
    pub fn is_reserved(header: &HeaderName) -> bool {
        const RESERVED: [&str; 9] = [
            "connection",
            "content-length",
            "content-type",
            "expect",
            "fencing-token",
            "host",
            "idempotency-key",
            "transfer-encoding",
            "upgrade",
        ];
        RESERVED.contains(&header.as_str())
    }
}

/// Of the URL only where it leads: path and query are what some receivers know their senders by.
impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host().unwrap_or_default();
        let names: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("WebhookConfig")
            .field("scheme", &self.url.scheme_str())
            .field("host", &host)
            .field("port", &self.url.port_u16())
            .field("promise", &self.promise)
            .field("content_type", &self.content_type)
            .field("headers", &names)
            .field("secret_headers", &self.secret_headers)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("refused_for_now", &self.refused_for_now)
            .field("keep_alive", &self.keep_alive)
            .field("ca", &self.ca)
            .finish()
    }
}

/// Whether what is sent to this host, a name or an address, stays on this machine.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|it| it.to_canonical().is_loopback())
}

/// A mail server that takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// PEM file with the certificates to trust in the place of the well-known ones.
    pub ca: Option<PathBuf>,
    /// How to log in, if the server asks for it.
    pub login: Option<Login>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses, 1 to [`SmtpConfig::MAX_RECIPIENTS`]: all of them get a message, or
    /// none does.
    pub to: Vec<String>,
    /// What a payload is.
    pub format: MailFormat,
    /// How long to wait for a connection, and for TLS in it.
    pub connect_timeout: Duration,
    /// How long to wait for the server's greeting: a busy one lets its clients wait.
    pub greeting_timeout: Duration,
    /// How long to wait for an answer before and during a login, and for one message to be taken.
    pub timeout: Duration,
}

impl SmtpConfig {
    /// See [`SmtpConfig::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// See [`SmtpConfig::greeting_timeout`], and RFC 5321, section 4.5.3.2.1.
    pub const GREETING_TIMEOUT: Duration = Duration::from_secs(300);
    /// See [`SmtpConfig::timeout`]. Servers may scan a message before they take it, and what is
    /// given up too early is in doubt.
    pub const TIMEOUT: Duration = Duration::from_secs(120);
    /// The most recipients.
    pub const MAX_RECIPIENTS: usize = 50;
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte, as on port 465.
    Tls,
    /// TLS after a greeting in the clear, as on port 587; a server that has none is refused.
    StartTls,
    /// None: anybody on the way can read and change everything.
    None,
}

/// A login at a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is.
    pub password: SecretSource,
}

/// What a payload is to a mail sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailFormat {
    /// A whole message with headers (RFC 5322).
    Message,
    /// The body of a message.
    Body {
        /// Its subject; `{id}` stands for the message's id.
        subject: String,
        /// Its type.
        content_type: String,
    },
}
