//! The floor, the generations, and whose store it is.

use super::*;
use crate::election::MAX_VOTERS;
use crate::id::Term;
use crate::store::Proof;

pub(super) async fn the_floor_only_rises(store: &impl Subject) {
    assert!(store.is_fence(), "guards of this store are backed by it");
    let behind = |floor, generation| Ok(Activated::Behind { floor: Token(floor), generation });
    assert_eq!(store.activate(START, Token(5), node("n1", 1)).await, Ok(Activated::Raised));
    assert_eq!(store.activate(START, Token(5), node("n1", 1)).await, Ok(Activated::Raised));
    for holder in [node("n2", 1), node("n1", 2)] {
        assert_eq!(store.activate(START, Token(5), holder).await, behind(5, START));
    }
    assert_eq!(store.activate(START, Token(4), node("n1", 1)).await, behind(5, START));
    for other in [Generation::stored(1), Generation { number: 0, roll: 7 }] {
        assert_eq!(store.activate(other, Token(9), node("n1", 1)).await, behind(5, START));
    }
    let too_high = Token(Term::MAX.0 + 1);
    let refused = store.activate(START, too_high, node("n1", 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let highest = Token(Term::MAX.0);
    assert_eq!(store.activate(START, highest, node("n1", 1)).await, Ok(Activated::Raised));
    let row = store.fence_row().await;
    assert_eq!((row.floor, row.holder), (highest, Some(node("n1", 1))));
    assert!(row.raised.is_some());
}

pub(super) async fn a_roll_call_starts_a_generation(store: &impl Subject) {
    raise(store, 7).await;
    let boots = [boot("n1", 0), boot("n10", u64::MAX), boot("n2", 1 << 63)];
    let first = store.call_roll(START, &boots).await.unwrap();
    assert_eq!((first.generation, first.floor), (Generation::stored(1), Term(7)));
    assert_eq!(first.boots, boots);
    // Said twice, and by somebody else who is too late.
    assert_eq!(store.call_roll(START, &boots).await.unwrap(), first);
    assert_eq!(store.call_roll(START, &[boot("n9", 9)]).await.unwrap(), first);
    assert_eq!(store.roll().await.unwrap(), first);
    let row = store.fence_row().await;
    assert_eq!((row.floor, row.holder), (Token(7), None), "the floor stays, and nobody holds it");
    let old = store.activate(START, Token(8), node("n1", 1)).await;
    let generation = Generation::stored(1);
    assert_eq!(old, Ok(Activated::Behind { floor: Token(7), generation }));
    let same = store.activate(generation, Token(7), node("n1", 7)).await;
    assert_eq!(same, Ok(Activated::Behind { floor: Token(7), generation }));
    assert_eq!(store.activate(generation, Token(8), node("n1", 1)).await, Ok(Activated::Raised));
    let second = store.call_roll(generation, &[boot("n3", 3)]).await.unwrap();
    assert_eq!(second.boots, [boot("n3", 3)]);
    assert_eq!(second.generation, Generation::stored(2));
}

pub(super) async fn bad_roll_calls_change_nothing(store: &impl Subject) {
    let many: Vec<Boot> = (0..=MAX_VOTERS).map(|n| boot(&format!("n{n}"), 1)).collect();
    let last = Generation::stored(Generation::MAX_NUMBER);
    let twice = [boot("n1", 1), boot("n1", 2)];
    for (seen, boots) in [(START, &[][..]), (START, &twice), (START, &many), (last, &many[..1])] {
        let refused = store.call_roll(seen, boots).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let roll = store.roll().await.unwrap();
    assert_eq!((roll.generation, roll.boots.len()), (START, 0));
}

pub(super) async fn a_store_is_bound_once(store: &impl Subject) {
    assert_eq!(store.bind("").await, Err(BindError::NoName));
    assert_eq!(store.fence_row().await.cluster, None);
    for _ in 0..2 {
        assert_eq!(store.bind("mail").await, Ok(()));
    }
    let other = BindError::OtherCluster { ours: "post".into(), theirs: "mail".into() };
    assert_eq!(store.bind("post").await, Err(other));
    assert_eq!(store.fence_row().await.cluster.as_deref(), Some("mail"));
}

pub(super) async fn nobody_writes_without_the_floor(store: &impl Subject) {
    add(store, &["m"]).await;
    let first = [attempt("m", 1)];
    // Floor 0 is nobody's.
    assert_eq!(claim(store, 0, &first).await, Ok(Checked::Fenced { floor: Token(0) }));
    raise(store, 5).await;
    let fenced = Checked::Fenced { floor: Token(5) };
    for token in [0, 4, 6, u64::MAX] {
        assert_eq!(claim(store, token, &first).await, Ok(fenced_claims()));
        let word = settle(store, token, &first[0], Settlement::Delivered).await;
        assert_eq!(word, fenced);
        assert_eq!(store.sweep(Token(token)).await, Ok(Checked::Fenced { floor: Token(5) }));
        let resolved = store.resolve(Token(token), &first[0], Proof::SinkHasIt).await;
        assert_eq!(resolved, Ok(fenced));
    }
    assert_eq!(pending(store).await, ["m"]);
}

fn fenced_claims() -> Checked<Vec<Claim>> {
    Checked::Fenced { floor: Token(5) }
}
