//! The floor, the generations, and whose store it is.

use super::*;
use crate::election::MAX_VOTERS;
use crate::id::Term;
use crate::store::{MAX_GENERATIONS_LOST, Proof};

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

pub(super) async fn the_holder_is_confirmed_and_nothing_raised(store: &impl Subject) {
    let behind = |floor| Ok(Activated::Behind { floor: Token(floor), generation: START });
    assert_eq!(store.confirm(START, Token(5), node("n1", 1)).await, behind(0), "never activated");
    store.activate(START, Token(5), node("n1", 1)).await.unwrap();
    let row = store.fence_row().await;
    assert_eq!(store.confirm(START, Token(5), node("n1", 1)).await, Ok(Activated::Raised));
    for (generation, token, holder) in [
        (START, 5, node("n1", 2)),
        (START, 5, node("n2", 1)),
        (START, 4, node("n1", 1)),
        (START, 6, node("n1", 1)),
        (Generation::stored(1), 5, node("n1", 1)),
    ] {
        let word = store.confirm(generation, Token(token), holder).await;
        assert_eq!(word, behind(5), "{generation} {token} {holder}");
    }
    assert_eq!(store.fence_row().await, row, "looking changes nothing");
}

pub(super) async fn a_store_that_was_set_back_is_moved_on(store: &impl Subject) {
    store.call_roll(START, &[boot("n1", 1), boot("n2", 2)]).await.unwrap();
    raise_in(store, Generation::stored(1), 7).await;
    let to = Generation::stored(3);
    let behind = Ok(Activated::Behind { floor: Token(7), generation: Generation::stored(1) });
    // Not to where it is, nor back, nor as far as no backup goes; nor below its floor.
    let far = Generation::stored(2 + MAX_GENERATIONS_LOST);
    for other in [START, Generation::stored(1), far, Generation { number: 2, roll: 7 }] {
        assert_eq!(store.advance(other, Token(9), node("n1", 1)).await, behind, "{other}");
    }
    assert_eq!(store.advance(to, Token(7), node("n1", 1)).await, behind);
    assert_eq!(store.advance(to, Token(8), node("n3", 1)).await, Ok(Activated::Raised));
    let row = store.fence_row().await;
    assert_eq!((row.floor, row.holder, row.generation), (Token(8), Some(node("n3", 1)), to));
    let roll = store.roll().await.unwrap();
    assert_eq!((roll.generation, roll.boots.len()), (to, 0), "nobody knows who was on it");
    assert_eq!(store.confirm(to, Token(8), node("n3", 1)).await, Ok(Activated::Raised));
    // Said twice: it stands where it is to stand.
    let again = store.activate(to, Token(8), node("n3", 1)).await;
    assert_eq!(again, Ok(Activated::Raised));
    let too_high = Token(Term::MAX.0 + 1);
    assert!(store.advance(Generation::stored(4), too_high, node("n1", 1)).await.is_err());
}

async fn raise_in(store: &impl Subject, generation: Generation, token: u64) {
    let raised = store.activate(generation, Token(token), node("n1", 1)).await;
    assert_eq!(raised, Ok(Activated::Raised));
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
