//! Claims, what a holder says about them, and what is said too late.

use std::time::Duration;

use super::*;
use crate::store::{MAX_LOOK_LEN, MAX_PAYLOAD_LEN, MessageState};

const GRANTED: Claim = Claim::Granted { send_within: None };

fn refused(state: MessageState) -> Claim {
    Claim::Refused { state: Some(state) }
}

pub(super) async fn a_claim_said_twice_is_one(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
    let first = [attempt("m", 1)];
    for _ in 0..2 {
        assert_eq!(claim(store, 5, &first).await, Ok(Checked::Passed(vec![GRANTED])));
    }
    let entry = store.entry_of("m").await.unwrap();
    assert_eq!((entry.state, entry.attempts), (MessageState::Claimed, 1));
    assert_eq!(entry.token, Some(Token(5)));
    assert_eq!(entry.claimer_wall, Some(WallTime { unix_ms: 777 }));
    assert!(entry.first_claimed >= Some(entry.enqueued));
    let twice = [attempt("m", 2), attempt("m", 1)];
    let answers = claim(store, 5, &twice).await;
    assert_eq!(answers, Ok(Checked::Passed(vec![refused(MessageState::Claimed), GRANTED])));
}

pub(super) async fn each_of_a_batch_is_answered(store: &impl Subject) {
    let names: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add(store, &names).await;
    raise(store, 5).await;
    // In another order than they were enqueued in, one of them twice, one unknown.
    let mut attempts: Vec<Attempt> = names.iter().rev().map(|name| attempt(name, 1)).collect();
    attempts.push(attempt("m7", 1));
    attempts.push(attempt("unknown", 1));
    let Ok(Checked::Passed(claims)) = claim(store, 5, &attempts).await else { panic!("fenced") };
    assert_eq!(claims.len(), 102);
    assert!(claims[..101].iter().all(|claim| *claim == GRANTED));
    assert_eq!(claims[101], Claim::Refused { state: None });
    assert_eq!(pending(store).await, [""; 0]);
    let words: Vec<(Attempt, Settlement)> =
        attempts.into_iter().map(|attempt| (attempt, Settlement::Delivered)).collect();
    let Ok(Checked::Passed(settled)) = store.settle(Token(5), &words).await else { panic!() };
    assert!(settled[..101].iter().all(|it| *it == Settled::Now(MessageState::Delivered)));
    assert_eq!(settled[101], Settled::Refused { state: None });
    assert_eq!(claim(store, 5, &[]).await, Ok(Checked::Passed(vec![])));
}

pub(super) async fn one_look_reads_no_more_than_its_bytes(store: &impl Subject) {
    let large: Arc<[u8]> = vec![b'x'; MAX_PAYLOAD_LEN].into();
    let fit = MAX_LOOK_LEN / MAX_PAYLOAD_LEN;
    let mut messages: Vec<NewMessage> = (0..fit)
        .map(|number| NewMessage::new(id(&format!("large{number}")), Arc::clone(&large)))
        .collect();
    // They fill a look to its last byte, so that what has none still fits, and one more does not.
    let last = [("none", 0), ("one", 1), ("after", 0)];
    messages.extend(last.map(|(name, len)| NewMessage::new(id(name), &large[..len])));
    store.enqueue(&messages).await.unwrap();
    let look = async || {
        let found = store.pending(1_000).await.unwrap();
        found.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    let expected: Vec<MessageId> = messages[..=fit].iter().map(|it| it.id.clone()).collect();
    assert_eq!(look().await, expected);
    raise(store, 5).await;
    claim_next(store, 5, "large0").await;
    let expected: Vec<MessageId> = messages[1..].iter().map(|it| it.id.clone()).collect();
    assert_eq!(look().await, expected, "the rest comes as soon as there is room");
}

pub(super) async fn late_calls_are_refused(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "m").await;
    let given_back = Settlement::GivenBack { reason: "stopping".into() };
    settle(store, 5, &first, given_back.clone()).await;
    let late = claim(store, 5, std::slice::from_ref(&first)).await;
    assert_eq!(late, Ok(Checked::Passed(vec![refused(MessageState::Pending)])));
    let second = claim_next(store, 5, "m").await;
    for word in [Settlement::Delivered, in_doubt("?"), given_back] {
        let late = settle(store, 5, &first, word).await;
        let state = Some(MessageState::Claimed);
        assert_eq!(late, Checked::Passed(Settled::Refused { state }));
    }
    let settled = settle(store, 5, &second, Settlement::Delivered).await;
    assert_eq!(settled, Checked::Passed(Settled::Now(MessageState::Delivered)));
}

