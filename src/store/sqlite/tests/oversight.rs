//! Verdicts, and what is kept of them.

use super::*;
use crate::store::{Passed, Ruling, Verdict, VerdictError};

fn verdict(ruling: Ruling, attempt: Option<u64>) -> Verdict {
    let (by, why) = ("Ada".to_owned(), "the recipient says so".to_owned());
    Verdict { id: message("m"), attempt, ruling, by, why }
}

fn judge(outbox: &mut SqliteOutbox, ruling: Ruling) -> Result<MessageState, VerdictError> {
    outbox.judge(&verdict(ruling, None), at(50)).map(|passed| passed.to)
}

/// "m" is in doubt and parked.
fn parked() -> SqliteOutbox {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    resolve(&mut outbox, 5, &Proof::Park { reason: "the sink cannot tell".into() }, 11);
    outbox
}

fn dead_letter() -> SqliteOutbox {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &Settlement::Failed { reason: "no such street".into() });
    outbox
}

#[test]
fn a_person_settles_what_is_parked_and_the_trail_says_who_and_why() {
    for (ruling, to) in [
        (Ruling::Delivered, MessageState::Delivered),
        (Ruling::Failed, MessageState::Failed),
        (Ruling::Resend, MessageState::Pending),
    ] {
        let mut outbox = parked();
        assert_eq!(judge(&mut outbox, ruling), Ok(to));
        let entry = only_entry(&mut outbox);
        assert_eq!((entry.state, entry.parked, entry.changed), (to, false, at(50)));
        let line = Passed {
            at: at(50),
            by: "Ada".into(),
            attempt: 1,
            from: MessageState::InDoubt,
            to,
            why: "the recipient says so".into(),
        };
        assert_eq!(outbox.trail(&message("m")), Ok(vec![line]));
        let wanted = MessageState::InDoubt;
        let again = VerdictError::OtherState { stands: to, wanted };
        assert_eq!(judge(&mut outbox, ruling), Err(again));
        assert_eq!(outbox.trail(&message("m")).unwrap().len(), 1);
    }
}

#[test]
fn what_is_sent_again_begins_anew() {
    let mut outbox = outbox();
    // The second claim comes after the window and parks the message.
    for now in [10, 1_000] {
        claim(&mut outbox, 5, now);
        settle(&mut outbox, 5, &in_doubt("timeout"));
        resolve(&mut outbox, 5, &WINDOW, now);
    }
    judge(&mut outbox, Ruling::Resend).unwrap();
    assert_eq!(claim(&mut outbox, 5, 2_000), GRANTED, "no window runs");
    let entry = only_entry(&mut outbox);
    assert_eq!((entry.attempts, entry.first_claimed), (2, Some(at(2_000))));
}

#[test]
fn dead_letters_are_requeued_and_nothing_else_is() {
    let mut outbox = dead_letter();
    assert_eq!(judge(&mut outbox, Ruling::Requeue), Ok(MessageState::Pending));
    assert_eq!(outbox.pending(9, at(51)).unwrap()[0].attempt, 2);
    assert!(judge(&mut outbox, Ruling::Requeue).is_err());
    let stands = MessageState::InDoubt;
    let error = VerdictError::OtherState { stands, wanted: MessageState::Failed };
    assert_eq!(judge(&mut parked(), Ruling::Requeue), Err(error));
    let error = judge(&mut dead_letter(), Ruling::Resend).unwrap_err();
    assert_eq!(error.to_string(), "the message is failed, not in doubt");
}

#[test]
fn a_claim_stands_whatever_anybody_says() {
    let mut outbox = outbox();
    for ruling in [Ruling::Delivered, Ruling::Failed, Ruling::Resend, Ruling::Requeue] {
        claim(&mut outbox, 5, 10);
        let before = only_entry(&mut outbox);
        let refused = judge(&mut outbox, ruling);
        let claimed = MessageState::Claimed;
        assert!(
            matches!(refused, Err(VerdictError::OtherState { stands, .. }) if stands == claimed)
        );
        assert_eq!(only_entry(&mut outbox), before);
    }
    assert_eq!(outbox.trail(&message("m")), Ok(vec![]));
}

#[test]
fn what_a_leader_may_settle_takes_the_number_of_its_attempt() {
    let mut outbox = outbox();
    claim(&mut outbox, 5, 10);
    settle(&mut outbox, 5, &in_doubt("timeout"));
    let not_parked = VerdictError::NotParked { attempts: 1 };
    assert_eq!(judge(&mut outbox, Ruling::Delivered), Err(not_parked));
    let other = outbox.judge(&verdict(Ruling::Delivered, Some(2)), at(50));
    assert_eq!(other, Err(VerdictError::OtherAttempt { attempts: 1 }));
    assert!(outbox.judge(&verdict(Ruling::Delivered, Some(1)), at(50)).is_ok());
    // The leader's own proof comes too late then.
    let late = resolve(&mut outbox, 5, &LACKS, 51);
    assert_eq!(late, refused(Some(MessageState::Delivered)));
}

#[test]
fn a_verdict_names_a_message_a_person_and_a_reason() {
    let mut outbox = parked();
    let unknown = Verdict { id: message("x"), ..verdict(Ruling::Failed, None) };
    assert_eq!(outbox.judge(&unknown, at(50)), Err(VerdictError::NoMessage(message("x"))));
    for text in ["", "  ", &"x".repeat(2_000)] {
        let no_why = Verdict { why: text.into(), ..verdict(Ruling::Failed, None) };
        assert_eq!(outbox.judge(&no_why, at(50)), Err(VerdictError::NoReason));
        let nobody = Verdict { by: text.into(), ..verdict(Ruling::Failed, None) };
        assert_eq!(outbox.judge(&nobody, at(50)), Err(VerdictError::NoReason));
    }
    assert!(only_entry(&mut outbox).parked);
}
