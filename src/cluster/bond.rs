//! A store that is bound to its cluster as soon as it answers, and asked for nothing before.
//!
//! A node takes part in elections while its store is away: its vote may be the one that is missing. But
//! whether it is the right store is known only when it answers, so nobody acts over it until then.

use std::sync::Arc;
use std::time::Duration;

use super::trouble::Trouble;
use super::watched::Watched;
use crate::id::{Boot, Generation, Identity, Token};
use crate::store::{Activated, BindError, Fence, Roll, StoreError};
use crate::time::Clock;

/// How long to wait before a store that did not answer is asked again whose it is.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a store is this cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bond {
    /// It has not answered yet.
    Unknown,
    /// It is.
    Bound,
    /// It is another one's, for ever.
    Refused(BindError),
}

/// The fence of a store, which is asked first whose it is.
pub(crate) struct Bound<S> {
    store: Arc<S>,
    /// The cluster; none if nobody has to ask.
    cluster: Option<String>,
    bond: Arc<Watched<Bond>>,
}

impl<S: Fence> Bound<S> {
    /// Of the cluster of this name.
    pub(crate) fn to(store: Arc<S>, cluster: String) -> Self {
        Self { store, cluster: Some(cluster), bond: Arc::new(Watched::new(Bond::Unknown)) }
    }

    /// Of a cluster that has no name, as far as this node knows.
    pub(crate) fn already(store: Arc<S>) -> Self {
        Self { store, cluster: None, bond: Arc::new(Watched::new(Bond::Bound)) }
    }

    /// What is known about it.
    pub(crate) fn bond(&self) -> &Arc<Watched<Bond>> {
        &self.bond
    }

    /// Asks once, unless that is known.
    pub(crate) async fn ask(&self) -> Result<(), BindError> {
        let cluster = match (self.bond.get(), &self.cluster) {
            (Bond::Refused(error), _) => return Err(error),
            (Bond::Unknown, Some(cluster)) => cluster,
            _ => return Ok(()),
        };
        let bound = self.store.bind(cluster).await;
        match &bound {
            Ok(()) => self.bond.set(Bond::Bound),
            Err(BindError::Store(_)) => {}
            Err(refused) => self.bond.set(Bond::Refused(refused.clone())),
        }
        bound
    }

    /// Asks until it is known, however long that takes, and answers why this node cannot work over the
    /// store. Never completes if it can.
    pub(crate) async fn refused<C: Clock>(&self, clock: &C) -> BindError {
        let trouble = Trouble::of("node", "the store");
        loop {
            match self.ask().await {
                Ok(()) => break,
                Err(BindError::Store(error)) => {
                    let what =
                        "it is not known yet whose store it is: this node votes, and does not act";
                    trouble.failed(clock.now(), what, &error);
                }
                Err(refused) => return refused,
            }
            clock.sleep(ASK_AGAIN).await;
        }
        trouble.answered(clock.now());
        std::future::pending().await
    }

    async fn bound(&self) -> Result<&S, StoreError> {
        match self.ask().await {
            Ok(()) => Ok(&self.store),
            Err(BindError::Store(error)) => Err(error),
            Err(refused) => Err(StoreError::Unavailable(refused.to_string())),
        }
    }
}

impl<S: Fence> Fence for Bound<S> {
    fn is_fence(&self) -> bool {
        self.store.is_fence()
    }

    async fn bind(&self, cluster: &str) -> Result<(), BindError> {
        self.store.bind(cluster).await
    }

    async fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.bound().await?.activate(generation, token, holder).await
    }

    async fn confirm(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.bound().await?.confirm(generation, token, holder).await
    }

    async fn advance(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> Result<Activated, StoreError> {
        self.bound().await?.advance(generation, token, holder).await
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        self.bound().await?.roll().await
    }

    async fn call_roll(&self, seen: Generation, boots: &[Boot]) -> Result<Roll, StoreError> {
        self.bound().await?.call_roll(seen, boots).await
    }
}
