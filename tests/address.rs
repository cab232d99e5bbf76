//! Addresses for tests that listen.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// An address that nobody listens at, and nobody will: ports that the system hands out could be taken
/// again before a node binds its own, by another test or by a connection.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    // All of 127.0.0.0/8 is this machine, so that each process that tests has an address of its own.
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let ip = if cfg!(target_os = "linux") { [127, a, b, c] } else { [127, 0, 0, 1] };
    loop {
        let address = SocketAddr::from((ip, NEXT.fetch_add(1, Ordering::Relaxed)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