pub(super) async fn every_settlement_leads_somewhere(store: &impl Subject) {
    let reason = || "because".to_owned();
    let words = [
        ("d", Settlement::Delivered),
        ("f", Settlement::Failed { reason: reason() }),
        ("i", Settlement::InDoubt { reason: reason() }),
        ("r", Settlement::Retry { reason: reason(), after: Duration::ZERO }),
        ("g", Settlement::GivenBack { reason: reason() }),
    ];
    let names = words.each_ref().map(|(name, _)| *name);
    add(store, &names).await;
    raise(store, 5).await;
    let attempts = names.map(|name| attempt(name, 1));
    claim(store, 5, &attempts).await.unwrap();
    let words: Vec<(Attempt, Settlement)> =
        words.into_iter().map(|(name, word)| (attempt(name, 1), word)).collect();
    for _ in 0..2 {
        let Ok(Checked::Passed(settled)) = store.settle(Token(5), &words).await else { panic!() };
        let expected: Vec<Settled> =
            words.iter().map(|(_, word)| Settled::Now(word.target())).collect();
        assert_eq!(settled, expected, "said twice, it happens once");
    }
    for (attempt, word) in &words {
        let entry = store.entry_of(attempt.id.as_str()).await.unwrap();
        assert_eq!((entry.state, entry.attempts), (word.target(), 1));
        let is_retry = matches!(word, Settlement::Retry { .. });
        assert_eq!(entry.failures, u64::from(is_retry), "{word:?}");
        let says_why = *word != Settlement::Delivered;
        assert_eq!(entry.reason.as_deref(), says_why.then_some("because"));
        // What was certainly not sent begins no window.
        let ran = entry.state != MessageState::Pending;
        assert_eq!(entry.first_claimed.is_some(), ran, "{word:?}");
    }
    assert_eq!(pending(store).await, ["r", "g"]);
}

pub(super) async fn two_words_about_one_attempt(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "m").await;
    let words = [(first.clone(), in_doubt("?")), (first, Settlement::Delivered)];
    let settled = store.settle(Token(5), &words).await.unwrap();
    let state = MessageState::InDoubt;
    let answers = vec![Settled::Now(state), Settled::Refused { state: Some(state) }];
    assert_eq!(settled, Checked::Passed(answers));
}

pub(super) async fn a_retry_waits(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "m").await;
    let hour = Duration::from_secs(3600);
    settle(store, 5, &first, Settlement::Retry { reason: "busy".into(), after: hour }).await;
    assert_eq!(pending(store).await, [""; 0], "it is not due");
    let entry = store.entry_of("m").await.unwrap();
    assert_eq!((entry.state, entry.failures), (MessageState::Pending, 1));
    let due = entry.not_before.unwrap().unix_ms - entry.changed.unix_ms;
    assert_eq!(due, 3_600_000);
}

pub(super) async fn a_sweep_takes_only_earlier_tokens(store: &impl Subject) {
    add(store, &["old", "done", "new", "waits"]).await;
    raise(store, 5).await;
    claim_next(store, 5, "old").await;
    let done = claim_next(store, 5, "done").await;
    settle(store, 5, &done, Settlement::Delivered).await;
    raise(store, 6).await;
    claim_next(store, 6, "new").await;
    for swept in [1, 0] {
        assert_eq!(store.sweep(Token(6)).await, Ok(Checked::Passed(swept)));
    }
    let doubts = store.doubts(9).await.unwrap();
    assert_eq!(doubts.len(), 1);
    assert_eq!((&doubts[0].attempt, doubts[0].token), (&attempt("old", 1), Token(5)));
    assert!(doubts[0].reason.contains("claimed by 5"), "{}", doubts[0].reason);
    let new = store.entry_of("new").await.unwrap();
    assert_eq!(new.state, MessageState::Claimed);
    // The deposed holder is told, whatever it says.
    let late = settle(store, 5, &attempt("old", 1), Settlement::Delivered).await;
    assert_eq!(late, Checked::Fenced { floor: Token(6) });
}

pub(super) async fn many_claim_at_once<S: Subject + Clone>(store: &S) {
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add(store, &names).await;
    raise(store, 5).await;
    let mut tasks = Vec::new();
    for turn in 0..4 {
        let store = shared(store);
        // Each in an order of its own.
        let mut attempts: Vec<Attempt> = names.iter().map(|name| attempt(name, 1)).collect();
        attempts.rotate_left(turn * 5);
        tasks.push(tokio::spawn(async move { claim(&*store, 5, &attempts).await }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(Checked::Passed(vec![GRANTED; 20])));
    }
    for name in names {
        assert_eq!(store.entry_of(name).await.unwrap().attempts, 1);
    }
}
