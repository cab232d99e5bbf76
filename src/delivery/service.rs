//! Delivery as a part of a cluster service.

use std::sync::Arc;

use super::dispatcher::{Dispatcher, DispatcherConfig};
use super::sink::Sink;
use crate::cluster::{AlreadyAttached, ClusterService, Post, Seat};
use crate::store::{Assignments, Store};
use crate::time::Clock;
use crate::work::{DistributeError, Work};

impl<S: Store, C: Clock> ClusterService<S, C> {
    /// Delivers the messages of the store's outbox to `sink` whenever this node leads. Once for a
    /// service: a sink of your own may pick the recipient of each message.
    ///
    /// # Errors
    /// This service delivers already, in this way or [shared](Self::deliver_shared). Nothing was
    /// started.
    pub fn deliver<K: Sink>(
        &self,
        sink: Arc<K>,
        config: DispatcherConfig,
    ) -> Result<(), AlreadyAttached> {
        let seat = self.dispatcher_seat()?;
        let store = Arc::clone(self.store());
        self.attach_at(seat, |post| dispatcher(store, sink, config, post).run());
        Ok(())
    }
}

impl<S, C: Clock> ClusterService<S, C> {
    fn dispatcher_seat(&self) -> Result<Seat, AlreadyAttached> {
        self.seat("dispatcher", "deliver once, to a sink that picks the recipient of each message")
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
    /// The work cannot be distributed as it is, or this service delivers already, in this way or
    /// [alone](Self::deliver). Nothing was started.
    pub fn deliver_shared<K: Sink>(
        &self,
        sink: Arc<K>,
        config: DispatcherConfig,
        work: Work,
    ) -> Result<(), DistributeError> {
        let seat = self.dispatcher_seat()?;
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
        self.attach_at(seat, |post| {
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
    let dispatcher = Dispatcher::new(store, sink, post.clock, config, guard, status, stop);
    dispatcher.telling(post.refusals)
}

#[cfg(all(test, madsim))]
mod tests;
