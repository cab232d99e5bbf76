//! Cron lines: which local times a line names, and at which moments they come.
//!
//! The line is read by [`croner`]; which moments its times are is decided here, by the rule at the top of
//! [`schedule`](super). Both kinds of lines are searched forwards and backwards without a walk over what
//! lies between: from one named local time to the next, and from one change of the clocks to the next.

use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::ScheduleError;
use crate::time::WallTime;

/// How far the next named day is looked for. The rarest that there is, a 29th of February on a given day of
/// the week, comes after 40 years at most.
const YEARS_MAX: i16 = 60;

/// The clocks of no place were ever put back by more than a day.
const PUT_BACK_MAX: SignedDuration = SignedDuration::from_hours(49);

/// How far back the last change of the clocks is looked for at once.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(400 * 24);

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A line and the zone that it is read in.
#[derive(Debug, Clone)]
pub(super) struct CronLine {
    /// As it was written, with single spaces.
    pub text: String,
    /// The zone as the database names it.
    pub zone_name: String,
    zone: TimeZone,
    named: Named,
    /// Whether it goes by what the clock shows, because a field of its time has a wildcard or a step.
    by_the_clock: bool,
}

impl CronLine {
    pub fn new(line: &str, zone: &str) -> Result<Self, ScheduleError> {
        let unreadable = |why: String| ScheduleError::Line { line: line.to_owned(), why };
        if line.len() > super::MAX_CRON_LEN {
            return Err(unreadable(format!("it has more than {} bytes", super::MAX_CRON_LEN)));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let pattern = parser.parse(line).map_err(|error| unreadable(error.to_string()))?.pattern;
        let unknown = |_| ScheduleError::Zone { zone: zone.to_owned() };
        let zone_of = TimeZoneDatabase::bundled().get(zone).map_err(unknown)?;
        let of_time = [&pattern.seconds, &pattern.minutes, &pattern.hours];
        let by_the_clock = of_time.iter().any(|field| field.from_wildcard || field.step != 1);
        Ok(Self {
            text: line.split_whitespace().collect::<Vec<_>>().join(" "),
            zone_name: zone_of.iana_name().unwrap_or(zone).to_owned(),
            named: Named::of(pattern),
            zone: zone_of,
            by_the_clock,
        })
    }

    pub fn next_after(&self, time: WallTime) -> Option<WallTime> {
        let moment = whole_second(time)?;
        wall(match self.by_the_clock {
            true => self.shown_after(moment)?,
            false => {
                let from = self.latest_shown(moment)?.checked_add(SECOND).ok()?;
                self.first_moment(self.named.first_from(from)?)?
            }
        })
    }

    pub fn last_until(&self, time: WallTime) -> Option<WallTime> {
        let moment = whole_second(time)?;
        wall(match self.by_the_clock {
            true => self.shown_until(moment)?,
            false => self.first_moment(self.named.last_until(self.latest_shown(moment)?)?)?,
        })
    }

    /// The latest local time that was ever shown until `moment`. What the clock shows then, unless it was
    /// put back shortly before. A local time has come, once, if and only if it is not later than that.
    fn latest_shown(&self, moment: Timestamp) -> Option<DateTime> {
        let earliest = moment.checked_sub(PUT_BACK_MAX).ok()?;
        let mut latest = self.zone.to_datetime(moment);
        for at in self.changes(earliest, moment) {
            latest = latest.max(self.zone.to_datetime(at.checked_sub(SECOND).ok()?));
        }
        Some(latest)
    }

    /// When a local time comes: the first time that it is shown, or, if it never is, the moment at which the
    /// clock is put forward over it.
    fn first_moment(&self, local: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
            AmbiguousOffset::Gap { before, after } => {
                let earliest = after.to_timestamp(local).ok()?;
                let latest = before.to_timestamp(local).ok()?;
                let mut changes = self.zone.following(earliest).map(|change| change.timestamp());
                let skips = |at: &Timestamp| {
                    let before = at.checked_sub(SECOND).map(|at| self.zone.to_offset(at));
                    before.is_ok_and(|before| before < self.zone.to_offset(*at))
                };
                changes.find(skips).filter(|at| *at <= latest)
            }
        }
    }

    /// The first moment after `moment` at which the clock shows a named time.
    fn shown_after(&self, mut moment: Timestamp) -> Option<Timestamp> {
        let mut from = self.zone.to_datetime(moment).checked_add(SECOND).ok()?;
        loop {
            let shown = self.named.first_from(from)?;
            let found = self.zone.to_offset(moment).to_timestamp(shown).ok()?;
            match self.zone.following(moment).next().map(|change| change.timestamp()) {
                Some(change) if found >= change => moment = change,
                _ => return Some(found),
            }
            from = self.zone.to_datetime(moment);
        }
    }

    /// The last moment until `moment` at which the clock showed a named time.
    fn shown_until(&self, mut moment: Timestamp) -> Option<Timestamp> {
        loop {
            let shown = self.named.last_until(self.zone.to_datetime(moment))?;
            let found = self.zone.to_offset(moment).to_timestamp(shown).ok()?;
            // Without a change in that time, it may as well end there.
            let earliest = moment.checked_sub(LOOK_BACK).ok()?;
            let change = self.changes(earliest, moment).last().unwrap_or(earliest);
            if found >= change {
                return Some(found);
            }
            moment = change.checked_sub(SECOND).ok()?;
        }
    }

