//! Times as providers write them. Small on purpose: a date library would double the size of a plugin.

use crate::Timestamp;

/// Reads `YYYY-MM-DD[T ]hh:mm[:ss[.fff]][Z|±hh:mm]`; without an offset the time is taken as UTC. `None` for anything else and
/// for times before 1970.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let rest = rest.strip_prefix(['T', ' ', 't'])?;
    let clock_length = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(clock_length);
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = match parts.next() {
        Some(second) => number(second.split('.').next()?)?,
        None => 0,
    };
    let plausible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !plausible || parts.next().is_some() {
        return None;
    }
    let local = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(local - offset_seconds(offset)?).ok()
}

/// Writes `YYYY-MM-DDThh:mm` in UTC, the form most query strings want.
#[must_use]
pub fn civil_time(at: Timestamp) -> String {
    let seconds = i64::try_from(at).unwrap_or(i64::MAX);
    let (days, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}", clock / 3600, clock % 3600 / 60)
}

fn number(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => return Some(0),
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        Some(_) => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2)?,
    };
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some(sign * (number(hours)? * 3600 + minutes * 60))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, after Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse, after the same author's `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_providers_write_them() {
        for (text, expected) in [
            ("1970-01-01T00:00Z", Some(0)),
            ("2023-12-03T10:30Z", Some(1_701_599_400)),
            ("2026-01-20T16:30:00", Some(1_768_926_600)),
            ("2025-07-23T01:45:00+10:00", Some(1_753_199_100)),
            ("2024-02-29 23:59:59.999Z", Some(1_709_251_199)),
            ("2024-03-10T01:00:00-0800", Some(1_710_061_200)),
            ("2024-13-01T00:00Z", None),
            ("2024-01-01", None),
            ("1969-12-31T23:59Z", None),
            ("20240101T0000Z", None),
            ("２０２４-01-01T00:00Z", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for at in (0..4_102_444_800_u64).step_by(86_400 * 13 + 3660) {
            assert_eq!(parse_time(&civil_time(at)), Some(at / 60 * 60));
        }
    }
}
