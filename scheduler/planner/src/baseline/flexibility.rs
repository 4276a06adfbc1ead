//! The deadlines of "Let's Wait Awhile": from when a job would have ended on, to when somebody would look at it.

use jiff::civil::{Weekday, time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// Until when a job may be put off. Working hours are 9:00 to 17:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flexibility {
    /// Nine o'clock of the next workday, where the job would end outside working hours. Friday evening counts as before a
    /// workday, as it does in the original.
    NextWorkday,
    /// Nine o'clock of the next Monday or Thursday.
    SemiWeekly,
}

impl Flexibility {
    /// The latest end of a job that would end at `end` if it ran at once. Beyond the calendar there is no extension.
    #[must_use]
    pub fn deadline(self, end: Timestamp) -> Timestamp {
        let civil = Offset::UTC.to_datetime(end);
        let nine = |days: i64| {
            let day = civil.date().checked_add(days.days()).ok()?;
            day.to_datetime(time(9, 0, 0, 0)).to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        };
        let latest = match self {
            Self::NextWorkday => match civil.weekday() {
                Weekday::Saturday => nine(2),
                Weekday::Sunday => nine(1),
                _ if time(17, 0, 0, 0) < civil.time() => nine(1),
                _ if civil.hour() < 9 => nine(0),
                _ => None,
            },
            Self::SemiWeekly => (0..8).filter_map(nine).find(|at| {
                let weekday = Offset::UTC.to_datetime(*at).weekday();
                end <= *at && matches!(weekday, Weekday::Monday | Weekday::Thursday)
            }),
        };
        latest.unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(flexibility: Flexibility, end: &str) -> String {
        flexibility.deadline(end.parse().expect("a time")).to_string()
    }

    #[test]
    fn the_next_workday_begins_at_nine() {
        for (end, expected) in [
            ("2020-01-03T18:00:00Z", "2020-01-04T09:00:00Z"),
            ("2020-01-04T12:00:00Z", "2020-01-06T09:00:00Z"),
            ("2020-01-05T12:00:00Z", "2020-01-06T09:00:00Z"),
            ("2020-01-07T08:30:00Z", "2020-01-07T09:00:00Z"),
            ("2020-01-07T12:00:00Z", "2020-01-07T12:00:00Z"),
            ("2020-01-07T17:00:00Z", "2020-01-07T17:00:00Z"),
        ] {
            assert_eq!(deadline(Flexibility::NextWorkday, end), expected, "{end}");
        }
    }

    #[test]
    fn mondays_and_thursdays_at_nine() {
        for (end, expected) in [
            ("2020-01-06T09:00:00Z", "2020-01-06T09:00:00Z"),
            ("2020-01-06T09:30:00Z", "2020-01-09T09:00:00Z"),
            ("2020-01-09T10:00:00Z", "2020-01-13T09:00:00Z"),
        ] {
            assert_eq!(deadline(Flexibility::SemiWeekly, end), expected, "{end}");
        }
    }
}
