//! Messages in.

use super::*;
use crate::store::{EnqueueError, MAX_PAYLOAD_LEN, MessageState, OrderingKey};

pub(super) async fn any_payload_is_kept(store: &impl Subject) {
    let payloads: [Vec<u8>; 4] =
        [vec![], vec![0, 0xff, 0, b'\\'], (0..=255).collect(), vec![7; MAX_PAYLOAD_LEN]];
    let messages: Vec<NewMessage> = payloads
        .iter()
        .enumerate()
        .map(|(number, payload)| NewMessage::new(id(&number.to_string()), payload.as_slice()))
        .collect();
    assert_eq!(store.enqueue(&messages).await, Ok(vec![Enqueued::Added; 4]));
    let pending = store.pending(9).await.unwrap();
    assert_eq!(pending.len(), 4);
    for (outgoing, payload) in pending.iter().zip(&payloads) {
        assert!(outgoing.payload[..] == payload[..], "a payload of {} bytes", payload.len());
        assert_eq!((outgoing.attempt, outgoing.failures), (1, 0));
    }
    assert_eq!(store.pending(2).await.unwrap().len(), 2);
    assert_eq!(store.enqueue(&[]).await, Ok(vec![]));
}

pub(super) async fn the_first_of_an_id_counts(store: &impl Subject) {
    add(store, &["a"]).await;
    raise(store, 5).await;
    let claimed = claim_next(store, 5, "a").await;
    settle(store, 5, &claimed, Settlement::Delivered).await;
    let message = |name: &str, payload: &[u8]| NewMessage::new(id(name), payload);
    let batch = [
        message("b", b"first"),
        message("a", b"again"),
        message("b", b"second"),
        message("c", b"c"),
    ];
    let answers = store.enqueue(&batch).await.unwrap();
    let is = Enqueued::Exists;
    let (delivered, pending) = (MessageState::Delivered, MessageState::Pending);
    assert_eq!(answers, [Enqueued::Added, is(delivered), is(pending), Enqueued::Added]);
    let kept = store.pending(9).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(&kept[0].payload[..], b"first");
    // Said twice.
    assert_eq!(
        store.enqueue(&batch).await.unwrap(),
        [is(pending), is(delivered), is(pending), is(pending)]
    );
}

pub(super) async fn too_long_is_refused_before_anything(store: &impl Subject) {
    let long = NewMessage::new(id("long"), vec![0; MAX_PAYLOAD_LEN + 1]);
    let refused = store.enqueue(&[NewMessage::new(id("short"), *b"x"), long]).await;
    let len = MAX_PAYLOAD_LEN + 1;
    assert_eq!(refused, Err(EnqueueError::TooLong { id: id("long"), len }));
    assert_eq!(pending(store).await, [""; 0]);
}

pub(super) async fn one_of_many_at_once_is_added<S: Subject + Clone>(store: &S) {
    let mut tasks = Vec::new();
    for number in 0..8_u8 {
        let store = shared(store);
        tasks.push(tokio::spawn(async move {
            store.enqueue(&[NewMessage::new(id("m"), [number])]).await.unwrap()[0]
        }));
    }
    let mut added = 0;
    for task in tasks {
        match task.await.unwrap() {
            Enqueued::Added => added += 1,
            Enqueued::Exists(state) => assert_eq!(state, MessageState::Pending),
        }
    }
    assert_eq!(added, 1);
    assert_eq!(pending(store).await, ["m"]);
}

pub(super) async fn texts_of_every_kind_are_kept(store: &impl Subject) {
    let names = ["grüße", "a'b\"c;--", "$1 %s \\ {}", "😀\u{2028}", " x ", "NULL"];
    let messages: Vec<NewMessage> = names
        .iter()
        .map(|name| NewMessage::new(id(name), *b"").with_key(OrderingKey::new(name).unwrap()))
        .collect();
    store.enqueue(&messages).await.unwrap();
    assert_eq!(pending(store).await, names);
    for name in names {
        let entry = store.entry_of(name).await.unwrap();
        assert_eq!((entry.id.as_str(), entry.key.unwrap().as_str()), (name, name));
    }
    assert_eq!(store.entry_of("GRÜSSE").await, None);
}
