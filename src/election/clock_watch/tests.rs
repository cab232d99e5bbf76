//! No false alarm whatever the network does, and the bound to the part per million.

use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const WINDOW: u64 = 4_000 * MS;

/// A peer whose clock is off by `ppm`, heard every 100 ms over a link with these latencies.
fn watch(ppm: i64, drift: u32, latencies: &[(u64, u64)]) -> Readings {
    let mut readings = Readings::default();
    for (round, &(there, back)) in latencies.iter().enumerate() {
        let sent = 5_000 * MS + round as u64 * 100 * MS;
        let handled = i128::from(sent + there);
        let million = i128::from(MILLION);
        let theirs = 77_000 * i128::from(MS) + handled * (million + i128::from(ppm)) / million;
        let theirs = Instant(u64::try_from(theirs).unwrap());
        let now = Instant(sent + there + back);
        readings.read(Instant(sent), now, theirs, WINDOW, RateBound::of(drift));
    }
    readings
}

#[test]
fn a_rate_outside_the_bound_is_seen_within_a_second() {
    let links = [(MS, MS); 10];
    assert!(!watch(100_000, 10_000, &links).is_trusted());
    assert!(!watch(-100_000, 10_000, &links).is_trusted());
    assert!(watch(15_000, 10_000, &links).is_trusted(), "two clocks may be off");
    assert!(!watch(60_000, 10_000, &links).is_trusted());
}

#[test]
fn a_clock_that_comes_back_is_trusted_again() {
    let mut readings = watch(100_000, 10_000, &[(MS, MS); 10]);
    for round in 0..200_u64 {
        let sent = 6_000 * MS + round * 100 * MS;
        let theirs = Instant(900_000 * MS + sent);
        let now = Instant(sent + MS);
        readings.read(Instant(sent), now, theirs, WINDOW, RateBound::of(10_000));
    }
    assert!(readings.is_trusted());
}

proptest! {
    /// Whatever the network does, an honest clock is never accused.
    #[test]
    fn no_false_alarm(
        ppm in -19_800_i64..=20_200,
        latencies in prop::collection::vec((0..900 * MS, 0..900 * MS), 1..60),
    ) {
        prop_assert!(watch(ppm, 10_000, &latencies).is_trusted());
    }
}

/// The rates of two clocks that are off by d in opposite directions are the last that are honest: the
/// bound lies beyond them, and no further than rounding makes it.
#[test]
fn the_bound_begins_right_behind_two_honest_clocks() {
    let million = u128::from(MILLION);
    for drift in [0, 1, 10_000, 123_457, crate::election::MAX_DRIFT_PPM] {
        let d = u128::from(drift);
        let bound = RateBound::of(drift);
        let (slow, fast) = (u128::from(bound.too_slow), u128::from(bound.too_fast));
        assert!(slow * (million + d) < million * (million - d), "{drift}");
        assert!((slow + 2) * (million + d) >= million * (million - d), "{drift}");
        assert!(fast * (million - d) > million * (million + d), "{drift}");
        assert!((fast - 2) * (million - d) <= million * (million + d), "{drift}");
    }
}

/// What is neither certainly outside nor certainly inside changes nothing, so both are exact.
#[test]
fn outside_and_inside_meet_at_the_bound() {
    let bound = RateBound { too_slow: 900_000, too_fast: 1_200_000 };
    let span = |theirs| Span { theirs, shortest: MILLION, longest: MILLION };
    for (theirs, outside) in
        [(900_000, true), (900_001, false), (1_199_999, false), (1_200_000, true)]
    {
        assert_eq!(span(theirs).is_outside(bound), outside, "{theirs}");
        assert_eq!(span(theirs).is_inside(bound), !outside, "{theirs}");
    }
    // The network took long: the rate may be anything from half to twice that.
    let vague = |theirs| Span { theirs, shortest: MILLION, longest: 2 * MILLION };
    assert!(!vague(1_500_000).is_outside(bound) && !vague(1_500_000).is_inside(bound));
    assert!(vague(2_400_000).is_outside(bound), "too fast even for the longest");
    assert!(vague(900_000).is_outside(bound), "too slow even for the shortest");
}

#[test]
fn a_verdict_tells_the_rate_in_parts_per_million() {
    let verdict = |theirs, shortest, longest| Span { theirs, shortest, longest }.verdict();
    let told = verdict(3 * MILLION, MILLION, 2 * MILLION);
    assert_eq!((told.at_least_ppm, told.at_most_ppm), (500_000, 2_000_000));
    let told = verdict(MILLION / 2, MILLION, 2 * MILLION);
    assert_eq!((told.at_least_ppm, told.at_most_ppm), (-750_000, -500_000));
    let told = verdict(u64::MAX, 1, 1);
    assert_eq!(told.at_most_ppm, 1_000_000_000, "more is not told apart");
}

/// At `at`, an acknowledgement comes after two milliseconds of a clock that reads `theirs`.
fn hear(readings: &mut Readings, at: u64, theirs: u64) -> Option<Verdict> {
    let (sent, now) = (Instant(at), Instant(at + 2 * MS));
    readings.read(sent, now, Instant(theirs), WINDOW, RateBound::of(10_000))
}

/// What is measured is between half a window and a whole one long, once there is so much.
#[test]
fn the_base_moves_on_by_half_a_window() {
    let mut readings = Readings::default();
    let bases = |readings: &Readings| readings.bases.map(|base| base.map(|base| base.after.0));
    let (start, half) = (5_000 * MS, WINDOW / 2);
    let mut at = |at: u64| {
        assert_eq!(hear(&mut readings, at, at + MS), None);
        bases(&readings)
    };
    assert_eq!(at(start), [Some(start), Some(start)]);
    assert_eq!(at(start + half - 1), [Some(start), Some(start)]);
    assert_eq!(at(start + half), [Some(start), Some(start + half)]);
    assert_eq!(at(start + 2 * half - 1), [Some(start), Some(start + half)]);
    assert_eq!(at(start + 2 * half), [Some(start + half), Some(start + 2 * half)]);
}

/// Neither an acknowledgement that an older one overtook, nor a clock that has not moved, is a later
/// reading; with nothing between two readings there is no rate.
#[test]
fn what_is_no_later_reading_says_nothing() {
    let start = 5_000 * MS;
    let mut readings = Readings::default();
    assert_eq!(hear(&mut readings, start, start), None);
    assert_eq!(hear(&mut readings, start + 2 * MS, start + 900 * MS), None, "nothing between");
    assert_eq!(hear(&mut readings, start, start + 900 * MS), None, "said twice");
    assert_eq!(hear(&mut readings, start + 900 * MS, start), None, "it has not moved");
    assert!(readings.is_trusted());
    assert!(hear(&mut readings, start + 3 * MS, start + 900 * MS).is_some(), "now it has");
    assert!(!readings.is_trusted());
}
