//! Which configurations are refused, at both sides of each limit, and what is said about them.

use super::*;

fn names(voters: &[&str]) -> Vec<NodeId> {
    voters.iter().map(|v| v.parse().unwrap()).collect()
}

fn config(voters: &[&str]) -> Config {
    Config::of_voter("n1".parse().unwrap(), names(voters))
}

#[test]
fn a_list_of_voters_is_named_whatever_its_order() {
    assert_eq!(ConfigId::of(&names(&["a", "b"])), ConfigId::of(&names(&["b", "a"])));
    assert_ne!(ConfigId::of(&names(&["a", "b"])), ConfigId::of(&names(&["ab"])));
    assert_eq!(steps_apart(&names(&["a", "b"]), &names(&["b", "a"])), 0);
    assert_eq!(steps_apart(&names(&["a", "b"]), &names(&["b"])), 1);
    assert_eq!(steps_apart(&names(&["a", "b"]), &names(&["b", "c"])), 2);
}

#[test]
fn observers_are_not_listed_and_even_lists_are_warned_of() {
    let observer = Config { observer: true, ..config(&["n2", "n3"]) };
    assert_eq!(observer.validate(), Ok(()));
    assert!(observer.warning().unwrap().contains("2 voters survive the loss of 0"));
    let both = Config { observer: true, ..config(&["n1", "n2"]) };
    assert!(matches!(both.validate(), Err(ConfigError::ObserverVotes { .. })));
    assert_eq!(config(&["n1", "n2", "n3"]).warning(), None);
}

#[test]
fn the_default_timing_is_valid() {
    assert_eq!(config(&["n1", "n2", "n3"]).validate(), Ok(()));
    assert_eq!(config(&["n1"]).validate(), Ok(()));
}

#[test]
fn impossible_voter_lists_are_refused() {
    assert_eq!(config(&[]).validate(), Err(ConfigError::NoVoters));
    assert!(matches!(
        config(&["n1", "n2", "n1"]).validate(),
        Err(ConfigError::DuplicateVoter { .. })
    ));
    assert!(matches!(config(&["n2", "n3"]).validate(), Err(ConfigError::NotAVoter { .. })));
    let many: Vec<String> = (1..=MAX_VOTERS + 1).map(|n| format!("n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(config(&many).validate(), Err(ConfigError::TooManyVoters { .. })));
}

#[test]
fn the_lease_rule_is_exact_and_its_error_names_both_values() {
    let mut timing = Timing { max_drift_ppm: 0, ..Timing::default() };
    timing.promise = timing.lease + timing.margin;
    timing.quarantine = timing.promise;
    assert_eq!(timing.validate(), Ok(()));
    timing.promise -= Duration::from_nanos(1);
    let error = timing.validate().unwrap_err().to_string();
    assert!(error.contains("promise = 919.999999ms"), "{error}");
    assert!(error.contains("lease = 900ms"), "{error}");

    // With drift d the bound is (L + m)(1 + d)/(1 - d).
    let timing = Timing { max_drift_ppm: 100_000, ..Timing::default() };
    assert_eq!(timing.least_promise(), Duration::from_nanos(1_124_444_445));
    assert!(timing.validate().is_err());
}

#[test]
fn timeouts_in_the_wrong_order_are_refused() {
    let timing = Timing { election_timeout: Duration::from_millis(940), ..Timing::default() };
    assert!(matches!(timing.validate(), Err(ConfigError::TooShort { .. })));
    let timing = Timing { heartbeat: Duration::from_millis(600), ..Timing::default() };
    assert!(matches!(timing.validate(), Err(ConfigError::TooShort { .. })));
    let timing = Timing { jitter: Duration::ZERO, ..Timing::default() };
    assert!(matches!(timing.validate(), Err(ConfigError::OutOfRange { .. })));
}

/// Both sides of each limit.
#[test]
fn limits_belong_to_what_they_allow() {
    let many: Vec<String> = (1..=MAX_VOTERS).map(|n| format!("n{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(config(&many).validate(), Ok(()));

    let prefers = |priority| Config { priority, ..config(&["n1"]) }.validate();
    assert_eq!(prefers(MAX_PRIORITY), Ok(()));
    let priority = MAX_PRIORITY + 1;
    assert_eq!(prefers(priority), Err(ConfigError::PriorityOutOfRange { priority }));

    let (least, most) = (Duration::from_millis(1), Duration::from_secs(3600));
    let jitters = |jitter| Timing { jitter, ..Timing::default() }.validate();
    let (below, above) = (least - Duration::from_nanos(1), most + Duration::from_nanos(1));
    let out_of_range = |name, value| Err(ConfigError::OutOfRange { name, value });
    assert_eq!((jitters(least), jitters(most)), (Ok(()), Ok(())));
    assert_eq!(jitters(below), out_of_range("jitter", below));
    assert_eq!(jitters(above), out_of_range("jitter", above));

    // An hour of margin is in range; that the promise is too short for it is another matter.
    let margin = |margin| Timing { margin, ..Timing::default() }.validate();
    assert!(matches!(margin(most), Err(ConfigError::BreaksLeaseRule { .. })));
    assert_eq!(margin(above), out_of_range("margin", above));
    let drift = |max_drift_ppm| Timing { max_drift_ppm, ..Timing::default() }.validate();
    assert!(matches!(drift(MAX_DRIFT_PPM), Err(ConfigError::BreaksLeaseRule { .. })));
    let max_drift_ppm = MAX_DRIFT_PPM + 1;
    assert_eq!(drift(max_drift_ppm), Err(ConfigError::DriftOutOfRange { max_drift_ppm }));

    let timing = Timing::default();
    let waits = |election_timeout| Timing { election_timeout, ..timing.clone() }.validate();
    assert_eq!(waits(timing.promise), Ok(()));
    assert!(waits(timing.promise - Duration::from_nanos(1)).is_err());
    let beats = |heartbeat| Timing { heartbeat, ..timing.clone() }.validate();
    assert_eq!(beats(timing.lease / 2), Ok(()));
    assert!(beats(timing.lease / 2 + Duration::from_nanos(1)).is_err());
    let quarantine = timing.least_promise() - Duration::from_nanos(1);
    assert!(matches!(
        Timing { quarantine, ..timing }.validate(),
        Err(ConfigError::BreaksLeaseRule { name: "quarantine", .. })
    ));
}

#[test]
fn an_even_list_is_told_what_it_does_not_gain() {
    assert_eq!(
        config(&["n1", "n2", "n3", "n4"]).warning().unwrap(),
        "4 voters survive the loss of 1 like 3 do: add one, or make one an observer"
    );
    assert_eq!(config(&["n1"]).warning(), None);
}

#[test]
fn the_name_of_a_list_is_shown_in_full() {
    assert_eq!(format!("{:?}", ConfigId(0xab)), "00000000000000ab");
}
