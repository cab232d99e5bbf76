//! The network of a cluster of one.

use super::transport::Transport;
use crate::election::Message;
use crate::id::NodeId;

/// There is nobody to talk to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone;

impl Transport for Alone {
    fn send(&mut self, _: NodeId, _: Message) {}

    async fn recv(&mut self) -> Message {
        std::future::pending().await
    }
}
