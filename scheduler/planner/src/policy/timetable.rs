//! Recurring windows: a cron expression for their starts, a duration, a time zone.
//!
//! The expression is read in civil time and each start is then placed in the zone, so that "22:00" is 22:00 on the wall
//! in summer and winter. A start that a change of the clock skips comes that much later; one that comes twice is the
//! first of the two. The duration is elapsed time: eight hours are eight hours in the night of a change, too.

use chrono::DateTime;
use cron::Schedule;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

/// Starts looked at in one search: a start a minute over 31 days. More would make a plan slow without making it better.
const MOST_STARTS: usize = 31 * 24 * 60;
/// A change of the clock moves a start by this much at most, in hours.
const LARGEST_CLOCK_CHANGE_HOURS: f64 = 26.0;

/// A start that lies in a gap of the clock is put off by this much at most in zones as they are now, in hours.
const LARGEST_PUT_OFF_HOURS: f64 = 1.0;

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Windows that recur.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    expression: String,
    schedule: Schedule,
    duration: Seconds,
    zone: Zone,
}

#[derive(Debug, Clone, PartialEq)]
enum Zone {
    Named(TimeZone),
    /// That of the machine the scheduler runs on, which only the caller knows; UTC until it is said.
    Local(TimeZone),
}

/// A text that is no timetable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATimetable {
    /// Not five fields.
    #[error("a cron expression has five fields, `{expression}` has {found}")]
    Fields {
        /// The text.
        expression: String,
        /// How many fields it has.
        found: usize,
    },
    /// A field that cannot be read.
    #[error("`{expression}` is not a cron expression")]
    Unreadable {
        /// The text.
        expression: String,
    },
    /// Both days are restricted, which crontab reads as "either" and many people as "both".
    #[error("`{expression}` restricts both the day of the month and the day of the week")]
    TwoDays {
        /// The text.
        expression: String,
    },
    /// No moment matches, as in the 30th of February.
    #[error("`{expression}` never comes")]
    Never {
        /// The text.
        expression: String,
    },
}

