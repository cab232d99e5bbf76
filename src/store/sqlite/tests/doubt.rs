//! In doubt, and out of it by proof.

use super::*;

#[test]
fn claims_of_the_deposed_are_in_doubt_and_say_so() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    assert_eq!(outbox.sweep(Token(5), at(11)), Ok(Checked::Passed(0)));
    raise(&mut outbox, 6);
    let claimed = Some(MessageState::Claimed);
    assert_eq!(claim(&mut outbox, 6, 12), no_claim(claimed));
    assert_eq!(settle(&mut outbox, 6, &Settlement::Delivered), refused(claimed));
    assert_eq!(outbox.sweep(Token(6), at(13)), Ok(Checked::Passed(1)));
    assert_eq!(outbox.sweep(Token(6), at(13)), Ok(Checked::Passed(0)));
    let doubt = Doubt {
        attempt: Attempt { id: message("m"), number: 1 },
        token: Token(5),
        failures: 0,
        reason: "claimed by 5, whose holder was deposed; outcome unknown".into(),
    };
    assert_eq!(outbox.doubts(9), Ok(vec![doubt]));
    let pending = now_at(MessageState::Pending);
    assert_eq!(resolve(&mut outbox, 6, &LACKS, 14), pending);
    let again = resolve(&mut outbox, 6, &LACKS, 14);
    assert_eq!(again, refused(Some(MessageState::Pending)));
    assert_eq!(claim(&mut outbox, 6, 15), GRANTED);
    assert_eq!(only_entry(&mut outbox).attempts, 2);
}

#[test]
fn a_claim_that_was_never_sent_is_given_back() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    for _ in 0..2 {
        let given_back = Settlement::GivenBack { reason: "stopped".into() };
        assert_eq!(settle(&mut outbox, 5, &given_back), now_at(MessageState::Pending));
    }
    let entry = only_entry(&mut outbox);
    assert_eq!((entry.token, entry.reason.as_deref()), (Some(Token(5)), Some("stopped")));
}

/// A repeat that was under way while the message was claimed, sent and put in doubt anew.
#[test]
fn a_late_word_about_an_earlier_attempt_changes_nothing() {
    let mut outbox = outbox();
    let first = next(&mut outbox, "m");
    for _ in 0..2 {
        claim(&mut outbox, 5, 10);
        settle(&mut outbox, 5, &in_doubt("timeout"));
        if current(&mut outbox, "m").number == 1 {
            let pending = now_at(MessageState::Pending);
            assert_eq!(resolve(&mut outbox, 5, &LACKS, 11), pending);
        }
    }
    let late = outbox.resolve(Token(5), &first, &LACKS, at(12));
    assert_eq!(late, Ok(refused(Some(MessageState::InDoubt))));
    resolve(&mut outbox, 5, &LACKS, 13);
    let late = claim_one(&mut outbox, Token(5), &first, at(14));
    assert_eq!(late, Ok(no_claim(Some(MessageState::Pending))));
    claim(&mut outbox, 5, 15);
    let late = settle_one(&mut outbox, Token(5), &first, &Settlement::Delivered, at(16));
    assert_eq!(late, Ok(refused(Some(MessageState::Claimed))));
}

#[test]
fn a_deduplication_window_counts_from_the_first_claim() {
    let mut outbox = outbox();
    for now in [1_000, 1_060] {
        claim(&mut outbox, 5, now);
        settle(&mut outbox, 5, &in_doubt("timeout"));
        assert_eq!(resolve(&mut outbox, 5, &WINDOW, now), now_at(MessageState::Pending));
    }
    let granted = Checked::Passed(Claim::Granted { send_within: Some(Duration::from_millis(1)) });
    assert_eq!(claim(&mut outbox, 5, 1_099), granted);
    let late = Checked::Passed(Claim::Granted { send_within: Some(Duration::ZERO) });
    assert_eq!(claim(&mut outbox, 5, 1_200), late, "whoever has the claim may be sending");
    settle(&mut outbox, 5, &in_doubt("timeout"));
    for _ in 0..2 {
        assert_eq!(resolve(&mut outbox, 5, &WINDOW, 1_100), DOUBTFUL);
    }
    assert_eq!(outbox.doubts(9), Ok(vec![]), "it is parked");
    let entry = only_entry(&mut outbox);
    assert!(entry.parked);
    assert_eq!(entry.reason.as_deref(), Some("timeout; the deduplication window is over"));
    assert_eq!(
        resolve(&mut outbox, 5, &WINDOW, 1_001),
        DOUBTFUL,
        "a stepped clock unparks nothing"
    );
    let proved = resolve(&mut outbox, 5, &Proof::SinkHasIt, 2_000);
    assert_eq!(proved, now_at(MessageState::Delivered));
    assert!(!only_entry(&mut outbox).parked);
}

#[test]
fn a_released_message_is_parked_when_its_window_ends_before_it_is_claimed() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 1_000);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    resolve(&mut outbox, 5, &WINDOW, 1_001);
    let over = no_claim(Some(MessageState::InDoubt));
    for _ in 0..2 {
        assert_eq!(claim(&mut outbox, 5, 1_100), over);
    }
    assert!(only_entry(&mut outbox).parked);
}

#[test]
fn a_parked_message_keeps_the_first_reason() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    for reason in ["first", "second"] {
        assert_eq!(resolve(&mut outbox, 5, &Proof::Park { reason: reason.into() }, 11), DOUBTFUL);
    }
    let parked = outbox.entries(Some(MessageState::InDoubt)).unwrap();
    assert_eq!(parked[0].reason.as_deref(), Some("first"));
}
