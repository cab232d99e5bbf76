//! Stands in for a store where there is none: leadership only.

use super::{
    Activated, Attempt, BindError, Checked, Claim, Doubt, EnqueueError, Enqueued, Fence,
    NewMessage, Outbox, Outgoing, Permit, Proof, Roll, Settled, Settlement, Share, StoreError,
};
use crate::id::{Boot, Generation, Identity, Token};
use crate::time::WallTime;

/// No store: every activation succeeds at once, and nothing is ever kept. For a cluster that only
/// elects; its voters start anew by [`crate::election::ColdStart::ByAllVoters`], and its guards
/// say that no fence backs them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unfenced;

fn refuse<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("this cluster has no store".into()))
}

impl Fence for Unfenced {
    fn is_fence(&self) -> bool {
        false
    }

    async fn bind(&self, _: &str) -> Result<(), BindError> {
        Ok(())
    }

    async fn activate(
        &self,
        _: Generation,
        _: Token,
        _: Identity,
    ) -> Result<Activated, StoreError> {
        Ok(Activated::Raised)
    }

    async fn confirm(&self, _: Generation, _: Token, _: Identity) -> Result<Activated, StoreError> {
        Ok(Activated::Raised)
    }

    async fn roll(&self) -> Result<Roll, StoreError> {
        refuse()
    }

    async fn call_roll(&self, _: Generation, _: &[Boot]) -> Result<Roll, StoreError> {
        refuse()
    }
}

impl Outbox for Unfenced {
    async fn enqueue(&self, _: &[NewMessage]) -> Result<Vec<Enqueued>, EnqueueError> {
        refuse().map_err(EnqueueError::Store)
    }

    async fn sweep(&self, _: Token) -> Result<Checked<u64>, StoreError> {
        refuse()
    }

    async fn pending(&self, _: usize) -> Result<Vec<Outgoing>, StoreError> {
        refuse()
    }

    async fn pending_of(&self, _: &Share, _: usize) -> Result<Vec<Outgoing>, StoreError> {
        refuse()
    }

    async fn claim(
        &self,
        _: &Permit,
        _: &[Attempt],
        _: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        refuse()
    }

    async fn claimed_under(&self, _: &Permit) -> Result<Vec<Attempt>, StoreError> {
        refuse()
    }

    async fn settle(
        &self,
        _: Token,
        _: &[(Attempt, Settlement)],
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        refuse()
    }

    async fn doubts(&self, _: usize) -> Result<Vec<Doubt>, StoreError> {
        refuse()
    }

    async fn resolve(
        &self,
        _: Token,
        _: &Attempt,
        _: Proof,
    ) -> Result<Checked<Settled>, StoreError> {
        refuse()
    }
}
