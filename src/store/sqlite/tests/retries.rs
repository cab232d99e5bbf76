//! What the sink refused for now: pending again, but not before its time.

use super::*;

fn retry(after_ms: u64) -> Settlement {
    Settlement::Retry { reason: "busy".into(), after: Duration::from_millis(after_ms) }
}

#[test]
fn a_message_that_was_refused_for_now_waits_and_counts_its_failures() {
    let mut outbox = outbox();
    for failures in 0..3 {
        let message = outbox.pending(9, LATER).unwrap().remove(0);
        assert_eq!((message.failures, message.attempt), (failures, failures + 1));
        claim(&mut outbox, 5, 10);
        for _ in 0..2 {
            // Said twice, it fails once. Settled at 20.
            assert_eq!(settle(&mut outbox, 5, &retry(100)), now_at(MessageState::Pending));
        }
        assert_eq!(outbox.pending(9, at(119)), Ok(vec![]));
        assert_eq!(outbox.pending(9, at(120)).unwrap().len(), 1);
    }
    let entry = only_entry(&mut outbox);
    assert_eq!((entry.failures, entry.not_before), (3, Some(at(120))));
    assert_eq!(entry.reason.as_deref(), Some("busy"));
    claim(&mut outbox, 5, 130);
    assert_eq!(only_entry(&mut outbox).not_before, None);
}

#[test]
fn a_window_begins_with_the_first_attempt_that_may_have_had_an_effect() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &retry(0));
    claim(&mut outbox, 5, 1_000);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    assert_eq!(resolve(&mut outbox, 5, &WINDOW, 1_050), now_at(MessageState::Pending));
    // From then on a refusal stops no clock.
    claim(&mut outbox, 5, 1_060);
    settle(&mut outbox, 5, &retry(0));
    let granted = Claim::Granted { send_within: Some(Duration::from_millis(30)) };
    assert_eq!(claim(&mut outbox, 5, 1_070), Checked::Passed(granted));
    settle(&mut outbox, 5, &Settlement::GivenBack { reason: "stopped".into() });
    assert_eq!(claim(&mut outbox, 5, 1_100), no_claim(Some(MessageState::InDoubt)));
    assert!(only_entry(&mut outbox).parked);
}

#[test]
fn a_late_repeat_of_a_refusal_changes_nothing() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    let first = current(&mut outbox, "m");
    settle(&mut outbox, 5, &retry(0));
    claim(&mut outbox, 5, 30);
    let late = settle_one(&mut outbox, Token(5), &first, &retry(0), at(31));
    assert_eq!(late, Ok(refused(Some(MessageState::Claimed))));
    let other = settle(&mut outbox, 5, &Settlement::Delivered);
    assert_eq!(other, now_at(MessageState::Delivered));
    assert_eq!(settle(&mut outbox, 5, &retry(0)), refused(Some(MessageState::Delivered)));
}

/// The clock is a day ahead, or a year, when the sink refuses the message; then it is right again.
#[test]
fn a_message_that_was_told_to_wait_by_a_wrong_clock_is_due() {
    for ahead in [86_400_000, 365 * 86_400_000] {
        let mut outbox = outbox();
        claim(&mut outbox, 5, 10);
        let first = current(&mut outbox, "m");
        let now = at(ahead + 20);
        settle_one(&mut outbox, Token(5), &first, &retry(500), now).unwrap();
        assert_eq!(outbox.pending(9, at(ahead + 519)), Ok(vec![]), "not before its time");
        assert_eq!(outbox.pending(9, at(30)).unwrap().len(), 1, "the clock is right");
        assert!(matches!(claim(&mut outbox, 5, 30), Checked::Passed(Claim::Granted { .. })));
    }
    // A clock that was behind holds nothing up either.
    let mut outbox = self::outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &retry(500));
    assert_eq!(outbox.pending(9, at(365 * 86_400_000)).unwrap().len(), 1);
}

/// A window that began later than the clock shows may be over: nothing is sent again for a clock.
#[test]
fn a_window_of_another_clock_is_over() {
    let day = 86_400_000;
    let mut outbox = outbox();
    claim(&mut outbox, 5, day);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    assert_eq!(resolve(&mut outbox, 5, &WINDOW, 1_000), now_at(MessageState::InDoubt));
    assert!(only_entry(&mut outbox).parked);
    let mut outbox = self::outbox();
    claim(&mut outbox, 5, day);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    assert_eq!(resolve(&mut outbox, 5, &WINDOW, day + 1), now_at(MessageState::Pending));
    assert_eq!(claim(&mut outbox, 5, 1_000), no_claim(Some(MessageState::InDoubt)));
    assert!(only_entry(&mut outbox).parked);
}
