//! Real nodes and the commands of the real binary against a PostgreSQL server that the tests start by
//! themselves. Real builds only: `cargo test-prod --test postgres`. Time limits only fail a run that
//! hangs.
#![cfg(not(madsim))]

mod delivery;
mod encrypted;
mod nodes;
mod operator;
mod server;

#[path = "../address.rs"]
mod address;
