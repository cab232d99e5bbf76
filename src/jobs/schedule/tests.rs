//! When a job is due, across days on which the clocks change.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

mod zones;

fn at(unix_ms: u64) -> WallTime {
    WallTime { unix_ms }
}

/// A moment, as RFC 3339 writes it.
fn moment(text: &str) -> WallTime {
    let timestamp: Timestamp = text.parse().unwrap();
    at(u64::try_from(timestamp.as_millisecond()).unwrap())
}

/// The next instants after a moment, in UTC.
fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let first = schedule.next_after(moment(after));
    std::iter::successors(first, |instant| schedule.next_after(*instant))
        .take(count)
        .map(|instant| {
            let ms = i64::try_from(instant.unix_ms).unwrap();
            Timestamp::from_millisecond(ms).unwrap().to_string()
        })
        .collect()
}

fn berlin(line: &str) -> Schedule {
    Schedule::cron(line, "Europe/Berlin").unwrap()
}

#[test]
fn a_period_counts_from_the_epoch() {
    let schedule = Schedule::every(Duration::from_secs(90)).unwrap();
    assert_eq!(schedule.next_after(at(0)), Some(at(90_000)));
    assert_eq!(schedule.next_after(at(89_999)), Some(at(90_000)));
    assert_eq!(schedule.next_after(at(90_000)), Some(at(180_000)));
    assert_eq!(schedule.last_until(at(179_999)), Some(at(90_000)));
    assert_eq!(schedule.last_until(at(180_000)), Some(at(180_000)));
    assert_eq!(schedule.count_between(at(0), at(180_000)), 2);
    assert_eq!(schedule.count_between(at(90_000), at(179_999)), 0);
    // A year of missed seconds is a number, not a loop; and there is an end to time.
    let second = Schedule::every(Duration::from_secs(1)).unwrap();
    assert_eq!(second.count_between(at(0), at(31_536_000_000)), 31_536_000);
    assert_eq!(second.next_after(at(u64::MAX)), None);
}

#[test]
fn periods_out_of_range_are_refused() {
    for period in [
        Duration::ZERO,
        Duration::from_millis(99),
        Duration::from_micros(100_500),
        MAX_PERIOD + Duration::from_millis(1),
        Duration::MAX,
    ] {
        let error = Schedule::every(period).unwrap_err();
        assert_eq!(error, ScheduleError::Period { period });
        assert!(error.to_string().contains("from 100ms to"), "{error}");
    }
    assert!(Schedule::every(MIN_PERIOD).is_ok() && Schedule::every(MAX_PERIOD).is_ok());
}

#[test]
fn cron_lines_that_cannot_be_are_refused() {
    let refused = |line: &str, says: &str| {
        let error = Schedule::cron(line, "UTC").unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(line), "{line}: {error}");
    };
    refused("0 0 30 2 *", "never fires");
    refused("0 0 31 4,6,9,11 *", "never fires");
    refused("", "minute, hour, day of month");
    refused("61 * * * *", "cannot read");
    refused("* * * *", "cannot read");
    refused("0 0 0 1 1 * 2020", "cannot read");
    refused("every day", "cannot read");
    refused(&"0 ".repeat(200), "more than 256 bytes");
    let error = Schedule::cron("0 0 * * *", "Europe/Berlni").unwrap_err();
    assert_eq!(error, ScheduleError::Zone { zone: "Europe/Berlni".to_owned() });
    assert!(error.to_string().contains("Europe/Berlin"), "{error}");
}

