//! Quantities and times as people read them: three significant digits, units always, the reader's own clock.
//!
//! Pure: the present and the time zone are arguments.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_api::v1::job::Interval;
use lowtide_model::quantity::Seconds;
use lowtide_planner::wording;

/// The reader's clock: what is "today", and where.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// The present by the daemon's clock.
    pub(crate) now: Timestamp,
    /// The reader's zone.
    pub(crate) zone: TimeZone,
}

/// A unit and how many of the base unit it holds.
type Unit = (&'static str, f64);

/// A share below which nothing was saved and nothing was wrong: 0.05 %.
pub(crate) const NOTHING: f64 = 5e-4;

const MASSES: [Unit; 4] = [("mg", 1e-3), ("g", 1.0), ("kg", 1e3), ("t", 1e6)];
const ENERGIES: [Unit; 5] = [("J", 1.0 / 3.6e6), ("Wh", 1e-3), ("kWh", 1.0), ("MWh", 1e3), ("GWh", 1e6)];
const POWERS: [Unit; 4] = [("mW", 1e-3), ("W", 1.0), ("kW", 1e3), ("MW", 1e6)];

/// How a job runs somewhere: ` with 4 workers`, ` at 200 W a GPU`, both, or nothing.
#[must_use]
pub(crate) fn point(workers: Option<u32>, power_cap_w: Option<u32>) -> String {
    let with = |count: u32| format!(" with {count} worker{}", if count == 1 { "" } else { "s" });
    let held = |watts: u32| format!(" at {watts} W a GPU");
    workers.map(with).unwrap_or_default() + &power_cap_w.map(held).unwrap_or_default()
}

/// `430 g`, `1.31 kg`, `2.4 t`, `12 mg`.
#[must_use]
pub(crate) fn grams(value: f64) -> String {
    in_unit(value, unit_of(value, &MASSES))
}

/// `6.2 kWh`, `43 Wh`, `12 J`.
#[must_use]
pub(crate) fn energy(kwh: f64) -> String {
    in_unit(kwh, unit_of(kwh, &ENERGIES))
}

/// `300 W`, `1.2 kW`.
#[must_use]
pub(crate) fn power(watts: f64) -> String {
    in_unit(watts, unit_of(watts, &POWERS))
}

/// `1.8 kgCO2e (1.3–2.6)`.
#[must_use]
pub(crate) fn footprint(interval: &Interval) -> String {
    let unit = unit_of_interval(interval, &MASSES);
    format!("{}CO2e{}", in_unit(interval.median, unit), range(interval, unit.1))
}

/// `6.2 kWh (5.1–7.4)`.
#[must_use]
pub(crate) fn energy_interval(interval: &Interval) -> String {
    let unit = unit_of_interval(interval, &ENERGIES);
    format!("{}{}", in_unit(interval.median, unit), range(interval, unit.1))
}

/// `9 h 10 min (7 h–12 h 5 min)`.
#[must_use]
pub(crate) fn duration_interval(interval: &Interval) -> String {
    let median = duration(interval.median);
    if is_exact(interval) {
        return median;
    }
    format!("{median} ({}–{})", duration(interval.low), duration(interval.high))
}

/// `45 s`, `40 min`, `9 h 10 min`.
#[must_use]
pub(crate) fn duration(seconds: f64) -> String {
    if 0.0 < seconds && seconds < 10.0 {
        return format!("{} s", significant(seconds));
    }
    wording::duration(Seconds::saturating(seconds))
}

/// `12 %`.
#[must_use]
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0))
}

/// `+12 %`, `-3.1 %`.
#[must_use]
pub(crate) fn signed_percent(share: f64) -> String {
    format!("{}{}", if share < 0.0 { "" } else { "+" }, percent(share))
}

/// `61 g/kWh`.
#[must_use]
pub(crate) fn intensity(g_per_kwh: f64) -> String {
    format!("{} g/kWh", significant(g_per_kwh))
}

/// What was saved, or cost, with its share of what running at once would have emitted. A difference that is lost in
/// rounding is none.
#[must_use]
pub(crate) fn saving(saving_g: f64, run_at_once_g: f64) -> Option<(String, Option<String>)> {
    if saving_g.abs() <= NOTHING * run_at_once_g.abs() {
        return None;
    }
    let share = (0.0 < run_at_once_g).then(|| percent(saving_g / run_at_once_g));
    let sign = if saving_g < 0.0 { "-" } else { "" };
    Some((format!("{sign}{}", grams(saving_g.abs())), share))
}

