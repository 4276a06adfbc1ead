//! CarbonScaler on a measured scaling profile: savings over a year of weekly starts in three zones, and the mean finish, to the
//! digits of the authors' Python reference. The finish is the end of the last slot used, whether it is used to its end or not.

mod reference;

use std::path::Path;

use lowtide_planner::baseline::scaler::{Profile, scaled};
use reference::{data, number, rows, zone_2023};

/// Zone, length, deadline, saving of Wait Awhile and of CarbonScaler in percent, and its mean finish in hours.
const EXPECTED: [(&str, usize, usize, f64, f64, f64); 15] = [
    ("US-CAL-CISO", 24, 24, 0.0, 27.91, 23.7),
    ("US-CAL-CISO", 24, 36, 4.32, 28.10, 24.1),
    ("US-CAL-CISO", 24, 48, 16.86, 30.40, 40.3),
    ("US-CAL-CISO", 24, 72, 24.34, 32.54, 55.8),
    ("DE-LU", 24, 24, 0.0, 21.20, 16.2),
    ("DE-LU", 24, 36, 8.80, 23.82, 25.8),
    ("DE-LU", 24, 48, 13.37, 26.39, 28.8),
    ("DE-LU", 24, 72, 18.54, 28.94, 40.3),
    ("CA-ON", 24, 24, 0.0, 40.80, 13.7),
    ("CA-ON", 24, 36, 19.14, 49.05, 25.9),
    ("CA-ON", 24, 48, 21.62, 49.63, 26.3),
    ("CA-ON", 24, 72, 31.38, 53.79, 37.2),
    ("US-CAL-CISO", 12, 24, 30.60, 40.99, 22.9),
    ("DE-LU", 12, 24, 11.74, 21.03, 14.6),
    ("CA-ON", 12, 24, 18.31, 36.47, 12.0),
];

const STARTS: usize = 52;
const WEEK: usize = 168;

fn profile(data: &Path) -> Profile {
    let rows = rows(&data.join("profiles/nbody100k.csv"));
    let column = |at: usize| rows.iter().map(|row| number(&row[at])).collect();
    Profile::new(column(1), column(2)).expect("a profile that grows")
}

#[test]
fn savings_and_finishes_are_the_references() {
    let Some(data) = data() else { return };
    let elastic = profile(&data);
    let mut wrong = Vec::new();
    for (zone, length, deadline, expected_wait, expected_scaled, expected_finish) in EXPECTED {
        let series = zone_2023(&data, zone, 0, usize::MAX);
        let (mut at_once, mut waited, mut scaled_g, mut finishes) = (0.0, 0.0, 0.0, 0.0);
        for start in (0..STARTS).map(|week| week * WEEK) {
            let window = &series.values()[start..start + deadline];
            at_once += window[..length].iter().sum::<f64>();
            let emitted = |profile: &Profile| {
                let chosen = scaled(window, profile, length as f64);
                let grams: f64 =
                    chosen.iter().map(|slot| window[slot.slot] * profile.relative_power(slot.nodes) * slot.share).sum();
                (grams, chosen.last().map_or(0.0, |last| last.slot as f64 + 1.0))
            };
            waited += emitted(&Profile::rigid()).0;
            let (grams, finish) = emitted(&elastic);
            scaled_g += grams;
            finishes += finish / STARTS as f64;
        }
        let percent = |grams: f64| 100.0 * (1.0 - grams / at_once);
        for (what, actual, expected, digits) in [
            ("Wait Awhile", percent(waited), expected_wait, 0.0051),
            ("CarbonScaler", percent(scaled_g), expected_scaled, 0.0051),
            ("finish", finishes, expected_finish, 0.051),
        ] {
            if digits < (actual - expected).abs() {
                wrong.push(format!("{zone} {length} in {deadline}: {what} {actual} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
