//! What people read: names of states and reasons, and how values of the store are shown.

use std::collections::BTreeSet;

use crate::store::{
    Counts, Epoch, InvalidText, JobName, MAX_JOB_NAME_LEN, MessageState, RunState, SkipReason,
    Unit, WorkName,
};

#[test]
fn what_is_told_apart_has_a_name_of_its_own() {
    let runs: BTreeSet<_> = RunState::ALL.into_iter().map(RunState::name).collect();
    assert_eq!(runs.len(), RunState::ALL.len());
    let states: BTreeSet<_> = MessageState::ALL.into_iter().map(MessageState::name).collect();
    assert_eq!(states.len(), MessageState::ALL.len());
    assert!(SkipReason::Misfire.text().contains("misfire"));
    assert!(SkipReason::Overlap.text().contains("overlap"));
    assert_eq!(format!("{} of {}", Unit(3), Epoch(14)), "3 of 14");
}

/// As letters between nodes carry it.
#[test]
fn the_name_of_a_work_is_its_text() {
    let work = WorkName::new("letters").unwrap();
    assert_eq!(String::from(work.clone()), "letters");
    assert_eq!(WorkName::try_from("letters".to_owned()), Ok(work));
    assert!(WorkName::try_from(String::new()).is_err());
}

/// An error that repeated whatever it was given would fill a log.
#[test]
fn of_a_text_that_is_far_too_long_the_beginning_is_shown() {
    let InvalidText { text, max, .. } = JobName::new(&"é".repeat(1_000)).unwrap_err();
    assert_eq!((text, max), ("é".repeat(2 * MAX_JOB_NAME_LEN), MAX_JOB_NAME_LEN));
}

#[test]
fn messages_are_counted_by_state() {
    let counts = Counts { by_state: [3, 4, 5, 6, 7] };
    assert_eq!(MessageState::ALL.map(|state| counts.of(state)), [3, 4, 5, 6, 7]);
}
