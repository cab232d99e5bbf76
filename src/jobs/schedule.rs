//! Schedules: at which instants a job is due. Pure, and the same on every node: intervals count
//! from the Unix epoch, and cron lines are read in a time zone of the database that is built in.
//!
//! **Daylight saving**, by the rule of Vixie's cron, as [`croner`] implements it. A line with fixed
//! times (`30 2 * * *`) fires once on every day that it names: a local time that does not exist is
//! moved to the first one after the gap, and of one that exists twice the first counts. A line with a
//! wildcard or a step in seconds, minutes or hours (`*/10 * * * *`) goes by what the clock on the wall
//! shows: what falls into the gap is left out, and what the clock shows twice fires twice.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

use crate::time::WallTime;

/// The shortest period of a schedule: each instant costs some calls to the store.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// The longest period of a schedule. For what is rarer, a cron line says on which day.
pub const MAX_PERIOD: Duration = Duration::from_secs(366 * 24 * 3600);

/// How far the instants of a cron line are counted: more are that many.
pub const COUNT_MAX: u64 = 10_000;

/// The longest cron line, in bytes.
pub const MAX_CRON_LEN: usize = 256;

/// When a job is due.
#[derive(Debug, Clone)]
pub struct Schedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Milliseconds, above zero.
    Every(u64),
    Cron(Box<CronLine>),
}

#[derive(Debug, Clone)]
struct CronLine {
    cron: Cron,
    zone: TimeZone,
}

/// A schedule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The period is too short, too long, or no whole number of milliseconds.
    #[error(
        "a period of {period:?} is no schedule: write whole milliseconds from {MIN_PERIOD:?} to \
         {MAX_PERIOD:?}"
    )]
    Period {
        /// The period.
        period: Duration,
    },
    /// The line is no cron line.
    #[error(
        "cannot read the cron line {line:?}: {why}; write minute, hour, day of month, month and day \
         of week, with seconds before them or without"
    )]
    Line {
        /// The line.
        line: String,
        /// What is wrong with it.
        why: String,
    },
    /// No day is such a day.
    #[error("the cron line {line:?} never fires: there is no such day in any year")]
    Never {
        /// The line.
        line: String,
    },
    /// No time zone is called that.
    #[error(
        "there is no time zone {zone:?}: write an IANA name such as \"Europe/Berlin\" or \"UTC\""
    )]
    Zone {
        /// The name.
        zone: String,
    },
}

impl Schedule {
    /// Every `period`, counted from 1970-01-01T00:00:00Z: a period of one hour is due at each full
    /// hour of UTC, on every node and after every restart.
    ///
    /// # Errors
    /// The period is not in whole milliseconds, or not from [`MIN_PERIOD`] to [`MAX_PERIOD`].
    pub fn every(period: Duration) -> Result<Self, ScheduleError> {
        let whole = period.subsec_nanos().is_multiple_of(1_000_000);
        let millis = u64::try_from(period.as_millis()).ok();
        match millis.filter(|_| whole && (MIN_PERIOD..=MAX_PERIOD).contains(&period)) {
            Some(millis) => Ok(Self(Kind::Every(millis))),
            None => Err(ScheduleError::Period { period }),
        }
    }

    /// A cron line in a time zone: five fields, or six with seconds first; names of days and
    /// months, and `@hourly` to `@yearly`, are known, and so are `L`, `W` and `#`. If both day
    /// fields are restricted, either may match. What a change of the clocks does is said at the top
    /// of this page.
    ///
    /// # Errors
    /// The line cannot be read or never fires, or the zone is not known.
    pub fn cron(line: &str, zone: &str) -> Result<Self, ScheduleError> {
        let unreadable = |why: String| ScheduleError::Line { line: line.to_owned(), why };
        if line.len() > MAX_CRON_LEN {
            return Err(unreadable(format!("it has more than {MAX_CRON_LEN} bytes")));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(line).map_err(|error| unreadable(error.to_string()))?;
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| ScheduleError::Zone { zone: zone.to_owned() })?;
        let schedule = Self(Kind::Cron(Box::new(CronLine { cron, zone })));
        match schedule.next_after(WallTime::default()) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { line: line.to_owned() }),
        }
    }

    /// The first instant after `time`; none if there is none that a clock can show.
    pub fn next_after(&self, time: WallTime) -> Option<WallTime> {
        match &self.0 {
            Kind::Every(period) => {
                let number = time.unix_ms / period + 1;
                number.checked_mul(*period).map(|unix_ms| WallTime { unix_ms })
            }
            Kind::Cron(line) => line.next_after(time),
        }
    }

    /// The last instant at or before `time`; none before the first.
    pub fn last_until(&self, time: WallTime) -> Option<WallTime> {
        match &self.0 {
            Kind::Every(period) => Some(WallTime { unix_ms: time.unix_ms / period * period }),
            Kind::Cron(line) => line.last_until(time),
        }
    }

    /// How many instants lie after `after` and not after `until`; of a cron line at most
    /// [`COUNT_MAX`] are counted.
    pub fn count_between(&self, after: WallTime, until: WallTime) -> u64 {
        match &self.0 {
            Kind::Every(period) => (until.unix_ms / period).saturating_sub(after.unix_ms / period),
            Kind::Cron(line) => {
                let next = |time: &WallTime| line.next_after(*time);
                let instants = std::iter::successors(line.next_after(after), next);
                instants.take_while(|instant| *instant <= until).take(COUNT_MAX as usize).count()
                    as u64
            }
        }
    }
}

impl CronLine {
    fn next_after(&self, time: WallTime) -> Option<WallTime> {
        let next = self.cron.find_next_occurrence(&self.at(time)?, false);
        next.ok().and_then(|zoned| wall(&zoned))
    }

    fn last_until(&self, time: WallTime) -> Option<WallTime> {
        let last = self.cron.find_previous_occurrence(&self.at(time)?, true);
        last.ok().and_then(|zoned| wall(&zoned))
    }

    /// The whole second that `time` lies in: cron knows nothing finer.
    fn at(&self, time: WallTime) -> Option<Zoned> {
        let second = i64::try_from(time.unix_ms / 1000).ok()?;
        Some(Timestamp::from_second(second).ok()?.to_zoned(self.zone.clone()))
    }
}

fn wall(zoned: &Zoned) -> Option<WallTime> {
    let unix_ms = u64::try_from(zoned.timestamp().as_millisecond()).ok()?;
    Some(WallTime { unix_ms })
}

#[cfg(test)]
mod tests;
