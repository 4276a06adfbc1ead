//! Carbon intensity as users see it: the answer of `forecast --json` and `plugin test --json`.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Signal};
use serde::{Deserialize, Serialize};

use super::job::kind_name;

/// `{"series": […]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesList {
    /// One for each zone.
    pub series: Vec<Series>,
}

/// The intensity of one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The zone.
    pub zone: String,
    /// `average` or `marginal`.
    pub signal: String,
    /// `direct` or `lifecycle`.
    pub basis: String,
    /// `production` or `consumption`.
    pub accounting: String,
    /// The plugin that told it.
    #[serde(default)]
    pub source: String,
    /// When it was issued.
    #[serde(default)]
    pub issued_at: Option<Timestamp>,
    /// Whether it is older than its refresh interval allows.
    #[serde(default)]
    pub stale: bool,
    /// What was done to the numbers as issued, for people: corrected by earlier errors, completed by earlier weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
    /// Text to show with the data.
    #[serde(default)]
    pub attribution: Option<String>,
    /// Why the provider was not asked or did not answer, for people.
    #[serde(default)]
    pub problem: Option<String>,
    /// The values, in order.
    pub points: Vec<Point>,
}

/// The mean intensity of one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
    /// The mean.
    pub intensity_g_per_kwh: f64,
    /// The 5 % quantile, where known.
    pub low: Option<f64>,
    /// The 95 % quantile, where known.
    pub high: Option<f64>,
    /// `measured`, `forecast`, `estimated` or `static`.
    pub kind: String,
}

impl Series {
    /// The forecast as users see it.
    #[must_use]
    pub fn of(forecast: &Forecast) -> Self {
        Self {
            zone: forecast.zone.to_string(),
            signal: signal_name(forecast.tags.signal).to_owned(),
            basis: basis_name(forecast.tags.basis).to_owned(),
            accounting: accounting_name(forecast.tags.accounting).to_owned(),
            source: forecast.source.clone(),
            issued_at: Some(forecast.issued_at),
            stale: false,
            calibration: None,
            attribution: forecast.attribution.clone(),
            problem: None,
            points: forecast
                .slots()
                .iter()
                .map(|slot| Point {
                    start: slot.window.start(),
                    end: slot.window.end(),
                    intensity_g_per_kwh: slot.intensity.get(),
                    low: slot.band.map(|band| band.low.get()),
                    high: slot.band.map(|band| band.high.get()),
                    kind: kind_name(slot.kind).to_owned(),
                })
                .collect(),
        }
    }
}

/// The name of a signal.
#[must_use]
pub const fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Average => "average",
        Signal::Marginal => "marginal",
    }
}

/// The name of a basis.
#[must_use]
pub const fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Direct => "direct",
        Basis::Lifecycle => "lifecycle",
    }
}

/// The name of an accounting.
#[must_use]
pub const fn accounting_name(accounting: Accounting) -> &'static str {
    match accounting {
        Accounting::Production => "production",
        Accounting::Consumption => "consumption",
    }
}