    /// The changes of the clocks after `after` and until `until`. Asked forwards only: backwards, jiff 0.2
    /// leaves out the last one before a zone's rule begins (America/Ciudad_Juarez, 2022-11-30).
    fn changes(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        let changes = self.zone.following(after).map(|change| change.timestamp());
        changes.take_while(move |at| *at <= until)
    }
}

/// The local times that a line names, whether any clock ever shows them or not.
#[derive(Debug, Clone)]
struct Named {
    /// For the days.
    pattern: Box<CronPattern>,
    hours: Set,
    minutes: Set,
    seconds: Set,
}

impl Named {
    fn of(pattern: CronPattern) -> Self {
        let set = |values: Vec<u16>| Set(values.iter().fold(0, |set, value| set | 1 << value));
        Self {
            hours: set(pattern.hours.values()),
            minutes: set(pattern.minutes.values()),
            seconds: set(pattern.seconds.values()),
            pattern: Box::new(pattern),
        }
    }

    /// The first named local time from `from` on.
    fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let mut day = from.date();
        let last_year = day.year().checked_add(YEARS_MAX)?;
        if self.names_day(day) {
            let time =
                self.first_time_from(part(from.hour()), part(from.minute()), part(from.second()));
            if let Some(time) = time {
                return Some(day.to_datetime(time));
            }
        }
        while day.year() <= last_year {
            day = match self.names_month(day) {
                true => day.tomorrow().ok()?,
                false => day.last_of_month().tomorrow().ok()?,
            };
            if self.names_day(day) {
                return Some(day.to_datetime(self.first_time_from(0, 0, 0)?));
            }
        }
        None
    }

    /// The last named local time until `until`.
    fn last_until(&self, until: DateTime) -> Option<DateTime> {
        let mut day = until.date();
        let first_year = day.year().checked_sub(YEARS_MAX)?;
        if self.names_day(day) {
            let time = self.last_time_until(
                part(until.hour()),
                part(until.minute()),
                part(until.second()),
            );
            if let Some(time) = time {
                return Some(day.to_datetime(time));
            }
        }
        while day.year() >= first_year {
            day = match self.names_month(day) {
                true => day.yesterday().ok()?,
                false => day.first_of_month().yesterday().ok()?,
            };
            if self.names_day(day) {
                return Some(day.to_datetime(self.last_time_until(23, 59, 59)?));
            }
        }
        None
    }

    fn names_month(&self, day: Date) -> bool {
        self.pattern.month_match(part(day.month())).unwrap_or(false)
    }

    fn names_day(&self, day: Date) -> bool {
        let weekday = match day.weekday() {
            jiff::civil::Weekday::Monday => Weekday::Monday,
            jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
            jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
            jiff::civil::Weekday::Thursday => Weekday::Thursday,
            jiff::civil::Weekday::Friday => Weekday::Friday,
            jiff::civil::Weekday::Saturday => Weekday::Saturday,
            jiff::civil::Weekday::Sunday => Weekday::Sunday,
        };
        let (year, month) = (day.year().into(), part(day.month()));
        let matches = self.pattern.day_match(year, month, part(day.day()), weekday);
        self.names_month(day) && matches.unwrap_or(false)
    }

    fn first_time_from(&self, hour: u32, minute: u32, second: u32) -> Option<Time> {
        let (first_minute, first_second) = (self.minutes.from(0)?, self.seconds.from(0)?);
        if self.hours.has(hour) {
            let in_minute = self.seconds.from(second).filter(|_| self.minutes.has(minute));
            if let Some(second) = in_minute {
                return time(hour, minute, second);
            }
            if let Some(minute) = self.minutes.from(minute + 1) {
                return time(hour, minute, first_second);
            }
        }
        time(self.hours.from(hour + 1)?, first_minute, first_second)
    }

    fn last_time_until(&self, hour: u32, minute: u32, second: u32) -> Option<Time> {
        let (last_minute, last_second) = (self.minutes.until(59)?, self.seconds.until(59)?);
        if self.hours.has(hour) {
            let in_minute = self.seconds.until(second).filter(|_| self.minutes.has(minute));
            if let Some(second) = in_minute {
                return time(hour, minute, second);
            }
            let earlier = minute.checked_sub(1).and_then(|minute| self.minutes.until(minute));
            if let Some(minute) = earlier {
                return time(hour, minute, last_second);
            }
        }
        time(self.hours.until(hour.checked_sub(1)?)?, last_minute, last_second)
    }
}

/// Some of the numbers from 0 to 59.
#[derive(Debug, Clone, Copy)]
struct Set(u64);

impl Set {
    fn has(self, value: u32) -> bool {
        self.0 >> value & 1 == 1
    }

    /// The first one from `value` on, which is at most 60.
    fn from(self, value: u32) -> Option<u32> {
        let rest = self.0 >> value << value;
        (rest != 0).then(|| rest.trailing_zeros())
    }

    /// The last one until `value`, which is at most 59.
    fn until(self, value: u32) -> Option<u32> {
        let rest = self.0 & ((2 << value) - 1);
        (rest != 0).then(|| 63 - rest.leading_zeros())
    }
}

fn time(hour: u32, minute: u32, second: u32) -> Option<Time> {
    let part = |value: u32| i8::try_from(value).ok();
    Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()
}

/// Part of a date or of a time, which is never negative.
fn part(value: i8) -> u32 {
    value.unsigned_abs().into()
}

/// The whole second that `time` lies in: cron knows nothing finer.
fn whole_second(time: WallTime) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.unix_ms / 1000).ok()?).ok()
}

fn wall(moment: Timestamp) -> Option<WallTime> {
    let unix_ms = u64::try_from(moment.as_millisecond()).ok()?;
    Some(WallTime { unix_ms })
}
