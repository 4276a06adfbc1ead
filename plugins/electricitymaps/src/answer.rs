//! The forms of the service's answers, and whether an answer is one to what was asked.

use lowtide_region_sdk::{Basis, Error, Kind, Timestamp, parse_time};
use serde::Deserialize;

/// The past day.
#[derive(Deserialize)]
pub(crate) struct History {
    #[serde(default)]
    zone: Option<String>,
    pub(crate) history: Vec<Hour>,
}

/// The coming hours.
#[derive(Deserialize, Default)]
pub(crate) struct Forecast {
    #[serde(default)]
    zone: Option<String>,
    #[serde(rename = "forecast")]
    pub(crate) hours: Vec<Hour>,
    #[serde(rename = "updatedAt", default)]
    pub(crate) updated_at: Option<String>,
}

/// One hour, which begins at `datetime`.
#[derive(Deserialize)]
pub(crate) struct Hour {
    #[serde(default)]
    zone: Option<String>,
    /// Has to be there, and may be null.
    #[serde(rename = "carbonIntensity", deserialize_with = "Option::deserialize")]
    intensity: Option<f64>,
    datetime: String,
    #[serde(rename = "isEstimated", default)]
    estimated: Option<bool>,
    #[serde(rename = "emissionFactorType", default)]
    factors: Option<String>,
}

impl History {
    pub(crate) fn check(&self, zone: &str, basis: Basis) -> Result<(), Error> {
        check_zone(self.zone.as_deref(), zone)?;
        self.history.iter().try_for_each(|hour| hour.check(zone, basis))
    }
}

impl Forecast {
    pub(crate) fn check(&self, zone: &str) -> Result<(), Error> {
        check_zone(self.zone.as_deref(), zone)
    }
}

impl Hour {
    pub(crate) fn check(&self, zone: &str, basis: Basis) -> Result<(), Error> {
        check_zone(self.zone.as_deref(), zone)?;
        let asked = if basis == Basis::Direct { "direct" } else { "lifecycle" };
        match self.factors.as_deref() {
            Some(told) if told != asked => {
                Err(Error::Malformed(format!("it tells {told} emissions, {asked} ones were asked for")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn value(&self) -> Result<(Timestamp, Option<f64>, Kind), Error> {
        let start = parse_time(&self.datetime);
        let start = start.ok_or_else(|| Error::Malformed(format!("an hour of the time `{}`", self.datetime)))?;
        let kind = if self.estimated == Some(true) { Kind::Estimated } else { Kind::Measured };
        Ok((start, self.intensity, kind))
    }
}

/// The service answers for the caller's place where it does not know the zone.
fn check_zone(told: Option<&str>, asked: &str) -> Result<(), Error> {
    match told {
        Some(told) if told != asked => Err(Error::Malformed(format!("it tells of `{told}`, not of `{asked}`"))),
        _ => Ok(()),
    }
}
