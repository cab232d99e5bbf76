//! One sink out of those that exist, as a configuration names it.

use std::time::Duration;

use super::{FileSink, SinkConfig, SinkOpenError, SmtpSink, WebhookSink};
use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::{MessageId, Outgoing};

/// The sink that a configuration names.
pub enum AnySink {
    /// Appends to a file.
    File(FileSink),
    /// Posts to a web server.
    Webhook(Box<WebhookSink>),
    /// Mails.
    Smtp(Box<SmtpSink>),
}

impl AnySink {
    /// Opens it. No connection is made yet.
    ///
    /// # Errors
    /// A file, a secret or a certificate cannot be read or used.
    pub fn open(config: &SinkConfig) -> Result<Self, SinkOpenError> {
        match config {
            SinkConfig::File(path) => FileSink::open(path)
                .map(Self::File)
                .map_err(|source| SinkOpenError::File { path: path.clone(), source }),
            SinkConfig::Webhook(config) => {
                WebhookSink::open(config).map(|sink| Self::Webhook(Box::new(sink)))
            }
            SinkConfig::Smtp(config) => {
                SmtpSink::open(config).map(|sink| Self::Smtp(Box::new(sink)))
            }
        }
    }
}

impl AnySink {
    /// Whether it could be opened here and now, as far as that can be told without touching a file that
    /// messages go to: the addresses, the secrets and the certificates.
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
    pub fn check(config: &SinkConfig) -> Result<(), SinkOpenError> {
        match config {
            SinkConfig::File(path) if path.is_dir() => {
                let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                Err(SinkOpenError::File { path: path.clone(), source })
            }
            SinkConfig::File(_) => Ok(()),
            SinkConfig::Webhook(_) | SinkConfig::Smtp(_) => Self::open(config).map(drop),
        }
    }
}

impl Sink for AnySink {
    fn promise(&self) -> Promise {
        match self {
            Self::File(sink) => sink.promise(),
            Self::Webhook(sink) => sink.promise(),
            Self::Smtp(sink) => sink.promise(),
        }
    }

    async fn ready(&self) -> Result<(), SinkError> {
        match self {
            Self::File(sink) => sink.ready().await,
            Self::Webhook(sink) => sink.ready().await,
            Self::Smtp(sink) => sink.ready().await,
        }
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        match self {
            Self::File(sink) => sink.send(message, stamp).await,
            Self::Webhook(sink) => sink.send(message, stamp).await,
            Self::Smtp(sink) => sink.send(message, stamp).await,
        }
    }

    fn asks_for(&self) -> Option<Duration> {
        match self {
            Self::File(sink) => sink.asks_for(),
            Self::Webhook(sink) => sink.asks_for(),
            Self::Smtp(sink) => sink.asks_for(),
        }
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        match self {
            Self::File(sink) => sink.fence(stamp).await,
            Self::Webhook(sink) => sink.fence(stamp).await,
            Self::Smtp(sink) => sink.fence(stamp).await,
        }
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        match self {
            Self::File(sink) => sink.has(id, stamp).await,
            Self::Webhook(sink) => sink.has(id, stamp).await,
            Self::Smtp(sink) => sink.has(id, stamp).await,
        }
    }
}