/// `22:30`, `today 22:30`, `tomorrow 07:40`, `Fri 18:00`, `Fri 4 Dec 18:00`, `Fri 4 Dec 2026 18:00`: the shortest that
/// cannot be misread. Seconds are not shown: nothing is planned by the second.
#[must_use]
pub(crate) fn moment(at: Timestamp, clock: &Clock) -> String {
    let there = at.to_zoned(clock.zone.clone());
    let here = clock.now.to_zoned(clock.zone.clone());
    let days = there.date().duration_since(here.date()).as_hours() / 24;
    let format = match days {
        0 => "today %H:%M",
        1 => "tomorrow %H:%M",
        -1 => "yesterday %H:%M",
        2..=6 => "%a %H:%M",
        _ if there.year() == here.year() => "%a %-d %b %H:%M",
        _ => "%a %-d %b %Y %H:%M",
    };
    there.strftime(format).to_string()
}

/// `today 22:30 to 07:40`: the second without its day where that is the same or the night between.
#[must_use]
pub(crate) fn span(start: Timestamp, end: Timestamp, clock: &Clock) -> String {
    let from = start.to_zoned(clock.zone.clone());
    let to = end.to_zoned(clock.zone.clone());
    let short = end.duration_since(start).as_hours() < 24 && (from.date() == to.date() || to.time() < from.time());
    let end = if short { to.strftime("%H:%M").to_string() } else { moment(end, clock) };
    format!("{} to {end}", moment(start, clock))
}

/// `12 min ago`, `in 3 h`, `now`.
#[must_use]
pub(crate) fn relative(at: Timestamp, clock: &Clock) -> String {
    let seconds = at.duration_since(clock.now).as_secs_f64();
    if seconds.abs() < 1.0 {
        "now".to_owned()
    } else if seconds < 0.0 {
        format!("{} ago", wording::duration(Seconds::saturating(-seconds)))
    } else {
        format!("in {}", wording::duration(Seconds::saturating(seconds)))
    }
}

