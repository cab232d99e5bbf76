//! Every zone of the database against a second reading of the lines, minute by minute and from the rule
//! alone: it knows fields of numbers, what the clock of a zone shows, and nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::super::*;
use super::moment;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Lines of every kind; the days by which the clocks of some place change are among those that they name.
const LINES: [&str; 12] = [
    "30 2 * * *",
    "30 2,14 * * *",
    "0,30 2 * * *",
    "0 1,13 * * *",
    "15 1-3 * * *",
    "0 0 * * *",
    "59 23 * * 0",
    "5 0-4 1,29,30,31 * 6",
    "*/30 * * * *",
    "*/20 1-3 * * *",
    "7 */2 * * *",
    "10 * 1-7 3,10 *",
];

/// A field as the second reading understands it.
fn numbers(field: &str, low: i8, high: i8) -> Vec<i8> {
    let mut found = Vec::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        found.extend((from..=to).step_by(step.parse().unwrap()));
    }
    found
}

struct Reading {
    fields: [Vec<i8>; 5],
    any_day: bool,
    any_weekday: bool,
    fixed: bool,
}

impl Reading {
    fn of(line: &str) -> Self {
        let fields: Vec<&str> = line.split(' ').collect();
        let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        Self {
            fields: std::array::from_fn(|i| numbers(fields[i], bounds[i].0, bounds[i].1)),
            any_day: fields[2] == "*",
            any_weekday: fields[4] == "*",
            fixed: !fields[..2].iter().any(|field| field.contains(['*', '/'])),
        }
    }

    fn names(&self, local: DateTime) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let (day, weekday) = (days.contains(&local.day()), local.weekday());
        let weekday = weekdays.contains(&weekday.to_sunday_zero_offset());
        let day = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        minutes.contains(&local.minute())
            && hours.contains(&local.hour())
            && months.contains(&local.month())
            && day
    }

    /// The instants from `from` on and before `until`, both at full minutes, given what the clock shows at
    /// each minute from three days before.
    fn instants(&self, shown: &[DateTime], from: u64) -> BTreeSet<u64> {
        let lead = (3 * DAY / MINUTE) as usize;
        let (mut latest, mut found) = (shown[0], BTreeSet::new());
        for (minute, local) in shown.iter().enumerate() {
            let comes = match self.fixed {
                false => self.names(*local),
                true => {
                    // Each local minute up to this one that was never shown before.
                    let mut comes = false;
                    while latest < *local {
                        latest = latest.checked_add(jiff::Span::new().minutes(1)).unwrap();
                        comes |= self.names(latest);
                    }
                    comes
                }
            };
            if comes && minute >= lead {
                found.insert(from + (minute - lead) as u64 * MINUTE);
            }
        }
        found
    }
}

/// What the clock shows at each minute, from three days before `from` on.
fn shown(zone: &TimeZone, from: u64, until: u64) -> Vec<DateTime> {
    let minutes = (from - 3 * DAY) / MINUTE..until / MINUTE;
    let at = |minute: u64| Timestamp::from_second(minute as i64 * 60).unwrap();
    minutes.map(|minute| zone.to_datetime(at(minute))).collect()
}

/// How many instants there are from `from` on and before `until`: those of the second reading, forwards
/// and backwards.
fn compare(name: &str, zone: &TimeZone, from: u64, until: u64) -> usize {
    let shown = shown(zone, from, until);
    let mut count = 0;
    for line in LINES {
        let expected = Reading::of(line).instants(&shown, from);
        let schedule = Schedule::cron(line, name).unwrap();
        let next = |time: &WallTime| schedule.next_after(*time);
        let first = schedule.next_after(WallTime { unix_ms: from - 1 });
        let found: BTreeSet<u64> = std::iter::successors(first, next)
            .map(|instant| instant.unix_ms)
            .take_while(|instant| *instant < until)
            .collect();
        let odd: Vec<_> = found.symmetric_difference(&expected).take(3).collect();
        assert!(odd.is_empty(), "{line:?} in {name} differs at {odd:?}");
        let back = |time: &WallTime| schedule.last_until(WallTime { unix_ms: time.unix_ms - 1 });
        let last = schedule.last_until(WallTime { unix_ms: until - 1 });
        let backwards: BTreeSet<u64> = std::iter::successors(last, back)
            .map(|instant| instant.unix_ms)
            .take_while(|instant| *instant >= from)
            .collect();
        let odd: Vec<_> = backwards.symmetric_difference(&expected).take(3).collect();
        assert!(odd.is_empty(), "{line:?} in {name}, backwards, differs at {odd:?}");
        count += found.len();
    }
    count
}

