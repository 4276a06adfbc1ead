//! The forms of the service's answers: three parallel arrays, or what was wrong with the request.

use std::collections::BTreeMap;

use lowtide_region_sdk::{Error, Kind, Point, Timestamp, point};
use serde::Deserialize;

use crate::steps::steps_of;

/// Times and values. The values are as many as the times, or fewer.
#[derive(Deserialize)]
pub(crate) struct Answer {
    unix_seconds: Vec<Timestamp>,
    #[serde(default)]
    co2eq: Option<Vec<Option<f64>>>,
    #[serde(default)]
    co2eq_forecast: Option<Vec<Option<f64>>>,
    #[serde(default)]
    pub(crate) deprecated: Option<bool>,
}

/// What is known of one time.
#[derive(Default, Clone, Copy)]
struct Known {
    measured: Option<f64>,
    forecast: Option<f64>,
}

impl Answer {
    /// Where there is a measured value it wins, where there is neither there is no point.
    pub(crate) fn points(&self) -> Result<Vec<Point>, Error> {
        let value = |values: &Option<Vec<Option<f64>>>, index: usize| values.as_ref()?.get(index).copied().flatten();
        // By time, whatever the order, and each time once.
        let mut times: BTreeMap<Timestamp, Known> = BTreeMap::new();
        for (index, start) in self.unix_seconds.iter().enumerate() {
            let known = times.entry(*start).or_default();
            known.measured = known.measured.or_else(|| value(&self.co2eq, index));
            known.forecast = known.forecast.or_else(|| value(&self.co2eq_forecast, index));
        }
        let starts: Vec<Timestamp> = times.keys().copied().collect();
        let steps = steps_of(&starts)?;
        let points = times.iter().zip(steps).filter_map(|((start, known), step)| match known.measured {
            Some(measured) => point(*start, step, Some(measured), Kind::Measured),
            None => point(*start, step, known.forecast, Kind::Forecast),
        });
        Ok(points.collect())
    }
}

/// What was wrong with the parameters.
#[derive(Deserialize)]
pub(crate) struct Refusal {
    detail: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    /// `query` and the parameter.
    loc: Vec<serde_json::Value>,
    msg: String,
}

impl Refusal {
    /// The first parameter and what is wrong with it.
    pub(crate) fn first(self) -> Option<(String, String)> {
        let Detail { loc, msg } = self.detail.into_iter().next()?;
        Some((loc.last()?.as_str()?.to_owned(), msg))
    }
}
