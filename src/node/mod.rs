//! The real node: the async driver around the election, and its contact with the world.
//!
//! [`Node`] is generic over [`Transport`], [`Clock`](crate::Clock), [`Disk`], store and sink; the
//! simulator runs this very code over simulated ones. `driver` turns inputs into effects; `tcp` and
//! `frame` are the wire; `disk` the file that votes survive in; `clock` the machine's clocks;
//! `config` the TOML file of `fencepost node`.

mod clock;
pub mod config;
mod disk;
mod driver;
pub mod frame;
mod run;
pub mod tcp;
mod transport;

pub use clock::SystemClock;
pub use disk::{Disk, DiskError, FileDisk, NoDisk, decode_hard_state, encode_hard_state};
pub use driver::{Driver, DriverError, LINGER_LIMIT};
pub use run::{Node, NodeError, STOP_LIMIT};
pub use transport::{Transport, TransportCounters};
