//! Values as people write them on the command line: durations, deadlines, power, signals, variables.
//!
//! Pure: the present and the time zone are arguments. Every parser refuses with what it would have taken instead.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use lowtide_api::v1::submit::Deadline;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds, Watts};
use rustix::process::Signal;

/// Units of time and the seconds in each.
const UNITS_OF_TIME: [(&str, f64); 12] = [
    ("s", 1.0),
    ("sec", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("hour", 3600.0),
    ("hours", 3600.0),
    ("d", 86_400.0),
    ("day", 86_400.0),
    ("days", 86_400.0),
    ("w", 604_800.0),
    ("weeks", 604_800.0),
];

/// Ten years: a longer time is a slip of the finger.
const LONGEST_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;

/// Units of power and the watts in each.
const UNITS_OF_POWER: [(&str, f64); 3] = [("W", 1.0), ("kW", 1e3), ("MW", 1e6)];
const UNITS_OF_MASS: [(&str, f64); 3] = [("g", 1.0), ("kg", 1000.0), ("t", 1e6)];
/// In kWh.
const UNITS_OF_ENERGY: [(&str, f64); 3] = [("Wh", 0.001), ("kWh", 1.0), ("MWh", 1000.0)];

/// Names a job may be asked to leave by.
const SIGNALS: [(&str, Signal); 14] = [
    ("TERM", Signal::TERM),
    ("INT", Signal::INT),
    ("HUP", Signal::HUP),
    ("QUIT", Signal::QUIT),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("ALRM", Signal::ALARM),
    ("VTALRM", Signal::VTALARM),
    ("PROF", Signal::PROF),
    ("XCPU", Signal::XCPU),
    ("XFSZ", Signal::XFSZ),
    ("WINCH", Signal::WINCH),
    ("URG", Signal::URG),
    ("CONT", Signal::CONT),
];

/// `36h`, `90m`, `2d`, `1d12h`, `1.5h`, `45 min`.
pub(crate) fn duration(text: &str) -> Result<Seconds, String> {
    let refused = || format!("`{text}` is not a duration: write 90m, 36h, 2d or 1d12h");
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(refused)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, scale) = UNITS_OF_TIME.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        seconds += number * scale;
        rest = after.trim_start();
    }
    if LONGEST_SECONDS < seconds {
        return Err(format!("`{text}` is more than ten years"));
    }
    Seconds::new(seconds).map_err(|error| error.to_string())
}

/// `300W`, `1.2kW`.
pub(crate) fn power(text: &str) -> Result<Watts, String> {
    let refused = || format!("`{text}` is not a power: write 300W or 1.2kW");
    let watts = scaled(text, &UNITS_OF_POWER).ok_or_else(refused)?;
    Watts::new(watts).map_err(|error| error.to_string())
}

/// `500g`, `1.2kg`.
pub(crate) fn footprint(text: &str) -> Result<GramsCo2e, String> {
    let refused = || format!("`{text}` is not a footprint: write 500g or 1.2kg");
    let grams = scaled(text, &UNITS_OF_MASS).ok_or_else(refused)?;
    GramsCo2e::new(grams).map_err(|error| error.to_string())
}

/// `800Wh`, `2kWh`.
pub(crate) fn energy(text: &str) -> Result<Joules, String> {
    let refused = || format!("`{text}` is not an energy: write 800Wh or 2kWh");
    let kwh = scaled(text, &UNITS_OF_ENERGY).ok_or_else(refused)?;
    Joules::from_kwh(kwh).map_err(|error| error.to_string())
}

/// A number above 0 with its unit.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = split_number(text.trim())?;
    let (_, scale) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?;
    Some(number * scale).filter(|value| 0.0 < *value)
}