impl Timetable {
    /// Windows of this duration beginning at the times of a five-field cron expression, as in crontab: minute, hour, day
    /// of month, month, day of week (0 or 7 or `SUN` is Sunday). `None` as zone is the local one.
    pub fn new(expression: &str, duration: Seconds, zone: Option<TimeZone>) -> Result<Self, NotATimetable> {
        let owned = || expression.to_owned();
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(NotATimetable::Fields { expression: owned(), found: fields.len() });
        };
        if day != "*" && weekday != "*" {
            return Err(NotATimetable::TwoDays { expression: owned() });
        }
        let unreadable = || NotATimetable::Unreadable { expression: owned() };
        let weekday = weekdays(weekday).ok_or_else(unreadable)?;
        let schedule: Schedule =
            format!("0 {minute} {hour} {day} {month} {weekday}").parse().map_err(|_| unreadable())?;
        // The library looks a century ahead; any start after a fixed day tells that there are some.
        if schedule.after(&DateTime::UNIX_EPOCH).next().is_none() {
            return Err(NotATimetable::Never { expression: owned() });
        }
        let zone = zone.map_or(Zone::Local(TimeZone::UTC), Zone::Named);
        Ok(Self { expression: owned(), schedule, duration, zone })
    }

    /// The same, with its local zone known.
    #[must_use]
    pub fn in_local_zone(self, zone: &TimeZone) -> Self {
        match self.zone {
            Zone::Named(_) => self,
            Zone::Local(_) => Self { zone: Zone::Local(zone.clone()), ..self },
        }
    }

    /// The cron expression as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the clock it is read by.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        match &self.zone {
            Zone::Local(_) => "local",
            Zone::Named(zone) => zone.iana_name().unwrap_or("UTC"),
        }
    }

    /// How long each window is.
    #[must_use]
    pub const fn duration(&self) -> Seconds {
        self.duration
    }

    /// The windows that lie in `within` wholly or in part, cut to it: in order, apart from one another.
    #[must_use]
    pub fn openings(&self, within: Window) -> Vec<Window> {
        let windows = self
            .starts(self.duration.before(within.start()))
            .take(MOST_STARTS)
            .take_while(|start| *start < within.end())
            .filter_map(|start| Window::new(start, self.duration.after(start)).ok()?.intersection(&within))
            .collect();
        merge(windows)
    }

    /// The first moment from `at` on that lies in a window.
    #[must_use]
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        self.starts(self.duration.before(at))
            .take(MOST_STARTS)
            .find(|start| at < self.duration.after(*start))
            .map(|start| start.max(at))
    }

    /// The first start after a moment.
    #[must_use]
    pub fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        let mut starts = self.starts(after).filter(|start| after < *start);
        let first = starts.next()?;
        // A start that a change of the clock put off may be told before an earlier one.
        let within = Seconds::from_hours(LARGEST_PUT_OFF_HOURS).after(first);
        Some(starts.take(MOST_STARTS).take_while(|start| *start <= within).fold(first, Timestamp::min))
    }

    /// The starts after `from` up to `to`, in order, each once; at most the first 44,640.
    #[must_use]
    pub fn starts_between(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let within = Seconds::from_hours(LARGEST_PUT_OFF_HOURS).after(to);
        let starts = self.starts(from).take(MOST_STARTS).take_while(|start| *start <= within);
        let mut starts: Vec<Timestamp> = starts.filter(|start| from < *start && *start <= to).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// Starts from some time before `from` on, in order up to changes of the clock.
    fn starts(&self, from: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let (Zone::Named(zone) | Zone::Local(zone)) = &self.zone;
        let margin = Seconds::from_hours(LARGEST_CLOCK_CHANGE_HOURS);
        // The library iterates over moments; civil times are handed to it as if they were UTC.
        let civil = zone.to_datetime(margin.before(from));
        let as_if_utc = Offset::UTC.to_timestamp(civil).unwrap_or(Timestamp::MIN);
        let first = DateTime::from_timestamp(as_if_utc.as_second(), 0).unwrap_or(DateTime::UNIX_EPOCH);
        self.schedule
            .after_owned(first)
            .filter_map(move |start| {
                let civil = Offset::UTC.to_datetime(Timestamp::from_second(start.timestamp()).ok()?);
                Some(zone.to_ambiguous_zoned(civil).compatible().ok()?.timestamp())
            })
            .skip_while(move |start| *start < from)
    }
}

/// The windows in order, those that touch or overlap made one.
pub(crate) fn merge(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort_unstable_by_key(Window::start);
    let mut merged: Vec<Window> = Vec::with_capacity(windows.len());
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.start() <= last.end() => {
                *last = Window::new(last.start(), last.end().max(window.end())).expect("begins before it ends");
            }
            _ => merged.push(window),
        }
    }
    merged
}

/// What is open and not closed; both in order and apart from one another, and so is the result.
pub(crate) fn without(open: &[Window], closed: &[Window]) -> Vec<Window> {
    let mut left = Vec::with_capacity(open.len() + closed.len());
    for window in open {
        let mut from = window.start();
        let first = closed.partition_point(|other| other.end() <= from);
        for other in closed[first..].iter().take_while(|other| other.start() < window.end()) {
            left.extend(Window::new(from, other.start()));
            from = other.end();
        }
        left.extend(Window::new(from, window.end()));
    }
    left
}

/// Days of the week as names: the library counts Sunday as 1, crontab as 0 and 7.
fn weekdays(field: &str) -> Option<String> {
    if field == "*" {
        return Some(field.to_owned());
    }
    let day = |text: &str| -> Option<usize> {
        DAYS.iter()
            .position(|name| text.eq_ignore_ascii_case(name))
            .or_else(|| text.parse().ok().filter(|number| *number <= 7))
    };
    let mut open = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| 0 < *step)?),
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (day(first)?, day(last)?),
            None if item.contains('/') => (day(range)?, 6),
            None => (day(range)?, day(range)?),
        };
        // `FRI-SUN` runs over the end of the week.
        let last = if last < first { last + 7 } else { last };
        for number in (first..=last).step_by(step) {
            open[number % 7] = true;
        }
    }
    let names: Vec<&str> = DAYS.iter().zip(open).filter(|(_, open)| *open).map(|(name, _)| *name).collect();
    Some(names.join(","))
}
