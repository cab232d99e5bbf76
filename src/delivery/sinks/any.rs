//! One sink out of those that exist, as a configuration names it.

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