#[test]
fn cron_lines_are_read_in_their_zone() {
    let utc = Schedule::cron("30 2 * * *", "UTC").unwrap();
    assert_eq!(next(&utc, "2026-01-01T02:30:00Z", 1), ["2026-01-02T02:30:00Z"]);
    assert_eq!(next(&berlin("30 2 * * *"), "2026-01-01T00:00:00Z", 1), ["2026-01-01T01:30:00Z"]);
    assert_eq!(next(&berlin("30 2 * * *"), "2026-07-01T00:00:00Z", 1), ["2026-07-01T00:30:00Z"]);
    let seconds = Schedule::cron("*/20 * * * * *", "UTC").unwrap();
    assert_eq!(
        next(&seconds, "2026-01-01T00:00:00.500Z", 3),
        ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]
    );
    let leap = Schedule::cron("0 0 29 2 *", "UTC").unwrap();
    assert_eq!(next(&leap, "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    let last = Schedule::cron("@monthly", "UTC").unwrap();
    assert_eq!(next(&last, "2026-01-15T00:00:00Z", 1), ["2026-02-01T00:00:00Z"]);
}

/// In Berlin, 2026-03-29 has no time from 02:00 to 03:00, which is 01:00 UTC.
#[test]
fn a_local_time_that_does_not_exist() {
    assert_eq!(
        next(&berlin("30 2 * * *"), "2026-03-27T12:00:00Z", 3),
        // At 03:00 instead: not left out, and only once.
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        next(&berlin("*/30 * * * *"), "2026-03-29T00:00:00Z", 4),
        [
            "2026-03-29T00:30:00Z",
            // 01:30 is followed by 03:00, which is the next half hour that passes.
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:00:00Z",
        ]
    );
}

/// In Berlin, 2026-10-25 has the time from 02:00 to 03:00 twice: from 00:00 UTC, and from 01:00
/// UTC.
#[test]
fn a_local_time_that_exists_twice() {
    assert_eq!(
        next(&berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(
        next(&berlin("*/30 * * * *"), "2026-10-24T23:45:00Z", 5),
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ]
    );
}

/// Several times of a day are each their own: once, at the stated moment.
#[test]
fn lines_of_several_times_on_the_days_of_a_change() {
    let next = |line, zone, after, count| next(&Schedule::cron(line, zone).unwrap(), after, count);
    assert_eq!(
        next("30 2,14 * * *", "Europe/Berlin", "2026-10-24T14:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"]
    );
    assert_eq!(
        next("30 2,14 * * *", "Europe/Berlin", "2026-03-28T14:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"]
    );
    assert_eq!(
        next("0,30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]
    );
    assert_eq!(
        next("0 1,13 * * *", "Europe/London", "2026-03-28T20:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-29T12:00:00Z"]
    );
    assert_eq!(
        next("15 1-3 * * *", "America/New_York", "2026-11-01T04:00:00Z", 4),
        [
            "2026-11-01T05:15:00Z",
            "2026-11-01T07:15:00Z",
            "2026-11-01T08:15:00Z",
            "2026-11-02T06:15:00Z",
        ]
    );
}

/// Samoa had no 30th of December in 2011.
#[test]
fn a_day_that_a_place_left_out() {
    let apia = |line| Schedule::cron(line, "Pacific/Apia").unwrap();
    assert_eq!(
        next(&apia("0 9 * * *"), "2011-12-29T12:00:00Z", 4),
        [
            "2011-12-29T19:00:00Z",
            // The 30th's, at midnight of the 31st; then the 31st's own.
            "2011-12-30T10:00:00Z",
            "2011-12-30T19:00:00Z",
            "2011-12-31T19:00:00Z",
        ]
    );
    assert_eq!(next(&apia("0 0 30 12 *"), "2011-12-01T00:00:00Z", 1), ["2011-12-30T10:00:00Z"]);
    assert_eq!(next(&apia("0 */12 30 12 *"), "2011-12-01T00:00:00Z", 1), ["2012-12-29T10:00:00Z"]);
}

/// Monrovia's clocks were put forward by 44 minutes and 30 seconds.
#[test]
fn a_gap_that_ends_between_two_minutes() {
    let monrovia = Schedule::cron("10,30 0 7 1 *", "Africa/Monrovia").unwrap();
    assert_eq!(next(&monrovia, "1972-01-01T00:00:00Z", 1), ["1972-01-07T00:44:30Z"]);
}

#[test]
fn a_schedule_is_the_same_after_a_store_has_kept_it() {
    let every = Schedule::every(Duration::from_millis(1_100)).unwrap();
    assert_eq!(
        (every.to_text().as_str(), every.to_string().as_str()),
        ("every-ms 1100", "every 1s 100ms")
    );
    let line = Schedule::cron(" 30  2 * *   MON ", "europe/berlin").unwrap();
    assert_eq!(line.to_text(), "cron Europe/Berlin 30 2 * * MON");
    assert_eq!(line.to_string(), "\"30 2 * * MON\" in Europe/Berlin");
    for schedule in schedules() {
        let text = schedule.to_text();
        assert_eq!(Schedule::from_text(&text).unwrap().to_text(), text);
    }
    for text in [
        "",
        "every-ms 0",
        "every-ms x",
        "cron",
        "cron Europe/Berlin",
        "cron UTC 0 0 30 2 *",
        "never",
    ] {
        assert!(Schedule::from_text(text).is_err(), "{text}");
    }
}

#[test]
fn the_instants_of_a_cron_line_are_counted_as_far_as_is_useful() {
    let seconds = Schedule::cron("* * * * * *", "UTC").unwrap();
    let start = moment("2026-01-01T00:00:00Z");
    assert_eq!(seconds.count_between(start, at(start.unix_ms + 5_999)), 5);
    assert_eq!(seconds.count_between(start, at(start.unix_ms + 86_400_000)), COUNT_MAX);
}

fn schedules() -> Vec<Schedule> {
    let cron = |line, zone| Schedule::cron(line, zone).unwrap();
    vec![
        Schedule::every(Duration::from_millis(1_100)).unwrap(),
        Schedule::every(Duration::from_secs(3600)).unwrap(),
        cron("30 2 * * *", "Europe/Berlin"),
        cron("*/7 * * * *", "Europe/Berlin"),
        cron("15 1,2,3 * * *", "America/New_York"),
        cron("0 */2 * * *", "America/New_York"),
        cron("40 1 * * *", "Australia/Lord_Howe"),
        cron("*/10 1-3 * * *", "Australia/Lord_Howe"),
        cron("59 23 L * *", "Pacific/Auckland"),
        cron("0 12 * * MON#1", "UTC"),
    ]
}

proptest! {
    /// Forwards and backwards are the same instants, over changes of the clocks in either
    /// direction.
    #[test]
    fn what_comes_next_was_last(which in 0..10usize, hours in 0..20 * 366 * 24u64, ms in 0..3_600_000u64) {
        let schedule = &schedules()[which];
        let time = at(1_577_836_800_000 + hours * 3_600_000 + ms);
        let next = schedule.next_after(time).unwrap();
        prop_assert!(next > time);
        prop_assert_eq!(schedule.last_until(next), Some(next));
        let before = schedule.last_until(at(next.unix_ms - 1)).unwrap();
        prop_assert!(before <= time, "{before:?} lies between {time:?} and {next:?}");
        prop_assert_eq!(schedule.next_after(before), Some(next));
        prop_assert_eq!(schedule.count_between(before, next), 1);
    }

    #[test]
    fn no_line_makes_it_panic(line in "[0-9*/, @LW#A-Z-]{0,20}", zone in "[A-Za-z/_]{0,12}") {
        let _ = Schedule::cron(&line, &zone);
        let _ = Schedule::cron(&line, "Europe/London");
    }
}
