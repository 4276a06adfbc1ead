//! `prices` of a zone in the configuration: the name of a file, or a tariff in full.
//!
//! What is wrong with a tariff is said while it is read, as for the file's own slips: so each error has line and column.

use std::fmt;
use std::path::{Path, PathBuf};

use lowtide_planner::tariff::{Band, Tariff};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Who tells the prices of a zone.
#[derive(Debug, Clone, PartialEq)]
pub enum PricesConfig {
    /// A file, as from a market.
    File(PathBuf),
    /// A contract with hours of its own.
    Tariff(Tariff),
}

/// The same as the file spells it, its path not yet beside that of the configuration.
pub(super) struct PricesFile(PricesConfig);

impl PricesFile {
    /// With its path counted from `directory`.
    pub(super) fn in_directory(self, directory: &Path) -> PricesConfig {
        match self.0 {
            PricesConfig::File(path) => PricesConfig::File(directory.join(path)),
            PricesConfig::Tariff(tariff) => PricesConfig::Tariff(tariff),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TariffFile {
    currency: Option<String>,
    per_kwh: Option<f64>,
    zone: Option<String>,
    #[serde(default)]
    bands: Vec<CheckedBand>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandFile {
    per_kwh: Option<f64>,
    cron: Option<String>,
    duration: Option<String>,
}

/// A band that was checked while it was read, so that what is wrong with it is told with its place.
struct CheckedBand(Band);

/// A band, or what it lacks.
fn band_of(BandFile { per_kwh, cron, duration }: BandFile) -> Result<Band, String> {
    let per_kwh = per_kwh.ok_or("a band needs its price: add `per_kwh = 0.12`")?;
    let (Some(cron), Some(duration)) = (cron, duration) else {
        return Err(
            "a band needs `cron` and `duration`, such as `cron = \"30 0 * * *\", duration = \"5h\"`; what all other \
                    hours cost is `per_kwh` of the tariff itself"
                .to_owned(),
        );
    };
    Band::new(per_kwh, &cron, &duration).map_err(|error| error.to_string())
}

/// A tariff, or what it lacks.
fn tariff_of(TariffFile { currency, per_kwh, zone, bands }: TariffFile) -> Result<Tariff, String> {
    let currency = currency.ok_or("a tariff needs its currency: add `currency = \"EUR\"`")?;
    let per_kwh = per_kwh.ok_or("a tariff needs the price of the hours that no band covers: add `per_kwh = 0.30`")?;
    let bands = bands.into_iter().map(|CheckedBand(band)| band).collect();
    Tariff::new(&currency, per_kwh, zone.as_deref().unwrap_or("local"), bands).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for PricesFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // By hand, for an untagged enum would forget the places and say only that neither form fits.
        from.deserialize_any(Either).map(Self)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = PricesConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the name of a file of prices, or a tariff such as `{ currency = \"EUR\", per_kwh = 0.30, bands = [] }`",
        )
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<PricesConfig, E> {
        Ok(PricesConfig::File(path.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PricesConfig, A::Error> {
        let file = TariffFile::deserialize(MapAccessDeserializer::new(map))?;
        tariff_of(file).map(PricesConfig::Tariff).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for CheckedBand {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OneBand).map(Self)
    }
}

struct OneBand;

impl<'de> Visitor<'de> for OneBand {
    type Value = Band;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a band such as `{ per_kwh = 0.12, cron = \"30 0 * * *\", duration = \"5h\" }`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Band, A::Error> {
        let file = BandFile::deserialize(MapAccessDeserializer::new(map))?;
        band_of(file).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;
    use super::*;

    fn parse(text: &str) -> Result<PricesConfig, String> {
        let parsed = Configuration::parse(&format!("[zones.GB]\n{text}"), Path::new("/etc/lowtide"));
        let mut configuration = parsed.map_err(|error| error.to_string())?;
        let (_, zone) = configuration.zones.pop_first().expect("configured");
        Ok(zone.prices.expect("they are"))
    }

    #[test]
    fn prices_are_a_file_or_a_tariff_in_one_line_or_in_tables() {
        assert_eq!(parse("prices = 'day.csv'"), Ok(PricesConfig::File("/etc/lowtide/day.csv".into())));
        let band = Band::new(0.12, "30 0 * * *", "5h").expect("a band");
        let tariff = Tariff::new("GBP", 0.30, "Europe/London", vec![band]).expect("a tariff");
        let line = "prices = { currency = 'GBP', per_kwh = 0.30, zone = 'Europe/London', bands = [\n\
                    { per_kwh = 0.12, cron = '30 0 * * *', duration = '5h' },\n] }";
        let tables = "[zones.GB.prices]\ncurrency = 'gbp'\nper_kwh = 0.30\nzone = 'Europe/London'\n\
                      [[zones.GB.prices.bands]]\nper_kwh = 0.12\ncron = '30 0 * * *'\nduration = '5h'\n";
        assert_eq!(parse(line), Ok(PricesConfig::Tariff(tariff.clone())));
        assert_eq!(parse(tables), Ok(PricesConfig::Tariff(tariff)));
        let flat = Tariff::new("EUR", 1.0, "local", vec![]).expect("a tariff");
        assert_eq!(parse("prices = { currency = 'EUR', per_kwh = 1 }"), Ok(PricesConfig::Tariff(flat)));
    }

    #[test]
    fn the_handbooks_tariff_can_be_used() {
        let handbook = include_str!("../../../../policies/README.md");
        let example = handbook.split("```").find_map(|block| block.strip_prefix("text\n[zones.GB.prices]"));
        let tariff = parse(&format!("[zones.GB.prices]{}", example.expect("it has one")));
        assert!(matches!(tariff, Ok(PricesConfig::Tariff(_))), "{tariff:?}");
    }

    #[test]
    fn what_is_no_tariff_says_where_and_what_to_do() {
        let band = |band: &str| format!("prices = {{ currency = 'EUR', per_kwh = 0.3, bands = [\n{{ {band} }},\n] }}");
        let good = "per_kwh = 1, cron = '0 9 * * *', duration = '1h'";
        for (text, place, says) in [
            ("prices = 5".to_owned(), "line 2, column 10", "the name of a file of prices, or a tariff such as"),
            ("prices = { currency = 'EUR', bands = [] }".to_owned(), "line 2, column 10", "`per_kwh = 0.30`"),
            ("prices = { per_kwh = 0.3 }".to_owned(), "line 2, column 10", "`currency = \"EUR\"`"),
            (
                "prices = { currency = 'Euro', per_kwh = 0.3 }".to_owned(),
                "line 2, column 10",
                "`Euro` is not a currency",
            ),
            (
                "prices = { currency = 'EUR', per_kwh = 1, zone = 'Europe/Lodon' }".to_owned(),
                "line 2, column 10",
                "did you mean `Europe/London`?",
            ),
            ("prices = { currency = 'EUR', per_kwh = 1, band = [] }".to_owned(), "line 2, column 43", "`bands`"),
            (band("per_kwh = 0.1"), "line 3, column 1", "`per_kwh` of the tariff itself"),
            (band("cron = '0 9 * * *', duration = '1h'"), "line 3, column 1", "a band needs its price"),
            (band(&good.replace('9', "99")), "line 3, column 1", "`0 99 * * *` is not a cron expression"),
            (band(&good.replace("1h", "1 hr 5x")), "line 3, column 1", "expected a duration"),
            (band(&good.replace("per_kwh = 1", "per_kwh = nan")), "line 3, column 1", "`per_kwh` is NaN"),
            (band(&good.replace("per_kwh = 1", "per_kwh = '1'")), "line 3, column 13", "expected f64"),
        ] {
            let error = parse(&text).expect_err(&text);
            assert!(error.contains(place) && error.contains(says), "{text}: {error}");
        }
    }
}
