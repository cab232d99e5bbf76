//! Delivery as a part of a cluster service.

use std::sync::Arc;

use super::dispatcher::{Dispatcher, DispatcherConfig};
use super::sink::Sink;
use crate::cluster::{ClusterService, Post};
use crate::store::{Assignments, Store};
use crate::time::Clock;
use crate::work::{DistributeError, Work};

impl<S: Store, C: Clock> ClusterService<S, C> {
    /// Delivers the messages of the store's outbox to `sink` whenever this node leads.
    pub fn deliver<K: Sink>(&self, sink: Arc<K>, config: DispatcherConfig) {
        let store = Arc::clone(self.store());
        self.attach("dispatcher", |post| dispatcher(store, sink, config, post).run());
    }
}

impl<S: Store + Assignments, C: Clock> ClusterService<S, C> {
    /// Shares the delivery of the store's outbox among all participants: each delivers the units of
    /// `work` that it is given, and the leader settles what is in doubt. All nodes of a cluster do it
    /// this way, or none.
    ///
    /// Messages of one ordering key are in one unit. The outbox is in 256 lots, so more units than
    /// that remain empty.
    ///
    /// # Errors
    /// The work cannot be distributed as it is. Nothing was started.
    pub fn deliver_shared<K: Sink>(
        &self,
        sink: Arc<K>,
        config: DispatcherConfig,
        work: Work,
    ) -> Result<(), DistributeError> {
        let courier = Arc::new(dispatcher(
            Arc::clone(self.store()),
            Arc::clone(&sink),
            config.clone(),
            self.post(),
        ));
        self.distribute(work, move |guard| {
            let courier = Arc::clone(&courier);
            async move { courier.deliver_share(guard).await }
        })?;
        let store = Arc::clone(self.store());
        self.attach("dispatcher", |post| {
            let promise = post.terms.promise;
            dispatcher(store, sink, config, post).shared(promise).run()
        });
        Ok(())
    }
}

fn dispatcher<S: Store, K: Sink, C: Clock>(
    store: Arc<S>,
    sink: Arc<K>,
    config: DispatcherConfig,
    post: Post<C>,
) -> Dispatcher<S, K, C> {
    let (guard, status, stop) = (post.guard, post.status, post.stop);
    Dispatcher::new(store, sink, post.clock, config, guard, status, stop)
}
