//! What the world knows of tokens that this node does not: a store or a sink refused one, and said
//! which it has seen.
//!
//! Whoever hears of it tells it here, and the part that holds the lease decides: a higher token is
//! outdone, and a store that knows only a lower one was set back, so that nothing which was read from
//! it under this token may be relied on any more. Both end in an election above, after which everything
//! is looked up anew.

use super::watched::Watched;
use crate::id::Token;

/// Who refused a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuser {
    /// The store, whose floor was another, or which had lost what it had acknowledged.
    Store,
    /// The sink, which had seen a higher token.
    Sink,
}

/// A token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The token.
    pub(crate) token: Token,
    /// What the other side knows.
    pub(crate) known: Token,
    /// Who that is.
    pub(crate) by: Refuser,
}

/// The last word against a token of this node.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Watched<Option<Refusal>>);

impl Refusals {
    /// Tells whoever holds the lease.
    pub(crate) fn tell(&self, refusal: Refusal) {
        self.0.set(Some(refusal));
    }

    /// Waits for a word against this token.
    pub(super) async fn of(&self, token: Token) -> Refusal {
        self.0.wait_for(|refusal| refusal.filter(|refusal| refusal.token == token)).await
    }
}
