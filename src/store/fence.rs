//! The fence: which token may write, who holds it, and in which generation of the cluster.
//!
//! Every write names its writer's token; the transaction that makes it goes on only if that token
//! is the floor (F1, F3). A roll call moves to the next generation and leaves the floor where it
//! is, so that a token has one holder across all of them (F4).

use std::collections::BTreeSet;
use std::future::Future;

use super::{Share, StoreError};
use crate::election::{MAX_VOTERS, Roll};
use crate::id::{Boot, Generation, Identity, Token};
use crate::time::WallTime;

/// The answer to [`Fence::activate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// The floor is the token, held by the caller.
    Raised,
    /// Nothing changed: the floor is at or above the token and not the caller's, or the store is in
    /// another generation.
    Behind {
        /// The floor.
        floor: Token,
        /// The generation that the store is in.
        generation: Generation,
    },
}

/// The answer to a write that shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked<T> {
    /// The token is the floor: what came of the write.
    Passed(T),
    /// Nothing changed: the token is not the floor.
    Fenced {
        /// The floor.
        floor: Token,
    },
}

/// What a claimer shows: the right to claim, checked in the claim's own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The token, which must be the floor.
    pub token: Token,
    /// A worker's share of the outbox, which must be its newest assignment; none for the holder of
    /// the token itself, who may claim all of it.
    pub share: Option<Share>,
}

impl Permit {
    /// That of the token's holder.
    pub fn of_holder(token: Token) -> Self {
        Self { token, share: None }
    }
}

/// The fence as people and audits see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceRow {
    /// The highest token that was ever activated; 0 before the first.
    pub floor: Token,
    /// Who activated it, unless the generation began after that.
    pub holder: Option<Identity>,
    /// The generation that the store is in.
    pub generation: Generation,
    /// The cluster that the store belongs to, once it is bound to one.
    pub cluster: Option<String>,
    /// When the floor was raised last, by the store's clock.
    pub raised: Option<WallTime>,
}

/// A store that was not bound to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum BindError {
    /// It belongs to another cluster. Two clusters elect without knowing of each other, so in one
    /// store each would fence the other out.
    #[error("the store belongs to cluster {theirs:?}, not to {ours:?}")]
    #[diagnostic(help(
        "a store serves one cluster: give this node the name of that cluster, or a store of its own"
    ))]
    OtherCluster {
        /// The name that was to be bound.
        ours: String,
        /// The name that the store keeps.
        theirs: String,
    },
    /// A cluster has a name.
    #[error("the name of the cluster that the store shall belong to is empty")]
    NoName,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who may write. All calls may be repeated after [`StoreError::Unknown`].
pub trait Fence: Send + Sync + 'static {
    /// Whether there is a fence behind it. A store that keeps nothing has none, and a guard says so.
    fn is_fence(&self) -> bool {
        true
    }

    /// Makes the store that of the cluster of this name, for ever (M2). A service does so when it
    /// starts.
    ///
    /// # Errors
    /// It belongs to another cluster, the name is empty, or the store failed.
    fn bind(&self, cluster: &str) -> impl Future<Output = Result<(), BindError>> + Send;

    /// Raises the floor to `token` for `holder`, if it is lower (F2) and the store is in
    /// `generation` (F4).
    fn activate(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> impl Future<Output = Result<Activated, StoreError>> + Send;

    /// Looks whether the floor is still the token, held by the caller, in its generation: `Raised` if
    /// so. A store does it in a write that changes nothing else, so that one that only answers reads
    /// any more is found out. Never raises anything: a floor below the token means that the store was
    /// set back.
    fn confirm(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> impl Future<Output = Result<Activated, StoreError>> + Send {
        let _ = holder;
        async move {
            let Roll { generation: stands, floor, .. } = self.roll().await?;
            let (same, floor) = (stands == generation && floor == token.into(), floor.into());
            Ok(if same {
                Activated::Raised
            } else {
                Activated::Behind { floor, generation: stands }
            })
        }
    }

    /// As [`activate`](Self::activate), over a store that was set back to an earlier generation, by at
    /// most [`MAX_GENERATIONS_LOST`]: moves it to `generation`, with nobody on its roll, because who was
    /// on it is lost. Whoever rejoins asks those that are operational.
    ///
    /// A store of another kind, which cannot, says that it is unavailable.
    fn advance(
        &self,
        generation: Generation,
        token: Token,
        holder: Identity,
    ) -> impl Future<Output = Result<Activated, StoreError>> + Send {
        let _ = (token, holder);
        std::future::ready(Err(StoreError::Unavailable(format!(
            "it cannot be moved on to generation {generation}"
        ))))
    }

    /// The roll of the generation that the store is in.
    fn roll(&self) -> impl Future<Output = Result<Roll, StoreError>> + Send;

    /// Starts the generation after `seen` with these boots, unless the store has moved on from
    /// `seen`, and tells the roll that now stands: the caller looks whether it is on it. Nobody
    /// holds the floor in the new generation.
    fn call_roll(
        &self,
        seen: Generation,
        boots: &[Boot],
    ) -> impl Future<Output = Result<Roll, StoreError>> + Send;
}

/// How far behind the cluster's generation a store may be that was set back. It takes a cold start to
/// move on by one, so a larger distance tells of something else than a backup.
pub const MAX_GENERATIONS_LOST: u64 = 1 << 10;

/// Whether a store may be moved on from `stored` to `to`.
pub(crate) fn may_advance(stored: Generation, to: Generation) -> bool {
    let behind = to.number.checked_sub(stored.number);
    to.roll == 0 && behind.is_some_and(|behind| (1..=MAX_GENERATIONS_LOST).contains(&behind))
}

/// The generation after `seen`, or why these boots cannot start it.
pub(super) fn next_generation(seen: Generation, boots: &[Boot]) -> Result<Generation, String> {
    if boots.is_empty() {
        return Err("a roll call without boots would start a generation that nobody is in".into());
    }
    if boots.len() > MAX_VOTERS {
        return Err(format!(
            "a roll call of {} boots: there are at most {MAX_VOTERS} voters",
            boots.len()
        ));
    }
    let mut nodes = BTreeSet::new();
    if let Some(twice) = boots.iter().find(|boot| !nodes.insert(boot.node)) {
        return Err(format!("a roll call that lists {} twice", twice.node));
    }
    let next = seen.number.checked_add(1).filter(|next| *next <= Generation::MAX_NUMBER);
    next.map(Generation::stored)
        .ok_or_else(|| format!("there is no generation after {}", seen.number))
}