/// The changes of a zone's clocks in those years.
fn changes(zone: &TimeZone, from: u64, until: u64) -> Vec<u64> {
    let begin = Timestamp::from_millisecond(from as i64).unwrap();
    let at = zone.following(begin).map(|change| change.timestamp().as_millisecond() as u64);
    at.take_while(|at| *at < until).collect()
}

/// The zones, each with its name, without those that change as another one does in these years.
fn zones(from: u64, until: u64) -> Vec<(String, TimeZone)> {
    let (mut seen, mut zones) = (BTreeSet::new(), Vec::new());
    let database = TimeZoneDatabase::bundled();
    for name in database.available() {
        let zone = database.get(name.as_str()).unwrap();
        let offset = |at: u64| {
            let at = Timestamp::from_millisecond(at as i64).unwrap();
            zone.to_offset(at).seconds()
        };
        let changes = changes(&zone, from, until);
        let key: Vec<_> = changes.iter().map(|at| (*at, offset(*at))).collect();
        if seen.insert((offset(from), key)) {
            zones.push((name.as_str().to_owned(), zone));
        }
    }
    assert!(zones.len() > 60, "{} zones", zones.len());
    zones
}

fn decade() -> (u64, u64) {
    (moment("2020-01-01T00:00:00Z").unix_ms, moment("2031-01-01T00:00:00Z").unix_ms)
}

/// All zones, two days around every change of their clocks.
#[test]
fn every_zone_around_every_change_of_ten_years() {
    let (from, until) = decade();
    let mut count = 0;
    for (name, zone) in zones(from, until) {
        for change in changes(&zone, from, until) {
            let midnight = change / DAY * DAY;
            count += compare(&name, &zone, midnight - DAY, midnight + 2 * DAY);
        }
    }
    assert!(count > 100_000, "{count} instants");
}

/// Every minute of the ten years in every zone. Takes minutes; to be run by its name after a change of
/// the database or of the rule.
#[test]
#[ignore = "long: every minute of ten years in every zone"]
fn every_zone_in_every_minute_of_ten_years() {
    let (from, until) = decade();
    let zones = zones(from, until);
    let count: usize = zones.iter().map(|(name, zone)| compare(name, zone, from, until)).sum();
    println!("{} zones, {} lines, {count} instants", zones.len(), LINES.len());
}

/// Days that a place left out or had twice, and changes of odd lengths.
#[test]
fn places_with_odd_days() {
    for (name, day) in [
        ("Pacific/Apia", "2011-12-30T00:00:00Z"),
        ("Pacific/Fakaofo", "2011-12-30T00:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21T00:00:00Z"),
        ("Pacific/Kiritimati", "1994-12-31T00:00:00Z"),
        ("Pacific/Guam", "1974-02-24T00:00:00Z"),
        ("Asia/Pyongyang", "2018-05-04T00:00:00Z"),
        ("America/Caracas", "2016-05-01T00:00:00Z"),
        ("Australia/Lord_Howe", "1981-02-28T00:00:00Z"),
        ("Antarctica/Troll", "2015-03-29T00:00:00Z"),
        ("Antarctica/Casey", "2018-03-11T00:00:00Z"),
        ("Asia/Anadyr", "1982-04-01T00:00:00Z"),
        ("America/Scoresbysund", "2024-03-31T00:00:00Z"),
        ("America/Nuuk", "2024-03-31T00:00:00Z"),
        ("Africa/El_Aaiun", "2026-03-22T00:00:00Z"),
    ] {
        let zone = TimeZoneDatabase::bundled().get(name).unwrap();
        let day = moment(day).unix_ms;
        assert!(!changes(&zone, day - 40 * DAY, day + 40 * DAY).is_empty(), "{name}");
        compare(name, &zone, day - 40 * DAY, day + 40 * DAY);
    }
}