/// An estimate's source, for people.
#[must_use]
pub(crate) fn source(source: &str, after_epoch: u32) -> String {
    match (source, after_epoch) {
        ("measured", 1) => "measured over its first epoch".to_owned(),
        ("measured", epochs) => format!("measured over {epochs} epochs"),
        ("history", _) => "from earlier jobs like it".to_owned(),
        ("declared", _) => "from what you declared".to_owned(),
        ("default", _) => "a guess: nothing is known of it yet".to_owned(),
        ("actual", _) => "what it really was".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// An epoch's energy source, for people.
#[must_use]
pub(crate) fn energy_source(source: &str) -> &str {
    match source {
        "mixed" => "partly modelled",
        "shared" => "measured, its share",
        other => other,
    }
}

/// A kind of intensity, for people.
#[must_use]
pub(crate) fn intensity_kind(kind: &str) -> &str {
    match kind {
        "static" => "annual mean",
        other => other,
    }
}

/// `7`, `1,016`, `99,966`.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(place, digit): (usize, char)| {
        let before = (0 < place && (digits.len() - place).is_multiple_of(3)).then_some(',');
        before.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// At most three significant digits, without trailing zeros after the point.
#[must_use]
pub(crate) fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The largest unit of which there is at least one, after rounding.
fn unit_of(value: f64, units: &[Unit]) -> Unit {
    let fits = |(_, scale): &&Unit| 0.9995 <= value.abs() / scale;
    let smallest = units[0];
    if value == 0.0 {
        // Nothing at all is told in the unit that people think in.
        return units.iter().copied().find(|(_, scale)| (scale - 1.0).abs() < f64::EPSILON).unwrap_or(smallest);
    }
    units.iter().rev().find(fits).copied().unwrap_or(smallest)
}

/// The unit of the median, or the next where the upper end would need four digits.
fn unit_of_interval(interval: &Interval, units: &[Unit]) -> Unit {
    let unit = unit_of(interval.median, units);
    if interval.high / unit.1 < 999.5 { unit } else { unit_of(interval.high, units) }
}

fn in_unit(value: f64, (name, scale): Unit) -> String {
    format!("{} {name}", significant(value / scale))
}

fn range(interval: &Interval, scale: f64) -> String {
    if is_exact(interval) {
        return String::new();
    }
    format!(" ({}–{})", significant(interval.low / scale), significant(interval.high / scale))
}

/// An interval whose ends read the same as its middle is a plain number.
fn is_exact(interval: &Interval) -> bool {
    let width = interval.high - interval.low;
    width <= 1e-3 * interval.median.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn clock() -> Clock {
        // A Wednesday, 14:00 in Berlin.
        Clock { now: at("2026-11-25T13:00:00Z"), zone: TimeZone::get("Europe/Berlin").expect("bundled") }
    }

    #[test]
    fn quantities_carry_their_unit() {
        assert_eq!(
            [grams(0.0), grams(0.0004), grams(0.46), grams(43.21), grams(999.7), grams(1312.0), grams(2.4e6)],
            ["0 g", "0.4 mg", "460 mg", "43.2 g", "1 kg", "1.31 kg", "2.4 t"]
        );
        assert_eq!(
            [energy(0.0), energy(6.21), energy(0.043), energy(3e-6), energy(0.9997), energy(1500.0)],
            ["0 kWh", "6.21 kWh", "43 Wh", "10.8 J", "1 kWh", "1.5 MWh"]
        );
        assert_eq!([power(300.0), power(1250.0)], ["300 W", "1.25 kW"]);
        assert_eq!(
            [signed_percent(0.123), signed_percent(-0.0314), signed_percent(-0.000_001)],
            ["+12.3 %", "-3.14 %", "0 %"]
        );
    }

    #[test]
    fn counts_are_read_in_thousands() {
        assert_eq!([7, 999, 1016, 99_966, 1_000_000].map(count), ["7", "999", "1,016", "99,966", "1,000,000"]);
    }

    #[test]
    fn ranges_share_the_unit_of_their_middle() {
        let interval = Interval { median: 1800.0, low: 900.0, high: 2600.0 };
        assert_eq!(footprint(&interval), "1.8 kgCO2e (0.9–2.6)");
        let wide = Interval { median: 0.9, low: 0.525, high: 1.542 };
        assert_eq!(energy_interval(&wide), "0.9 kWh (0.53–1.54)");
        let exact = Interval { median: 1800.0, low: 1800.0, high: 1800.0 };
        assert_eq!(footprint(&exact), "1.8 kgCO2e");
        let time = Interval { median: 33_000.0, low: 25_200.0, high: 43_200.0 };
        assert_eq!(duration_interval(&time), "9 h 10 min (7 h–12 h)");
    }

    #[test]
    fn moments_are_as_short_as_they_can_be() {
        let clock = clock();
        for (text, expected) in [
            ("2026-11-25T21:30:00Z", "today 22:30"),
            ("2026-11-25T23:30:00Z", "tomorrow 00:30"),
            ("2026-11-24T21:30:00Z", "yesterday 22:30"),
            ("2026-11-27T17:00:00Z", "Fri 18:00"),
            ("2026-12-04T17:00:00Z", "Fri 4 Dec 18:00"),
            ("2026-11-20T17:00:00Z", "Fri 20 Nov 18:00"),
            ("2027-01-01T17:00:00Z", "Fri 1 Jan 2027 18:00"),
        ] {
            assert_eq!(moment(at(text), &clock), expected);
        }
        assert_eq!(span(at("2026-11-25T21:30:00Z"), at("2026-11-26T06:40:00Z"), &clock), "today 22:30 to 07:40");
        assert_eq!(span(at("2026-11-25T14:00:00Z"), at("2026-11-25T16:00:00Z"), &clock), "today 15:00 to 17:00");
        assert_eq!(
            span(at("2026-11-25T14:00:00Z"), at("2026-11-26T16:00:00Z"), &clock),
            "today 15:00 to tomorrow 17:00"
        );
        assert_eq!(relative(at("2026-11-25T12:48:00Z"), &clock), "12 min ago");
        assert_eq!(relative(at("2026-11-25T16:00:00Z"), &clock), "in 3 h");
    }
}
