//! The day of two grids that the demo replays, for its own pictures: the daemon reads the same file through a plugin.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Our own hour-of-day statistic; its head says what of.
pub(super) const FILE: &str = include_str!("../../../../examples/config/grid-day.csv");
/// What the day is, in a line.
pub(super) const ORIGIN: &str =
    "hour-of-day means of July to September 2021, California and Germany, from CarbonCast (data of EIA and ENTSO-E)";

const HOURS: usize = 24;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Mean intensities in g/kWh by hour of the day (UTC), a row a zone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GridDay {
    zones: Vec<(String, [f64; HOURS])>,
}

impl GridDay {
    /// The day in the file.
    pub(super) fn built_in() -> Self {
        Self::parse(FILE).expect("the file is part of the program, and a test reads it")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let names = lines.next()?.split(',').skip(1);
        let mut zones: Vec<(String, [f64; HOURS])> = names.map(|name| (name.to_owned(), [0.0; HOURS])).collect();
        for hour in 0..HOURS {
            let mut cells = lines.next()?.split(',');
            if cells.next()?.parse() != Ok(hour) {
                return None;
            }
            for (_, intensities) in &mut zones {
                intensities[hour] = cells.next()?.parse().ok()?;
            }
        }
        Some(Self { zones })
    }

    fn intensities(&self, zone: &str) -> Option<&[f64; HOURS]> {
        self.zones.iter().find(|(name, _)| name == zone).map(|(_, intensities)| intensities)
    }

    /// The intensity of a zone at a moment.
    pub(super) fn at(&self, zone: &str, at: Timestamp) -> Option<f64> {
        self.intensities(zone).map(|intensities| intensities[hour_of(at)])
    }

    /// The coming 24 hours of a zone, a block an hour; all zones have the same scale, from the cleanest hour of all to
    /// the dirtiest.
    pub(super) fn tide(&self, zone: &str, from: Timestamp) -> Option<String> {
        let all = || self.zones.iter().flat_map(|(_, intensities)| intensities).copied();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let block = |intensity: f64| {
            // The share of the scale, in eighths; the bounds hold whatever rounding does.
            let eighths = (1..BLOCKS.len()).filter(|step| low + (high - low) * *step as f64 / 8.0 <= intensity).count();
            BLOCKS[eighths]
        };
        let intensities = self.intensities(zone)?;
        Some((0..HOURS).map(|ahead| block(intensities[(hour_of(from) + ahead) % HOURS])).collect())
    }
}

fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.to_zoned(TimeZone::UTC).hour()).unwrap_or(0) % HOURS
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::output::testing::at;

    #[test]
    fn a_zone_has_an_intensity_at_every_hour() {
        let day = GridDay::built_in();
        assert_eq!(day.at("US-CAL-CISO", at("2021-08-16T17:59:59Z")), Some(209.8));
        assert_eq!(day.at("DE", at("2030-01-01T00:00:00Z")), Some(373.1));
        assert_eq!(day.at("XX", at("2030-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_damaged_day_is_no_day() {
        for text in ["", "hour,A\n0,1\n", "hour,A\n1,1\n", &FILE.replace("318.4", "-"), &FILE.replace("\n7,", "\n8,")] {
            assert_eq!(GridDay::parse(text), None);
        }
    }

    #[test]
    fn the_tide_begins_with_the_present_hour() {
        let tide = GridDay::built_in().tide("US-CAL-CISO", at("2021-08-16T14:30:00Z")).expect("a zone of the day");
        assert_eq!(tide.chars().count(), 24);
        assert_eq!(tide, "▄▂▁▁▁▁▁▁▁▂▂▄▅▆▆▆▅▅▅▅▅▅▅▅");
    }

    /// The statistic is what its head says, where the data are at hand.
    #[test]
    fn the_day_is_the_mean_of_the_summer_of_2021() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/carbon/carboncast");
        if !data.is_dir() {
            let _ = writeln!(std::io::stderr(), "skipped: {} is not there", data.display());
            return;
        }
        let day = GridDay::built_in();
        for (zone, file) in [("US-CAL-CISO", "CISO_2020-2021.csv"), ("DE", "DE_2020-2021.csv")] {
            let text = std::fs::read_to_string(data.join(file)).expect("the data can be read");
            let mut sums = [(0.0, 0_u32); HOURS];
            for line in text.lines().skip(1).filter(|line| ("2021-07"..="2021-09").contains(&&line[..7])) {
                let cells: Vec<&str> = line.split(',').collect();
                let hour: usize = cells[0][11..13].parse().expect("an hour");
                let lifecycle: f64 = cells[1].parse().expect("an intensity");
                sums[hour].0 += lifecycle;
                sums[hour].1 += 1;
            }
            for (hour, (sum, days)) in sums.into_iter().enumerate() {
                assert_eq!(days, 92, "{zone}, hour {hour}");
                let listed = day.intensities(zone).expect("a zone of the day")[hour];
                let mean = sum / f64::from(days);
                assert!((listed - mean).abs() <= 0.05 + 1e-9, "{zone}, hour {hour}: {listed} is listed, {mean} is so");
            }
        }
    }
}
