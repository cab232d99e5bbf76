//! What is in doubt, and what proof does to it.

use super::*;
use crate::store::MessageState;

const DAY: Duration = Duration::from_secs(24 * 3600);

const AT_ONCE: Duration = Duration::ZERO;

/// A store whose floor is 5, with one message that is in doubt after its first attempt.
async fn doubtful(store: &impl Subject, name: &str) -> Attempt {
    add(store, &[name]).await;
    if store.fence_row().await.floor < Token(5) {
        raise(store, 5).await;
    }
    let first = claim_next(store, 5, name).await;
    settle(store, 5, &first, in_doubt("no answer")).await;
    first
}

async fn resolve(store: &impl Subject, attempt: &Attempt, proof: Proof) -> Settled {
    match store.resolve(Token(5), attempt, proof).await.unwrap() {
        Checked::Passed(settled) => settled,
        Checked::Fenced { floor } => panic!("fenced by {floor}"),
    }
}

pub(super) async fn proofs_move_and_parking_stays(store: &impl Subject) {
    let now = Settled::Now;
    let has = doubtful(store, "has").await;
    assert_eq!(resolve(store, &has, Proof::SinkHasIt).await, now(MessageState::Delivered));
    let state = Some(MessageState::Delivered);
    assert_eq!(resolve(store, &has, Proof::SinkHasIt).await, Settled::Refused { state });

    let lacks = doubtful(store, "lacks").await;
    assert_eq!(resolve(store, &lacks, LACKS).await, now(MessageState::Pending));
    assert_eq!(store.entry_of("lacks").await.unwrap().send_until, None);

    let parked = doubtful(store, "parked").await;
    let park = Proof::Park { reason: "nobody knows".into() };
    assert_eq!(resolve(store, &parked, park).await, now(MessageState::InDoubt));
    assert_eq!(store.doubts(9).await.unwrap(), [], "it is a person's");
    let window = Proof::Deduplicated { window: DAY, after: AT_ONCE };
    assert_eq!(resolve(store, &parked, window).await, now(MessageState::InDoubt));
    let entry = store.entry_of("parked").await.unwrap();
    assert!(entry.parked && entry.reason.as_deref() == Some("nobody knows"));
    assert_eq!(resolve(store, &parked, Proof::SinkHasIt).await, now(MessageState::Delivered));

    let unknown = resolve(store, &attempt("unknown", 1), Proof::SinkHasIt).await;
    assert_eq!(unknown, Settled::Refused { state: None });
    let other = doubtful(store, "other").await;
    let late = Attempt { number: 0, ..other };
    let state = Some(MessageState::InDoubt);
    assert_eq!(resolve(store, &late, Proof::SinkHasIt).await, Settled::Refused { state });
}

pub(super) async fn a_window_that_is_over_parks(store: &impl Subject) {
    let over = doubtful(store, "m").await;
    let proof = Proof::Deduplicated { window: Duration::ZERO, after: AT_ONCE };
    let parked = resolve(store, &over, proof).await;
    assert_eq!(parked, Settled::Now(MessageState::InDoubt));
    let entry = store.entry_of("m").await.unwrap();
    assert!(entry.parked);
    assert_eq!(entry.reason.as_deref(), Some("no answer; the deduplication window is over"));
}

pub(super) async fn a_window_runs_on_from_the_first_claim(store: &impl Subject) {
    let first = doubtful(store, "m").await;
    let begun = store.entry_of("m").await.unwrap().first_claimed.unwrap();
    let window = Proof::Deduplicated { window: DAY, after: AT_ONCE };
    let released = resolve(store, &first, window.clone()).await;
    assert_eq!(released, Settled::Now(MessageState::Pending));
    let until = store.entry_of("m").await.unwrap().send_until.unwrap();
    assert_eq!(until.unix_ms - begun.unix_ms, 24 * 3_600_000);
    let second = [attempt("m", 2)];
    for _ in 0..2 {
        let Ok(Checked::Passed(claims)) = claim(store, 5, &second).await else { panic!() };
        let [Claim::Granted { send_within: Some(left) }] = claims[..] else { panic!("{claims:?}") };
        assert!(left > DAY / 2 && left <= DAY, "{left:?}");
    }
    settle(store, 5, &second[0], in_doubt("again")).await;
    resolve(store, &second[0], window).await;
    let entry = store.entry_of("m").await.unwrap();
    assert_eq!((entry.first_claimed, entry.send_until), (Some(begun), Some(until)));
}

