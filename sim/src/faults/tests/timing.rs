//! Whatever ranges a scenario writes for its timing: they are refused, or every draw works.

use super::*;

/// `low..high` in milliseconds, from two numbers in any order.
fn range(a: u64, b: u64) -> String {
    format!("\"{}ms..{}ms\"", a.min(b), a.max(b))
}

proptest! {
    #[test]
    fn accepted_ranges_draw_timings_that_work(
        seed in any::<u64>(),
        heartbeat in (1..300u64, 1..300u64),
        lease in (100..3_000u64, 100..3_000u64),
        promise in proptest::option::of((900..4_000u64, 900..4_000u64)),
        timeout in proptest::option::of((900..8_000u64, 900..8_000u64)),
        drift in (0..200_000u32, 0..200_000u32),
    ) {
        let given = |key: &str, ends: Option<(u64, u64)>| {
            ends.map_or(String::new(), |(a, b)| format!(", {key} = {}", range(a, b)))
        };
        let text = format!(
            "{HEAD}timing = {{ heartbeat = {}, lease = {}, max_drift_ppm = \"{}..{}\"{}{} }}\n",
            range(heartbeat.0, heartbeat.1),
            range(lease.0, lease.1),
            drift.0.min(drift.1),
            drift.0.max(drift.1),
            given("promise", promise),
            given("election_timeout", timeout),
        );
        if let Ok(scenario) = Scenario::parse("test.toml", &text) {
            let plan = generate(&scenario, seed);
            prop_assert_eq!(plan.timing.validate(), Ok(()));
            prop_assert_eq!(read_back(&plan), plan);
        }
    }
}
