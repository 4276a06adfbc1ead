//! Moments as traces write them: `2020-01-01T00:00Z` mostly, and millions of them.

use jiff::Timestamp;

/// Reads `2020-01-01T00:00Z`, with or without seconds, a blank for the `T`, no `Z`, or any RFC 3339 time. Seconds since 1970.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    plain(text).or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second))
}

/// The forms without an offset: they make up the bulk, and a full parser costs ten times as much.
fn plain(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':')];
    if bytes.len() < 16
        || separators.iter().any(|(at, expected)| bytes[*at] != *expected)
        || !b"T ".contains(&bytes[10])
    {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let rest = &text[16..];
    let second = match rest {
        "" | "Z" | "z" => 0,
        _ if rest.starts_with(':') && 19 <= bytes.len() => {
            if !matches!(&text[19..], "" | "Z" | "z" | ".000Z" | "+00:00") {
                return None;
            }
            number(17, 19)?
        }
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=days_of_month).contains(&day) || 23 < hour || 59 < minute || 60 < second {
        return None;
    }
    // Days since 1970 of a date of the Gregorian calendar, by years that begin in March (Hinnant, "chrono-Compatible
    // Low-Level Date Algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_the_calendar_has_them() {
        for (text, full) in [
            ("2020-02-29T23:30Z", "2020-02-29T23:30:00Z"),
            ("1970-01-01 00:00", "1970-01-01T00:00:00Z"),
            ("2000-03-01T12:34:56Z", "2000-03-01T12:34:56Z"),
            ("2021-10-08T14:00:00.000Z", "2021-10-08T14:00:00Z"),
            ("2019-12-31T23:59:59", "2019-12-31T23:59:59Z"),
            ("2023-07-02T02:00+02:00", "2023-07-02T00:00:00Z"),
        ] {
            let expected: Timestamp = full.parse().expect("a time");
            assert_eq!(seconds(text), Some(expected.as_second()), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2020",
            "2021-02-29T00:00Z",
            "2020-13-01T00:00Z",
            "2020-01-01T24:00Z",
            "yesterday",
            "2020-01-01T0é:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
