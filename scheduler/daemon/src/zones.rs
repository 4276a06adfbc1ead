//! Which zone a machine draws from, and which built-in plugin serves a zone, when nobody says.

use lowtide_model::identity::ZoneId;

/// IANA time zones of the countries a keyless plugin serves, and of some others: `name country`, after the table
/// `zone.tab` of the tz database (public domain).
const COUNTRY_OF_TIME_ZONE: &str = include_str!("time-zone-countries.txt");

/// Countries whose intensity and forecast Energy-Charts publishes, as ISO 3166-1 alpha-2.
const ENERGY_CHARTS: [&str; 33] = [
    "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "EE", "ES", "FI", "FR", "GE", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MD", "ME", "MK", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI",
];

/// The zone of a machine whose clock is set to this time zone; `WORLD` where nothing is known.
#[must_use]
pub fn zone_of_time_zone(time_zone: &str) -> ZoneId {
    let country = COUNTRY_OF_TIME_ZONE
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == time_zone)
        .map(|(_, country)| country);
    let zone = match country {
        // Denmark has two zones; most of its people and machines are in the eastern one's capital.
        Some("DK") => "DK2",
        Some(country) => country,
        None => "WORLD",
    };
    ZoneId::new(zone).expect("the table holds country codes")
}

/// The keyless built-in plugin that serves a zone best.
#[must_use]
pub fn plugin_for(zone: &ZoneId) -> &'static str {
    match zone.as_str() {
        "GB" => "gb-neso",
        regional if regional.starts_with("GB-") => "gb-neso",
        "DK1" | "DK2" => "energi-data-service",
        country if ENERGY_CHARTS.contains(&country) => "energy-charts",
        _ => "static-annual",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_finds_its_zone_and_its_plugin() {
        for (time_zone, zone, plugin) in [
            ("Europe/London", "GB", "gb-neso"),
            ("Europe/Copenhagen", "DK2", "energi-data-service"),
            ("Europe/Berlin", "DE", "energy-charts"),
            ("America/New_York", "US", "static-annual"),
            ("UTC", "WORLD", "static-annual"),
            ("Mars/Olympus", "WORLD", "static-annual"),
        ] {
            let found = zone_of_time_zone(time_zone);
            assert_eq!((found.as_str(), plugin_for(&found)), (zone, plugin), "{time_zone}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_a_zone() {
        for line in COUNTRY_OF_TIME_ZONE.lines() {
            let (_, country) = line.split_once(' ').expect("two words a line");
            assert!(ZoneId::new(country).is_ok_and(|zone| zone.as_str().len() == 2), "{line}");
        }
    }
}
