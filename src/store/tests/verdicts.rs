//! What people decide, and that it is written down.

use super::*;
use crate::store::{MessageState, Page, Proof, Ruling};

fn verdict(name: &str, ruling: Ruling) -> Verdict {
    let (by, why) = ("ann".into(), "asked the recipient".into());
    Verdict { id: id(name), attempt: None, ruling, by, why }
}

async fn parked(store: &impl Subject, name: &str) {
    add(store, &[name]).await;
    if store.fence_row().await.floor < Token(5) {
        raise(store, 5).await;
    }
    let first = claim_next(store, 5, name).await;
    settle(store, 5, &first, in_doubt("no answer")).await;
    store.resolve(Token(5), &first, Proof::Park { reason: "?".into() }).await.unwrap();
}

pub(super) async fn a_person_settles_what_is_parked(store: &impl Subject) {
    for (name, ruling, state) in [
        ("d", Ruling::Delivered, MessageState::Delivered),
        ("f", Ruling::Failed, MessageState::Failed),
        ("r", Ruling::Resend, MessageState::Pending),
    ] {
        parked(store, name).await;
        let passed = store.rule(&verdict(name, ruling)).await.unwrap();
        assert_eq!((passed.from, passed.to, passed.attempt), (MessageState::InDoubt, state, 1));
        let entry = store.entry_of(name).await.unwrap();
        assert_eq!((entry.state, entry.parked), (state, false));
        assert_eq!(entry.changed, passed.at);
        assert_eq!(store.trail_of(name).await, [passed]);
        let again = store.rule(&verdict(name, ruling)).await;
        assert!(matches!(again, Err(VerdictError::OtherState { .. })), "{again:?}");
    }
    assert_eq!(pending(store).await, ["r"]);
}

pub(super) async fn a_dead_letter_is_requeued(store: &impl Subject) {
    add(store, &["m"]).await;
    raise(store, 5).await;
    for number in 1..=2 {
        let claimed = claim_next(store, 5, "m").await;
        assert_eq!(claimed.number, number);
        settle(store, 5, &claimed, Settlement::Failed { reason: "no".into() }).await;
        store.rule(&verdict("m", Ruling::Requeue)).await.unwrap();
    }
    let trail = store.trail_of("m").await;
    assert_eq!(trail.iter().map(|it| it.attempt).collect::<Vec<_>>(), [1, 2]);
    assert!(trail.iter().all(|it| it.by == "ann" && it.why == "asked the recipient"));
}

pub(super) async fn many_are_judged_at_once(store: &impl Subject) {
    for name in ["a", "b", "c"] {
        parked(store, name).await;
    }
    let verdicts = [
        verdict("c", Ruling::Delivered),
        verdict("unknown", Ruling::Delivered),
        Verdict { attempt: Some(1), ..verdict("a", Ruling::Resend) },
        Verdict { attempt: Some(2), ..verdict("b", Ruling::Failed) },
        // By then it has moved on.
        verdict("c", Ruling::Failed),
    ];
    let judged = store.rule_all(&verdicts).await;
    assert_eq!(judged.len(), 5);
    assert_eq!(judged[0].as_ref().unwrap().to, MessageState::Delivered);
    assert_eq!(judged[1], Err(VerdictError::NoMessage(id("unknown"))));
    assert_eq!(judged[2].as_ref().unwrap().to, MessageState::Pending);
    assert_eq!(judged[3], Err(VerdictError::OtherAttempt { attempts: 1 }));
    assert!(matches!(judged[4], Err(VerdictError::OtherState { .. })), "{:?}", judged[4]);
    for (name, state, lines) in [
        ("a", MessageState::Pending, 1),
        ("b", MessageState::InDoubt, 0),
        ("c", MessageState::Delivered, 1),
    ] {
        assert_eq!(store.entry_of(name).await.unwrap().state, state, "{name}");
        assert_eq!(store.trail_of(name).await.len(), lines, "{name}");
    }
    assert!(store.rule_all(&[]).await.is_empty());
}

pub(super) async fn a_long_outbox_is_read_in_pages(store: &impl Subject) {
    for name in ["p", "q"] {
        parked(store, name).await;
    }
    add(store, &["a", "b", "c", "d"]).await;
    settle(store, 5, &claim_next(store, 5, "b").await, in_doubt("?")).await;
    let page = async |only, after, limit| {
        let entries = store.page_of(Page { only, after, limit }).await;
        let last = entries.last().map_or(after, |entry| entry.seq);
        (entries.iter().map(|it| it.id.as_str().to_owned()).collect::<Vec<_>>(), last)
    };
    let (first, last) = page(None, 0, 4).await;
    assert_eq!(first, ["p", "q", "a", "b"]);
    let (rest, last) = page(None, last, 4).await;
    assert_eq!(rest, ["c", "d"]);
    assert!(page(None, last, 4).await.0.is_empty());
    let doubts = Some(MessageState::InDoubt);
    let (first, last) = page(doubts, 0, 2).await;
    assert_eq!(first, ["p", "q"]);
    assert_eq!(page(doubts, last, 2).await.0, ["b"]);
    assert_eq!(page(Some(MessageState::Pending), 0, 2).await.0, ["a", "c"]);
    for none in [MessageState::Claimed, MessageState::Delivered, MessageState::Failed] {
        assert!(page(Some(none), 0, 9).await.0.is_empty());
    }
}

pub(super) async fn verdicts_that_do_not_fit_are_refused(store: &impl Subject) {
    let unknown = store.rule(&verdict("unknown", Ruling::Resend)).await;
    assert_eq!(unknown, Err(VerdictError::NoMessage(id("unknown"))));
    add(store, &["m"]).await;
    raise(store, 5).await;
    let first = claim_next(store, 5, "m").await;
    let claimed = store.rule(&verdict("m", Ruling::Delivered)).await;
    assert!(matches!(claimed, Err(VerdictError::OtherState { .. })), "a claim stands: {claimed:?}");
    settle(store, 5, &first, in_doubt("?")).await;
    let early = store.rule(&verdict("m", Ruling::Delivered)).await;
    assert_eq!(early, Err(VerdictError::NotParked { attempts: 1 }));
    let old = Verdict { attempt: Some(0), ..verdict("m", Ruling::Delivered) };
    assert_eq!(store.rule(&old).await, Err(VerdictError::OtherAttempt { attempts: 1 }));
    let silent = Verdict { why: " ".into(), ..verdict("m", Ruling::Delivered) };
    assert_eq!(store.rule(&silent).await, Err(VerdictError::NoReason));
    assert_eq!(store.trail_of("m").await, []);
    let named = Verdict { attempt: Some(1), ..verdict("m", Ruling::Delivered) };
    assert!(store.rule(&named).await.is_ok());
}
