//! Messages of one key, in the order in which they were enqueued; and batches.

use super::*;

/// A store whose floor is 5, with these messages and their keys.
fn ordered(messages: &[(&str, Option<&str>)]) -> SqliteOutbox {
    let mut outbox = SqliteOutbox::in_memory().unwrap();
    raise(&mut outbox, 5);
    let new = |(name, key): &(&str, Option<&str>)| NewMessage {
        key: key.map(|key| OrderingKey::new(key).unwrap()),
        ..NewMessage::new(message(name), *b"")
    };
    let messages: Vec<_> = messages.iter().map(new).collect();
    outbox.enqueue(&messages, at(1)).unwrap();
    outbox
}

fn eligible(outbox: &mut SqliteOutbox) -> Vec<String> {
    outbox.pending(9, LATER).unwrap().iter().map(|m| m.id.to_string()).collect()
}

fn first_attempt(name: &str) -> Attempt {
    Attempt { id: message(name), number: 1 }
}

fn claim_all(outbox: &mut SqliteOutbox, names: &[&str]) -> Vec<Claim> {
    let attempts: Vec<_> = names.iter().map(|name| first_attempt(name)).collect();
    match outbox.claim(&Permit { token: Token(5) }, &attempts, at(777), at(10)).unwrap() {
        Checked::Passed(claims) => claims,
        Checked::Fenced { floor } => panic!("fenced by {floor}"),
    }
}

const GRANTED_ONE: Claim = Claim::Granted { send_within: None };
const NOT_YET: Claim = Claim::Refused { state: Some(MessageState::Pending) };

#[test]
fn the_next_of_a_key_waits_until_the_one_before_has_ended() {
    for (ends, blocks) in [
        (Settlement::Delivered, false),
        (Settlement::Failed { reason: "no such street".into() }, false),
        (Settlement::InDoubt { reason: "timeout".into() }, true),
        (Settlement::GivenBack { reason: "stopped".into() }, true),
        (Settlement::Retry { reason: "busy".into(), after: Duration::from_secs(1) }, true),
    ] {
        let mut outbox =
            ordered(&[("a1", Some("a")), ("a2", Some("a")), ("b1", Some("b")), ("x", None)]);
        assert_eq!(eligible(&mut outbox), ["a1", "b1", "x"]);
        assert_eq!(claim_all(&mut outbox, &["a2"]), [NOT_YET]);
        assert_eq!(claim_all(&mut outbox, &["a1"]), [GRANTED_ONE]);
        assert_eq!(eligible(&mut outbox), ["b1", "x"]);
        assert_eq!(claim_all(&mut outbox, &["a2"]), [NOT_YET]);
        settle_one(&mut outbox, Token(5), &first_attempt("a1"), &ends, at(11)).unwrap();
        let second = claim_all(&mut outbox, &["a2"]);
        assert_eq!(second, [if blocks { NOT_YET } else { GRANTED_ONE }], "{ends:?}");
    }
}

#[test]
fn of_one_batch_each_claim_sees_the_ones_before_it() {
    let mut outbox = ordered(&[("a1", Some("a")), ("a2", Some("a")), ("x", None)]);
    let claims = claim_all(&mut outbox, &["a1", "a2", "nobody", "x", "x"]);
    let expected = [GRANTED_ONE, NOT_YET, Claim::Refused { state: None }, GRANTED_ONE, GRANTED_ONE];
    assert_eq!(claims, expected);
    let said = [
        ("x", Settlement::Delivered),
        ("a1", Settlement::Delivered),
        ("a2", Settlement::Delivered),
    ];
    let said = said.map(|(name, settlement)| (first_attempt(name), settlement));
    for _ in 0..2 {
        let settled = outbox.settle(Token(5), &said, at(12)).unwrap();
        let expected = vec![
            Settled::Now(MessageState::Delivered),
            Settled::Now(MessageState::Delivered),
            Settled::Refused { state: Some(MessageState::Pending) },
        ];
        assert_eq!(settled, Checked::Passed(expected));
    }
    assert_eq!(eligible(&mut outbox), ["a2"]);
    let stale = outbox.settle(Token(4), &said, at(13));
    assert_eq!(stale, Ok(Checked::Fenced { floor: Token(5) }));
}

#[test]
fn messages_are_enqueued_all_or_none() {
    let mut outbox = outbox();
    let new = |name: &str, len: usize| NewMessage::new(message(name), vec![7; len]);
    let too_long = [new("a", 1), new("b", MAX_PAYLOAD_LEN + 1), new("c", 1)];
    let refused = outbox.enqueue(&too_long, at(2)).unwrap_err();
    let long = EnqueueError::TooLong { id: message("b"), len: MAX_PAYLOAD_LEN + 1 };
    assert_eq!(refused, long);
    assert_eq!(outbox.counts().unwrap().of(MessageState::Pending), 1);
    claim(&mut outbox, 5, 3);
    let batch = [new("a", 1), new("m", 2), new("a", 3)];
    let (added, pending) = (Enqueued::Added, Enqueued::Exists(MessageState::Pending));
    let claimed = Enqueued::Exists(MessageState::Claimed);
    assert_eq!(outbox.enqueue(&batch, at(4)), Ok(vec![added, claimed, pending]));
    assert_eq!(outbox.enqueue(&batch, at(4)), Ok(vec![pending, claimed, pending]));
    assert_eq!(outbox.pending(9, LATER).unwrap()[0].payload[..], [7], "the first counts");
    assert_eq!(outbox.enqueue(&[], at(4)), Ok(vec![]));
}
