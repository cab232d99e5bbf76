//! Schedules: at which instants a job is due. Pure, and the same on every node: intervals count
//! from the Unix epoch, and cron lines are read in a time zone of the database that is built in.
//!
//! **When the clocks change.** A line names days, by its last three fields, and times of these days, by
//! the fields before. It is of one of two kinds:
//!
//! - *Fixed times*: no field of the time has a `*` or a step `/` (`30 2 * * *`, `0,30 2,14 * * *`,
//!   `15 1-3 * * *`). Each named time of each named day comes once: when the clock shows it for the first
//!   time; or, if the clock is put forward over it, at that moment, which is the first one after the gap.
//!   So a time that is shown twice comes when it is shown first, several times in one gap come as one
//!   instant, and this holds for gaps of any length, over midnight, and for a day that a place left out:
//!   what that day's times were comes at the beginning of the next.
//! - *By the clock*: a field of the time has a `*` or a step (`*/10 * * * *`, `0 */2 * * *`). It comes
//!   whenever the clock shows a named time: what falls into a gap is left out, and what the clock shows
//!   twice comes twice.

use std::fmt;
use std::time::Duration;

use crate::time::WallTime;
use cron::CronLine;

mod cron;

/// The shortest period of a schedule: each instant costs some calls to the store.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// The longest period of a schedule. For what is rarer, a cron line says on which day.
pub const MAX_PERIOD: Duration = Duration::from_secs(366 * 24 * 3600);

/// How far the instants of a cron line are counted: more are that many.
pub const COUNT_MAX: u64 = 10_000;

/// The longest cron line, in bytes.
pub const MAX_CRON_LEN: usize = 256;

/// How a text in a store begins.
const EVERY: &str = "every-ms ";
const CRON: &str = "cron ";

/// When a job is due.
#[derive(Debug, Clone)]
pub struct Schedule(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Milliseconds, above zero.
    Every(u64),
    Cron(Box<CronLine>),
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
        let schedule = Self(Kind::Cron(Box::new(CronLine::new(line, zone)?)));
        match schedule.next_after(WallTime::default()) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { line: line.to_owned() }),
        }
    }

    /// As it is kept in a store, beside the cursor of its job: the same text for the same schedule.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Kind::Every(period) => format!("{EVERY}{period}"),
            Kind::Cron(line) => format!("{CRON}{} {}", line.zone_name, line.text),
        }
    }

    /// The schedule that a store keeps as this text.
    ///
    /// # Errors
    /// It is none, or none that this version knows.
    pub fn from_text(text: &str) -> Result<Self, ScheduleError> {
        let unreadable = || ScheduleError::Line {
            line: text.to_owned(),
            why: "a store keeps schedules as \"every-ms N\" or \"cron ZONE LINE\"".to_owned(),
        };
        if let Some(period) = text.strip_prefix(EVERY) {
            return Self::every(Duration::from_millis(period.parse().map_err(|_| unreadable())?));
        }
        let line = text.strip_prefix(CRON).and_then(|rest| rest.split_once(' '));
        let (zone, line) = line.ok_or_else(unreadable)?;
        Self::cron(line, zone)
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

/// For people.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Every(period) => {
                let period = Duration::from_millis(*period);
                write!(f, "every {}", humantime::format_duration(period))
            }
            Kind::Cron(line) => write!(f, "{:?} in {}", line.text, line.zone_name),
        }
    }
}

#[cfg(test)]
mod tests;
