//! Delivery as a part of a cluster service.

use std::sync::Arc;

use super::dispatcher::{Dispatcher, DispatcherConfig};
use super::sink::Sink;
use crate::cluster::ClusterService;
use crate::store::Store;
use crate::time::Clock;

impl<S: Store, C: Clock> ClusterService<S, C> {
    /// Delivers the messages of the store's outbox to `sink` whenever this node leads.
    pub fn deliver<K: Sink>(&self, sink: Arc<K>, config: DispatcherConfig) {
        let store = Arc::clone(self.store());
        self.attach("dispatcher", |post| {
            let (guard, status, stop) = (post.guard, post.status, post.stop);
            Dispatcher::new(store, sink, post.clock, config, guard, status, stop).run()
        });
    }
}
