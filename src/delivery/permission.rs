//! Whose permission a message is delivered under: that of the token's holder, for all of the outbox, or
//! a worker's, for its share.

use crate::cluster::Leadership;
use crate::id::Token;
use crate::store::{Permit, Share};
use crate::time::Clock;
use crate::work::WorkGuard;

/// The permission to deliver has ended. What was claimed stays claimed until a holder settles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the permission to deliver under token {token} has ended")]
pub(super) struct Ended {
    pub(super) token: Token,
}

/// A guard, whichever it is.
pub(super) enum Permission<C> {
    Holder(Leadership<C>),
    Worker(WorkGuard<C>),
}

impl<C: Clock> Permission<C> {
    pub(super) fn token(&self) -> Token {
        match self {
            Self::Holder(guard) => guard.token(),
            Self::Worker(guard) => guard.token(),
        }
    }

    /// The worker's share.
    pub(super) fn share(&self) -> Option<&Share> {
        match self {
            Self::Holder(_) => None,
            Self::Worker(guard) => Some(guard.share()),
        }
    }

    /// What to show to the store.
    pub(super) fn permit(&self) -> Permit {
        match self {
            Self::Holder(guard) => Permit::of_holder(guard.token()),
            Self::Worker(guard) => guard.permit(),
        }
    }

    /// Asks for permission to start an act now.
    pub(super) fn check(&self) -> Result<(), Ended> {
        let permitted = match self {
            Self::Holder(guard) => guard.check().is_ok(),
            Self::Worker(guard) => guard.check().is_ok(),
        };
        if permitted { Ok(()) } else { Err(Ended { token: self.token() }) }
    }

    /// Completes when the permission has ended.
    pub(super) async fn cancelled(&self) {
        match self {
            Self::Holder(guard) => guard.cancelled().await,
            Self::Worker(guard) => guard.cancelled().await,
        }
    }
}