/// `TERM`, `SIGUSR1`, `10`.
pub(crate) fn signal(text: &str) -> Result<i32, String> {
    let name = text.trim().to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some((_, signal)) = SIGNALS.into_iter().find(|(known, _)| *known == name) {
        return Ok(signal.as_raw());
    }
    let number = name.parse::<i32>().ok().filter(|number| (1..=64).contains(number));
    // A process can neither catch nor survive these two, so no checkpoint can follow from them.
    match number {
        Some(number) if number == Signal::KILL.as_raw() || number == Signal::STOP.as_raw() => {
            Err(format!("signal {number} cannot be caught: the job could not leave a checkpoint"))
        }
        Some(number) => Ok(number),
        None => Err(format!("`{text}` is not a signal that can be caught: write USR1, TERM, INT or a number")),
    }
}

/// `KEY=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !text.contains('\0') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` sets no variable: write KEY=VALUE")),
    }
}

/// A regular expression with the group `epoch`. One that cannot work is told now, not when the job runs in the night.
pub(crate) fn epoch_pattern(text: &str) -> Result<String, String> {
    let pattern = regex::Regex::new(text).map_err(|error| error.to_string())?;
    if pattern.capture_names().flatten().any(|name| name == "epoch") {
        Ok(text.to_owned())
    } else {
        Err("it has no group `epoch`: write (?<epoch>[0-9]+) where the number stands".to_owned())
    }
}

/// When a job has to be done: RFC 3339, a duration from submission, or a time by the clock on the wall: `18:00`,
/// `fri 18:00`, `tomorrow 09:00`, `2026-11-25 18:00`. A time of day without a date, and a weekday, mean the next one.
pub(crate) fn deadline(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Deadline, String> {
    let text = text.trim();
    if let Ok(seconds) = duration(text) {
        return Ok(Deadline::InSeconds(seconds.get()));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Deadline::At(at));
    }
    let civil = match text.parse::<DateTime>() {
        Ok(civil) if text.contains(':') => Some(civil),
        // A bare date could mean its beginning or its end: the one guess is a day wrong for half of the users.
        Ok(_) => return Err(format!("`{text}` names a day and no time: write `{text} 18:00`")),
        Err(_) => on_the_wall(text, &now.to_zoned(zone.clone())),
    };
    civil
        .and_then(|civil| civil.to_zoned(zone.clone()).ok())
        .map(|zoned| Deadline::At(zoned.timestamp()))
        .ok_or_else(|| format!("`{text}` is not a time: write 36h, `fri 18:00`, `2026-11-25 18:00` or RFC 3339"))
}

/// The next time the clock shows `[DAY] HH:MM`.
fn on_the_wall(text: &str, now: &Zoned) -> Option<DateTime> {
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (Some(day.to_ascii_lowercase()), time.trim()),
        None => (None, text),
    };
    let time = time_of_day(time)?;
    let today = now.date();
    let date: Date = match day.as_deref() {
        Some("today") => today,
        Some("tomorrow") => today.checked_add(1.day()).ok()?,
        Some(name) => {
            let ahead = days_until(now.weekday(), weekday(name)?);
            let passed = ahead == 0 && time <= now.time();
            today.checked_add(if passed { 7 } else { ahead }.days()).ok()?
        }
        None if time <= now.time() => today.checked_add(1.day()).ok()?,
        None => today,
    };
    Some(date.to_datetime(time))
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()
}

fn weekday(name: &str) -> Option<Weekday> {
    let all = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let position = all.iter().position(|day| 3 <= name.len() && day.starts_with(name))?;
    Weekday::from_monday_zero_offset(i8::try_from(position).ok()?).ok()
}

fn days_until(from: Weekday, to: Weekday) -> i64 {
    i64::from(from.until(to))
}

