//! Delivery: from the outbox of the [`crate::store`] to a [`Sink`], at most once.
//!
//! `dispatcher` is the loop of the leader: floor first, then scan. `batch` is claim, send, settle;
//! `backoff` how long a message waits that was refused for now, `pause` how long a sink is left alone that
//! is away or refuses everything, `losses` what the log hears of messages that are not delivered. `doubt` settles what is in doubt, by the proof that the sink can give, and `questions` is what
//! it remembers of asking. `permission` is under which all of that is done. `sink` is where messages
//! leave the system; [`sinks`] are those that exist: a file, a webhook, mail. `service` attaches it all
//! to a cluster service. `planted` are bugs, for the testbed.

mod backoff;
mod batch;
mod dispatcher;
mod doubt;
mod losses;
mod pause;
mod permission;
mod planted;
mod questions;
mod service;
mod sink;
pub mod sinks;

pub use backoff::Backoff;
pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use sink::{InvalidStamp, Promise, SendError, Sink, SinkError, Stamp};
pub use sinks::FileSink;
