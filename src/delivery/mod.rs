//! Delivery: from the outbox of the [`crate::store`] to a [`Sink`], at most once.
//!
//! `dispatcher` is the loop of the leader: floor first, then scan. `batch` is claim, send, settle;
//! `backoff` how long a message waits that was refused for now. `doubt`
//! settles what is in doubt, by the proof that the sink can give. `sink` is where messages leave
//! the system; `file` is the sink that appends to a file. `service` attaches it all to a cluster
//! service. `planted` are bugs, for the testbed.

mod backoff;
mod batch;
mod dispatcher;
mod doubt;
mod file;
mod planted;
mod service;
mod sink;

pub use backoff::Backoff;
pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use file::FileSink;
pub use sink::{Promise, SendError, Sink, SinkError, Stamp};
