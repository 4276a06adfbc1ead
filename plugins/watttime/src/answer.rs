//! The form of WattTime's answers: rows of a time and a value, and what they are in `meta`.

use lowtide_region_sdk::{Error, Kind, Point, Timestamp, parse_time, points};
use serde::Deserialize;

use crate::{Asked, FIVE_MINUTES};

/// The one unit that is an intensity. `percentile` is the other known one.
const UNITS: &str = "lbs_co2_per_mwh";
/// Grams in a pound, which is exactly 453.59237 (international yard and pound agreement, 1959), over kWh in a MWh.
const GRAMS_PER_KWH: f64 = 453.592_37 / 1000.0;
/// The host takes none shorter.
const SHORTEST: u32 = 60;

/// An answer.
#[derive(Deserialize)]
pub(crate) struct Told {
    data: Vec<Row>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Row {
    point_time: String,
    /// Has to be there, and may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<f64>,
    /// Whether it was filled in.
    #[serde(default, rename = "imputed_data_used")]
    imputed: Option<bool>,
}

#[derive(Deserialize)]
struct Meta {
    units: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    signal_type: Option<String>,
    #[serde(default)]
    data_point_period_seconds: Option<u32>,
    #[serde(default)]
    generated_at: Option<String>,
}

impl Told {
    /// Whether these are the numbers that were asked for.
    pub(crate) fn check(&self, asked: &Asked) -> Result<(), Error> {
        let Meta { units, region, signal_type, .. } = &self.meta;
        if units != UNITS {
            return Err(Error::Malformed(format!("values in `{units}`, which is no intensity; {UNITS} is")));
        }
        for (told, wanted) in [(region, asked.region.as_str()), (signal_type, asked.signal)] {
            if let Some(told) = told.as_deref().filter(|told| *told != wanted) {
                return Err(Error::Malformed(format!("values of `{told}`, asked for was `{wanted}`")));
            }
        }
        if self.step() < SHORTEST {
            return Err(Error::Malformed(format!("values of {} s each", self.step())));
        }
        Ok(())
    }

    /// When the forecast was made.
    pub(crate) fn issued_at(&self) -> Option<Timestamp> {
        self.meta.generated_at.as_deref().and_then(parse_time)
    }

    /// The values in grams a kilowatt-hour.
    pub(crate) fn points(&self, kind: Kind) -> Result<Vec<Point>, Error> {
        let value = |row: &Row| {
            let start = parse_time(&row.point_time);
            let start = start.ok_or_else(|| Error::Malformed(format!("a value of the time `{}`", row.point_time)))?;
            let kind = if row.imputed == Some(true) { Kind::Estimated } else { kind };
            Ok((start, row.value.map(|pounds| pounds * GRAMS_PER_KWH), kind))
        };
        Ok(points(self.data.iter().map(value).collect::<Result<Vec<_>, Error>>()?, self.step()))
    }

    /// Seconds of a value; WattTime's are five minutes where it does not say.
    fn step(&self) -> u32 {
        self.meta.data_point_period_seconds.unwrap_or(FIVE_MINUTES)
    }
}
