//! Delivery: from the outbox of the [`crate::store`] to a [`Sink`], at most once.
//!
//! `dispatcher` is the loop of the leader: floor first, then scan; claim, send, settle. `doubt`
//! settles what is in doubt, by the proof that the sink can give. `sink` is where messages leave
//! the system; `file` is the sink that appends to a file. `service` attaches it to a cluster service.

mod dispatcher;
mod doubt;
mod file;
mod service;
mod sink;

pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use file::FileSink;
pub use sink::{Promise, SendError, Sink, SinkError, Stamp};
