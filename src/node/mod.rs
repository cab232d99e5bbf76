//! The real node: the async driver around the election, and its contact with the world.
//!
//! [`Quorum`] is the coordinator under [`ClusterService`](crate::ClusterService), generic over
//! [`Transport`], [`Clock`](crate::Clock), [`Disk`] and store; the simulator runs this very code over
//! simulated ones. `builder` puts the real ones together, as `cluster_config` says. `driver` turns
//! inputs into effects, and `registrar` calls the roll of a cold start in the store; `tcp` and `frame`
//! are the wire; `disk` is the file that votes survive in, `data_lock` keeps other processes off it.
//! `config` is the TOML file of `fencepost node`.

mod alone;
mod builder;
mod cluster_config;
pub mod config;
mod data_lock;
mod disk;
mod driver;
pub mod frame;
mod quorum;
mod registrar;
pub mod tcp;
mod transport;

pub use builder::{InitializeError, NotJoined, ServiceBuilder};
pub use cluster_config::ClusterConfig;
pub use disk::{Disk, DiskError, FileDisk, NoDisk, decode_hard_state, encode_hard_state};
pub use driver::{DriverError, LINGER_LIMIT};
pub use quorum::Quorum;
pub use transport::{Packet, Transport, TransportCounters};
