//! Fencepost lets one node of a cluster, and only one, do a piece of work.
//!
//! Four layers make it safe, each guarded by oracles of the simulation testbed (crate `fencepost-sim`):
//!
//! 1. [`election`]: at most one elected incarnation per term. Needs no clock.
//! 2. The lease, also in [`election`], handed out as a [`cluster::Leadership`] guard: at most one
//!    valid guard at a time while clock *rates* stay within the configured bound.
//! 3. The fence, in [`store`]: the store accepts a claim only from the holder of the floor.
//! 4. Claim before send, in [`delivery`]: a message is claimed durably before its first byte
//!    leaves, and what a deposed holder claimed is in doubt until proof settles it.
//!
//! [`jobs`] runs what is due by a schedule, each instant at most once.
//!
//! An application holds a [`ClusterService`], made from a [`ClusterConfig`]. It runs over a
//! [`cluster::Coordinator`]; the embedded quorum of [`node`] is the first, over traits for transport,
//! clock and disk: the same code runs as a real process and inside the simulator.

mod blocking;
pub mod cluster;
pub mod delivery;
pub mod election;
mod id;
pub mod jobs;
pub mod node;
mod private;
#[doc(hidden)]
pub mod probe;
mod secret;
pub mod store;
mod time;
#[cfg(not(madsim))]
mod tls;
pub mod work;

pub use cluster::{ClusterService, ClusterStatus, Leadership};
pub use id::{
    Boot, Generation, Identity, Incarnation, InvalidName, MAX_NODE_NAME_LEN, NodeId, Term, Token,
};
pub use node::ClusterConfig;
pub use secret::{SecretError, SecretSource};
pub use time::{Clock, Instant, SystemClock, WallTime};
#[cfg(not(madsim))]
pub use tls::TlsError;
