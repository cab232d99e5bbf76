//! Where there is no store: leadership is granted, and whatever would have to be kept is refused. An answer
//! such as "nothing is pending" would be a lie that looks like an empty outbox.

use super::*;
use crate::store::{Fence, Outbox, Proof, Share, Unfenced, Unit, WorkName};

#[tokio::test]
async fn without_a_store_everybody_may_lead_and_says_that_nothing_backs_it() {
    assert!(!Unfenced.is_fence());
    assert_eq!(Unfenced.bind("letters").await, Ok(()));
    let raised = Unfenced.activate(START, Token(5), node("n1", 1)).await;
    assert_eq!(raised, Ok(Activated::Raised));
}

#[tokio::test]
async fn without_a_store_nothing_is_kept_or_found() {
    let no = StoreError::Unavailable("this cluster has no store".into());
    assert_eq!(Unfenced.roll().await, Err(no.clone()));
    assert_eq!(Unfenced.call_roll(START, &[boot("n1", 1)]).await, Err(no.clone()));
    let message = NewMessage::new(id("m"), *b"hello");
    assert_eq!(Unfenced.enqueue(&[message]).await, Err(no.clone().into()));
    assert_eq!(Unfenced.sweep(Token(5)).await, Err(no.clone()));
    assert_eq!(Unfenced.pending(9).await, Err(no.clone()));
    let share = Share {
        work: WorkName::new("letters").unwrap(),
        of: 1,
        unit: Unit(0),
        epoch: crate::store::Epoch(1),
        worker: boot("n1", 1),
    };
    assert_eq!(Unfenced.pending_of(&share, 9).await, Err(no.clone()));
    let (attempt, wall) = (attempt("m", 1), WallTime { unix_ms: 1 });
    let claimed =
        Unfenced.claim(&Permit::of_holder(Token(5)), std::slice::from_ref(&attempt), wall).await;
    assert_eq!(claimed, Err(no.clone()));
    let left = Unfenced.claimed_under(&Permit::of_holder(Token(5))).await;
    assert_eq!(left, Err(no.clone()));
    let settled = Unfenced.settle(Token(5), &[(attempt.clone(), Settlement::Delivered)]).await;
    assert_eq!(settled, Err(no.clone()));
    assert_eq!(Unfenced.doubts(9).await, Err(no.clone()));
    assert_eq!(Unfenced.resolve(Token(5), &attempt, Proof::SinkHasIt).await, Err(no));
}
