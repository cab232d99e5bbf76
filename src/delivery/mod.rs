//! Delivery: from the outbox of the [`crate::store`] to a [`Sink`], at most once.
//!
//! `dispatcher` is the loop of the leader: floor first, then scan; claim, send, settle. `doubt`
//! settles what is in doubt, by the proof that the sink can give. `sink` is where messages leave
//! the system; [`sinks`] are those that exist: a file, a webhook, mail.

mod dispatcher;
mod doubt;
mod sink;
pub mod sinks;

pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use sink::{InvalidStamp, Promise, SendError, Sink, SinkError, Stamp};
pub use sinks::FileSink;
