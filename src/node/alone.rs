//! The network of a cluster of one.

use super::transport::{Packet, Transport};
use crate::id::NodeId;

/// There is nobody to talk to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone;

impl Transport for Alone {
    fn send(&mut self, _: NodeId, _: Packet) {}

    async fn recv(&mut self) -> Packet {
        std::future::pending().await
    }
}