/// A leading decimal number and what follows it. No sign, no exponent: neither is how people write a duration.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// A command as a shell would take it, for people to read.
#[must_use]
pub(crate) fn shell_words(command: &[String]) -> String {
    let mut line = String::new();
    for word in command {
        if !line.is_empty() {
            line.push(' ');
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            let _ = write!(line, "'{}'", word.replace('\'', r"'\''"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> f64 {
        duration(text).expect(text).get()
    }

    fn is(actual: f64, expected: f64) -> bool {
        (actual - expected).abs() < 1e-9
    }

    #[test]
    fn durations_as_people_write_them() {
        for (text, hours) in [
            ("36h", 36.0),
            ("90m", 1.5),
            ("2d", 48.0),
            ("1d12h", 36.0),
            ("1.5h", 1.5),
            ("45 min", 0.75),
            ("1 d 6 h", 30.0),
        ] {
            assert!(is(seconds(text), hours * 3600.0), "{text}");
        }
        for text in ["", "36", "h", "-3h", "3x", "1e9h", "NaN", "4000d", "3h foo", "1..5h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn power_needs_a_unit() {
        assert!(is(power("300W").expect("watts").get(), 300.0));
        assert!(is(power("1.2 kW").expect("kilowatts").get(), 1200.0));
        for text in ["300", "0W", "W", "-3W", "3kg"] {
            assert!(power(text).is_err(), "{text}");
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        assert_eq!(
            [signal("USR1"), signal("SIGTERM"), signal("sigint"), signal("10")],
            [Ok(10), Ok(15), Ok(2), Ok(10)]
        );
        for text in ["KILL", "9", "19", "0", "65", "FOO"] {
            assert!(signal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_without_its_group_is_refused_at_once() {
        assert!(epoch_pattern(r"step (?<epoch>\d+)").is_ok());
        assert!(epoch_pattern(r"step (\d+)").is_err());
        assert!(epoch_pattern("(").is_err());
    }

    #[test]
    fn a_variable_may_hold_an_equals_sign() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert!(variable("=x").is_err());
        assert!(variable("A").is_err());
    }

    #[test]
    fn deadlines_by_the_clock_on_the_wall() {
        let zone = TimeZone::get("Europe/Berlin").expect("bundled");
        // A Wednesday, 15:30 in Berlin.
        let now: Timestamp = "2026-11-25T14:30:00Z".parse().expect("a time");
        let at = |text: &str| match deadline(text, now, &zone) {
            Ok(Deadline::At(at)) => at.to_string(),
            Ok(Deadline::InSeconds(seconds)) => format!("in {seconds} s"),
            Err(message) => message,
        };
        for (text, expected) in [
            ("36h", "in 129600 s"),
            ("2026-11-26T18:00:00+02:00", "2026-11-26T16:00:00Z"),
            ("2026-11-26 18:00", "2026-11-26T17:00:00Z"),
            ("2026-11-26T18:00", "2026-11-26T17:00:00Z"),
            ("18:00", "2026-11-25T17:00:00Z"),
            ("09:00", "2026-11-26T08:00:00Z"),
            ("tomorrow 09:00", "2026-11-26T08:00:00Z"),
            ("fri 18:00", "2026-11-27T17:00:00Z"),
            ("Wednesday 15:00", "2026-12-02T14:00:00Z"),
            ("wed 16:00", "2026-11-25T15:00:00Z"),
            ("2026-11-26", "`2026-11-26` names a day and no time: write `2026-11-26 18:00`"),
            ("soon", "`soon` is not a time: write 36h, `fri 18:00`, `2026-11-25 18:00` or RFC 3339"),
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
    }

    #[test]
    fn a_command_can_be_pasted_back() {
        let words = ["python", "train.py", "--name=a b", "it's", ""].map(str::to_owned);
        assert_eq!(shell_words(&words), r"python train.py '--name=a b' 'it'\''s' ''");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
            let _ = (duration(&text), power(&text), signal(&text), variable(&text));
            let _ = deadline(&text, Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        }

        #[test]
        fn hours_and_minutes_add_up(hours in 0_u32..1000, minutes in 0_u32..60) {
            let written = seconds(&format!("{hours}h{minutes}m"));
            prop_assert!(is(written, f64::from(hours * 3600 + minutes * 60)));
        }
    }
}
