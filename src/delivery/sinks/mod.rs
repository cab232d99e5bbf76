//! The sinks that exist: a file, a webhook, mail by SMTP.
//!
//! Webhook and mail need a real network, so they exist in real builds only. What they are told,
//! [`SinkConfig`], exists in both, because a node's configuration is read and checked in both.

#[cfg(not(madsim))]
mod any;
mod config;
#[cfg(not(madsim))]
mod dial;
#[cfg(not(madsim))]
mod error;
mod file;
#[cfg(not(madsim))]
mod smtp;
#[cfg(not(madsim))]
mod webhook;

#[cfg(not(madsim))]
pub use any::AnySink;
pub use config::{Encryption, Login, MailFormat, SinkConfig, SmtpConfig, WebhookConfig};
#[cfg(not(madsim))]
pub use error::SinkOpenError;
pub use file::FileSink;
#[cfg(not(madsim))]
pub use smtp::SmtpSink;
#[cfg(not(madsim))]
pub use webhook::WebhookSink;
