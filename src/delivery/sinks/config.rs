//! What the sinks are told: plain data, checked where it is read (see
//! [`NodeConfig`](crate::node::config::NodeConfig)), opened in real builds.

use std::collections::BTreeSet;
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
            ca: None,
        }
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
    /// How long to wait for a connection, TLS and login included.
    pub connect_timeout: Duration,
    /// How long to wait for one message to be taken.
    pub timeout: Duration,
}

impl SmtpConfig {
    /// See [`SmtpConfig::connect_timeout`].
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
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