/// Else a sink that is overloaded, and says nothing of use, would be asked as fast as it fails.
pub(super) async fn what_is_sent_again_rests_first(store: &impl Subject) {
    let hour = Duration::from_secs(3600);
    let proofs = [
        ("lacks", Proof::SinkLacksIt { after: hour }),
        ("drops", Proof::Deduplicated { window: DAY, after: hour }),
    ];
    for (name, proof) in proofs {
        let first = doubtful(store, name).await;
        assert_eq!(store.doubts(9).await.unwrap()[0].failures, 0);
        let pending = Settled::Now(MessageState::Pending);
        assert_eq!(resolve(store, &first, proof.clone()).await, pending);
        let entry = store.entry_of(name).await.unwrap();
        assert_eq!(entry.failures, 1, "{name}");
        assert_eq!(entry.not_before.unwrap().unix_ms - entry.changed.unix_ms, 3_600_000, "{name}");
        // A repeat whose first answer was lost counts no second failure.
        let state = Some(MessageState::Pending);
        assert_eq!(resolve(store, &first, proof).await, Settled::Refused { state });
        assert_eq!(store.entry_of(name).await.unwrap(), entry);
        let second = claim_next(store, 5, name).await;
        settle(store, 5, &second, in_doubt("no answer")).await;
        assert_eq!(store.doubts(9).await.unwrap()[0].failures, 1);
        resolve(store, &second, Proof::Park { reason: "enough".into() }).await;
    }
}

/// What stands behind it waits for no longer than it has to.
pub(super) async fn no_pause_outlasts_the_window(store: &impl Subject) {
    let first = doubtful(store, "m").await;
    resolve(store, &first, Proof::Deduplicated { window: DAY, after: 2 * DAY }).await;
    let entry = store.entry_of("m").await.unwrap();
    assert!(entry.not_before.is_some() && entry.not_before == entry.send_until, "{entry:?}");
    let second = claim_next(store, 5, "m").await;
    let busy = Settlement::Retry { reason: "busy".into(), after: 2 * DAY };
    settle(store, 5, &second, busy).await;
    let again = store.entry_of("m").await.unwrap();
    assert_eq!((again.not_before, again.failures), (entry.send_until, 2));
}

pub(super) async fn what_is_given_up_is_a_dead_letter(store: &impl Subject) {
    let first = doubtful(store, "m").await;
    let given_up = Proof::GivenUp { reason: "too often".into() };
    assert_eq!(resolve(store, &first, given_up.clone()).await, Settled::Now(MessageState::Failed));
    let entry = store.entry_of("m").await.unwrap();
    assert_eq!((entry.failures, entry.reason.as_deref()), (1, Some("too often")));
    let state = Some(MessageState::Failed);
    assert_eq!(resolve(store, &first, given_up).await, Settled::Refused { state });
    assert_eq!(store.entry_of("m").await.unwrap(), entry);
}

pub(super) async fn reasons_of_any_text_are_kept(store: &impl Subject) {
    for (number, reason) in ["", "grüße\n\t'", "a\0b", &"x".repeat(100_000)].iter().enumerate() {
        let name = format!("m{number}");
        add(store, &[&name]).await;
        raise(store, 100 + number as u64).await;
        let token = 100 + number as u64;
        let first = claim_next(store, token, &name).await;
        settle(store, token, &first, in_doubt(reason)).await;
        let kept = store.entry_of(&name).await.unwrap().reason.unwrap();
        // A zero byte is the one that a store may change.
        assert_eq!(kept.replace('\u{fffd}', "\0"), *reason);
    }
}
