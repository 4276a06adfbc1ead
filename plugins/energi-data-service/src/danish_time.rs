//! Danish local time, in which the service reads `start` and `end`.

use lowtide_region_sdk::{Timestamp, civil_time, parse_time};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// 1970-01-01 was a Thursday; Sunday is day 0.
const WEEKDAY_OF_EPOCH: u64 = 4;

/// Writes a time as Danish clocks show it: an hour ahead of UTC, in summer two.
pub(crate) fn danish_time(at: Timestamp) -> String {
    let ahead = if is_summer(at) { 2 * HOUR } else { HOUR };
    civil_time(at.saturating_add(ahead))
}

/// From the last Sunday of March to that of October, each at 01:00 UTC (directive 2000/84/EC).
fn is_summer(at: Timestamp) -> bool {
    let text = civil_time(at);
    let year = text.split('-').next().unwrap_or_default();
    let changes = last_sunday(year, "03").zip(last_sunday(year, "10"));
    changes.is_some_and(|(forward, back)| forward + HOUR <= at && at < back + HOUR)
}

/// The last Sunday of a month of 31 days, at midnight.
fn last_sunday(year: &str, month: &str) -> Option<Timestamp> {
    let last = parse_time(&format!("{year}-{month}-31T00:00Z"))?;
    let weekday = (last / DAY + WEEKDAY_OF_EPOCH) % 7;
    Some(last - weekday * DAY)
}
