//! Quantities as people read them: three significant digits, units always. Times are given in UTC with the weekday; the
//! CLI, which knows the reader's zone, formats the data itself.

use std::num::NonZeroU32;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lowtide_model::capping::PowerCap;
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};

/// ` with 4 workers`, ` at 200 W a GPU`, or both; nothing for a job without a choice.
#[must_use]
pub fn point(point: OperatingPoint) -> String {
    let workers = |count: NonZeroU32| format!(" with {count} worker{}", if count.get() == 1 { "" } else { "s" });
    let cap = |cap: PowerCap| format!(" at {cap} a GPU");
    point.workers.map(workers).unwrap_or_default() + &point.power_cap.map(cap).unwrap_or_default()
}

/// `430 g`, `1.31 kg`, `2.4 t`.
#[must_use]
pub fn grams(grams: GramsCo2e) -> String {
    let value = grams.get();
    if value < 999.5 {
        format!("{} g", significant(value))
    } else if value < 999_500.0 {
        format!("{} kg", significant(value / 1e3))
    } else {
        format!("{} t", significant(value / 1e6))
    }
}

/// An energy in the unit that suits its size: `2.3 kWh`, `410 Wh`, `17.7 J`.
#[must_use]
pub fn energy(energy: Joules) -> String {
    match energy.kwh() {
        kwh if 1.0 <= kwh => format!("{} kWh", significant(kwh)),
        kwh if 1e-3 <= kwh => format!("{} Wh", significant(kwh * 1e3)),
        _ => format!("{} J", significant(energy.get())),
    }
}

/// `+1.3 kg` or `-200 g` against `reference`.
#[must_use]
pub fn difference(value: GramsCo2e, reference: GramsCo2e) -> String {
    if value < reference {
        format!("-{}", grams(reference.minus(value)))
    } else {
        format!("+{}", grams(value.minus(reference)))
    }
}

/// `45 s`, `40 min`, `9 h 10 min`, `3 d 4 h`.
#[must_use]
pub fn duration(time: Seconds) -> String {
    let minutes = (time.get() / 60.0).round();
    if time.get() < 59.5 {
        format!("{:.0} s", time.get())
    } else if minutes < 60.0 {
        format!("{minutes:.0} min")
    } else if minutes < 48.0 * 60.0 {
        two_parts((minutes / 60.0).floor(), "h", minutes % 60.0, "min")
    } else {
        let hours = (minutes / 60.0).round();
        two_parts((hours / 24.0).floor(), "d", hours % 24.0, "h")
    }
}

fn two_parts(large: f64, large_unit: &str, small: f64, small_unit: &str) -> String {
    if small < 1.0 {
        format!("{large:.0} {large_unit}")
    } else {
        format!("{large:.0} {large_unit} {small:.0} {small_unit}")
    }
}

/// `Tue 3 Mar 02:00 UTC`.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a %-d %b %H:%M UTC").to_string()
}

/// `12 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{} %", significant(share * 100.0))
}

/// At most three significant digits, without trailing zeros after the point.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hour;

    #[test]
    fn quantities_have_three_digits_and_a_unit() {
        let g = |value: f64| grams(GramsCo2e::saturating(value));
        assert_eq!(
            [g(0.0), g(0.456), g(43.21), g(430.0), g(999.7), g(1312.0), g(18_449.0), g(2.4e6)],
            ["0 g", "0.46 g", "43.2 g", "430 g", "1 kg", "1.31 kg", "18.4 kg", "2.4 t"]
        );
        let d = |hours: f64| duration(Seconds::from_hours(hours));
        assert_eq!([d(0.005), d(0.5), d(9.1667), d(9.0), d(76.0)], ["18 s", "30 min", "9 h 10 min", "9 h", "3 d 4 h"]);
        assert_eq!(difference(GramsCo2e::saturating(3100.0), GramsCo2e::saturating(1800.0)), "+1.3 kg");
        assert_eq!(moment(hour(26.0)), "Tue 3 Mar 02:00 UTC");
    }
}
