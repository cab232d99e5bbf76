//! Messages of one key, one after the other.

use super::*;
use crate::store::{MessageState, OrderingKey};

async fn add_keyed(store: &impl Subject, names: &[(&str, &str)]) {
    let messages: Vec<NewMessage> = names
        .iter()
        .map(|(name, key)| NewMessage::new(id(name), *b"").with_key(OrderingKey::new(key).unwrap()))
        .collect();
    store.enqueue(&messages).await.unwrap();
}

const OUT_OF_TURN: Claim = Claim::Refused { state: Some(MessageState::Pending) };

pub(super) async fn one_of_a_key_at_a_time(store: &impl Subject) {
    add_keyed(store, &[("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a")]).await;
    add(store, &["free"]).await;
    raise(store, 5).await;
    assert_eq!(pending(store).await, ["a1", "b1", "free"]);
    let (first, free) =
        (store.entry_of("a1").await.unwrap(), store.entry_of("free").await.unwrap());
    assert_eq!((first.key.as_ref().map(OrderingKey::as_str), free.key), (Some("a"), None));
    assert_eq!(first.not_before, None, "it may be claimed at once");
    let early = claim(store, 5, &[attempt("a2", 1)]).await;
    assert_eq!(early, Ok(Checked::Passed(vec![OUT_OF_TURN])));
    for (name, next) in [("a1", "a2"), ("a2", "a3")] {
        let claimed = claim_next(store, 5, name).await;
        let early = claim(store, 5, &[attempt(next, 1)]).await;
        assert_eq!(early, Ok(Checked::Passed(vec![OUT_OF_TURN])), "while {name} is claimed");
        settle(store, 5, &claimed, in_doubt("?")).await;
        let early = claim(store, 5, &[attempt(next, 1)]).await;
        assert_eq!(early, Ok(Checked::Passed(vec![OUT_OF_TURN])), "while {name} is in doubt");
        store.resolve(Token(5), &claimed, crate::store::Proof::SinkHasIt).await.unwrap();
        assert!(pending(store).await.contains(&next.to_owned()));
    }
}

/// Waiting for another attempt, it is still the first.
pub(super) async fn nobody_overtakes_one_that_rests(store: &impl Subject) {
    add_keyed(store, &[("a1", "a"), ("a2", "a")]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "a1").await;
    settle(store, 5, &first, in_doubt("?")).await;
    let rests = Proof::SinkLacksIt { after: Duration::from_secs(3600) };
    store.resolve(Token(5), &first, rests).await.unwrap();
    assert_eq!(pending(store).await, [""; 0]);
    let early = claim(store, 5, &[attempt("a2", 1)]).await;
    assert_eq!(early, Ok(Checked::Passed(vec![OUT_OF_TURN])));
}

pub(super) async fn a_failed_one_does_not_block(store: &impl Subject) {
    add_keyed(store, &[("a1", "a"), ("a2", "a")]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "a1").await;
    settle(store, 5, &first, Settlement::Failed { reason: "no".into() }).await;
    assert_eq!(pending(store).await, ["a2"]);
    claim_next(store, 5, "a2").await;
}

pub(super) async fn a_batch_of_one_key(store: &impl Subject) {
    add_keyed(store, &[("a1", "a"), ("a2", "a"), ("b1", "b")]).await;
    raise(store, 5).await;
    let granted = Claim::Granted { send_within: None };
    let batch = ["a2", "a1", "b1"].map(|name| attempt(name, 1));
    let claims = claim(store, 5, &batch).await;
    assert_eq!(claims, Ok(Checked::Passed(vec![OUT_OF_TURN, granted, granted])));
}

/// More than one turn of a look goes over.
const BACKLOG: usize = 700;

pub(super) async fn a_backlog_is_passed_over(store: &impl Subject) {
    let names: Vec<String> = (0..BACKLOG).map(|number| format!("a{number}")).collect();
    let backlog: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
    add_keyed(store, &backlog).await;
    add(store, &["free"]).await;
    add_keyed(store, &[("b1", "b"), ("b2", "b"), ("c1", "c")]).await;
    raise(store, 5).await;
    assert_eq!(pending(store).await, ["a0", "free", "b1", "c1"]);
    assert_eq!(store.pending(2).await.unwrap()[1].id, id("free"), "the oldest come first");
    let first = claim_next(store, 5, "a0").await;
    assert_eq!(pending(store).await, ["free", "b1", "c1"]);
    let busy = Settlement::Retry { reason: "busy".into(), after: Duration::from_secs(3600) };
    settle(store, 5, &first, busy).await;
    assert_eq!(pending(store).await, ["free", "b1", "c1"], "the first one rests");
    let again = claim_next(store, 5, "b1").await;
    settle(store, 5, &again, Settlement::Delivered).await;
    assert_eq!(pending(store).await, ["free", "b2", "c1"]);
}
