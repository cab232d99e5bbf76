//! The straight way of a message: enqueued, claimed, settled.

use super::*;

#[test]
fn a_message_is_claimed_then_delivered_and_said_twice_it_happens_once() {
    let mut outbox = outbox();
    assert_eq!(outbox.pending(9, LATER).unwrap()[0].payload[..], *b"hello");
    for _ in 0..2 {
        assert_eq!(claim(&mut outbox, 5, 10), GRANTED);
    }
    assert!(outbox.pending(9, LATER).unwrap().is_empty());
    for _ in 0..2 {
        let now = settle(&mut outbox, 5, &Settlement::Delivered);
        assert_eq!(now, now_at(MessageState::Delivered));
    }
    let delivered = Some(MessageState::Delivered);
    assert_eq!(settle(&mut outbox, 5, &in_doubt("?")), refused(delivered));
    assert_eq!(claim(&mut outbox, 5, 11), no_claim(delivered));
    let expected = Entry {
        seq: 1,
        id: message("m"),
        key: None,
        state: MessageState::Delivered,
        token: Some(Token(5)),
        worker: None,
        parked: false,
        reason: None,
        attempts: 1,
        failures: 0,
        enqueued: at(1),
        first_claimed: Some(at(10)),
        not_before: None,
        send_until: None,
        changed: at(20),
        claimer_wall: Some(at(777)),
    };
    assert_eq!(only_entry(&mut outbox), expected);
    assert_eq!(outbox.counts().unwrap().of(MessageState::Delivered), 1);
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 5);
    assert_eq!(claim(&mut outbox, 5, 1), no_claim(None));
    assert_eq!(settle(&mut outbox, 5, &Settlement::Delivered), refused(None));
    assert_eq!(resolve(&mut outbox, 5, &Proof::SinkHasIt, 1), refused(None));
    assert_eq!(outbox.state_of(&message("m")), Ok(None));
}

#[test]
fn an_equal_id_is_enqueued_once() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    let again = enqueue(&mut outbox, "m", b"other", at(11));
    assert_eq!(again, Ok(Enqueued::Exists(MessageState::Claimed)));
    assert_eq!(outbox.counts().unwrap().by_state, [0, 1, 0, 0, 0]);
}

#[test]
fn payloads_have_a_limit() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    let mut payload = vec![0; MAX_PAYLOAD_LEN + 1];
    let refused = enqueue(&mut outbox, "m", &payload, at(1)).unwrap_err();
    assert_eq!(refused, EnqueueError::TooLong { id: message("m"), len: MAX_PAYLOAD_LEN + 1 });
    assert_eq!(outbox.state_of(&message("m")), Ok(None));
    payload.pop();
    assert_eq!(enqueue(&mut outbox, "m", &payload, at(1)), Ok(Enqueued::Added));
    assert_eq!(outbox.pending(1, LATER).unwrap()[0].payload.len(), MAX_PAYLOAD_LEN);
}

#[test]
fn the_oldest_come_first_and_not_more_than_asked_for() {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 1);
    for name in ["c", "a", "b"] {
        enqueue(&mut outbox, name, b"", at(1)).unwrap();
    }
    let names = |pending: Vec<crate::store::Outgoing>| {
        pending.iter().map(|m| m.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(outbox.pending(2, LATER).unwrap()), ["c", "a"]);
    assert_eq!(names(outbox.pending(usize::MAX, LATER).unwrap()), ["c", "a", "b"]);
    for name in ["b", "a"] {
        let attempt = next(&mut outbox, name);
        claim_one(&mut outbox, Token(1), &attempt, at(1)).unwrap();
        settle_one(&mut outbox, Token(1), &attempt, &in_doubt("?"), at(1)).unwrap();
    }
    assert_eq!(outbox.doubts(1).unwrap()[0].attempt.id, message("a"));
    assert_eq!(names(outbox.pending(0, LATER).unwrap()), [""; 0]);
}
