//! What only a server with several sessions can show: who waits for whom, and what a connection that
//! ends leaves behind.

mod interleaved;
mod lost;
mod opening;
mod plans;
mod pooler;
mod proxy;
mod refused;
mod standby;
