//! Timings that each seed draws.

use super::*;

#[test]
fn ranges_that_some_draw_would_break_are_refused() {
    let timing = |keys: &str, says: &[&str]| {
        section_refused(&format!("timing = {{ {keys} }}"), &[&["test.toml:4:"], says].concat());
    };
    timing(
        "lease = \"1s..2s\", promise = \"1.5s\"",
        &["promise = 1.5s", "lease = 2s", "write promise = \"2.060"],
    );
    timing(
        "lease = \"300ms..2s\", heartbeat = \"50ms..200ms\"",
        &["lease = 300ms", "heartbeat = 200ms", "write lease = \"400ms\" or more"],
    );
    timing(
        "promise = \"950ms..3s\", election_timeout = \"1s..4s\"",
        &["election_timeout = 1s", "promise = 3s"],
    );
    timing("lease = \"1s..2s\", election_timeout = \"2s\"", &["election_timeout = 2s"]);
    timing("jitter = \"0s..1s\"", &["jitter = 0ns is out of range"]);
    timing("jitter = \"1s..2h\"", &["jitter = 7200s is out of range"]);
    timing("max_drift_ppm = \"0..600000\"", &["from 0 to 500000"]);
    timing("margin = \"1ms..2h\"", &["margin"]);
}

#[test]
fn what_is_not_named_is_derived_from_what_is_drawn() {
    let text = format!(
        "{HEAD}heal = \"30s\"\ntiming = {{ lease = \"500ms..5s\", margin = \"1ms..99ms\" }}\n"
    );
    let timings: Vec<Timing> = (0..200).map(|seed| plan(&text, seed).timing).collect();
    for timing in &timings {
        timing.validate().unwrap_or_else(|error| panic!("{error}"));
        let least = timing.least_promise();
        assert!(timing.promise <= least * 17 / 16 && timing.quarantine <= least * 9 / 8);
        assert!(timing.election_timeout <= timing.promise * 9 / 8, "{timing:?}");
        assert_eq!(timing.heartbeat, Timing::default().heartbeat, "it is not a choice");
    }
    let short = timings.iter().filter(|timing| timing.lease < Duration::from_secs(2)).count();
    assert!((30..110).contains(&short), "{short} of 200");
}

#[test]
fn fixed_values_stay_beside_ranges() {
    let text = format!(
        "{HEAD}timing = {{ lease = \"500ms..900ms\", promise = \"1s..2s\", quarantine = \"3s\", \
         election_timeout = \"2s\" }}\n"
    );
    for seed in 0..50 {
        let timing = plan(&text, seed).timing;
        assert_eq!(timing.quarantine, Duration::from_secs(3));
        assert_eq!(timing.election_timeout, Duration::from_secs(2));
        timing.validate().unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_bound_that_no_slow_cluster_can_keep_is_refused() {
    section_refused("heal = \"3s\"", &["test.toml:4:", "\"3s\" is too short", "heal = \"4.9s\""]);
    section_refused(
        "timing = { lease = \"1s..9s\" }",
        &["test.toml:4:", "heal = \"15s\" is too short", "or shorten the timing"],
    );
}
