//! European countries, from Energy-Charts: <https://api.energy-charts.info/>. CO2 equivalents of what a country generates.
//! Measured and forecast values come as parallel arrays that are read independently: where both have a value the measured
//! one wins, where neither has there is none. The step is 15 or 60 minutes and is read off the data.

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Query, Series, Signal, config_or, excerpt, fetch, host, points,
};
use serde::Deserialize;

struct EnergyCharts;

impl Plugin for EnergyCharts {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: [
                "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "EE", "ES", "FI", "FR", "GE", "GR", "HR", "HU",
                "IE", "IT", "LT", "LU", "LV", "MD", "ME", "MK", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI",
            ]
            .map(String::from)
            .to_vec(),
            signals: vec![Signal::Average],
            resolution: 900,
            horizon: 29 * 3600,
            refresh_interval: 15 * 60,
            attribution: Some("Fraunhofer ISE, Energy-Charts, CC BY 4.0".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let mut series = Vec::new();
        let mut failed = None;
        for zone in &query.zones {
            match series_of(zone, &query) {
                Ok(told) => series.push(told),
                // One country without data does not silence the others.
                Err(error) => {
                    host::log(Level::Warn, &format!("nothing of {zone}: {error:?}"));
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if series.is_empty() => Err(error),
            _ => Ok(series),
        }
    }
}

fn series_of(zone: &str, query: &Query) -> Result<Series, Error> {
    if zone.len() != 2 || !zone.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Error::InvalidRegion(format!("`{zone}` is no country code")));
    }
    let base = config_or("base-url", "https://api.energy-charts.info");
    let url = format!(
        "{}/co2eq?country={}&start={}&end={}",
        base.trim_end_matches('/'),
        zone.to_ascii_lowercase(),
        query.start,
        query.end
    );
    let response = match fetch(&url, &[]) {
        // An unknown country is told by plain text under this status.
        Err(Error::Unavailable(why)) if why.contains("HTTP 400") || why.contains("HTTP 404") => {
            return Err(Error::InvalidRegion(why));
        }
        other => other?,
    };
    let answer: Answer = serde_json::from_slice(&response.body)
        .map_err(|error| Error::Malformed(format!("{error} in: {}", excerpt(&response.body))))?;
    if answer.deprecated {
        host::log(Level::Warn, "the service says that this address will be given up");
    }
    let step = step_of(&answer.unix_seconds)?;
    let values = answer.unix_seconds.iter().enumerate().map(|(index, start)| {
        let measured = answer.co2eq.get(index).copied().flatten();
        let forecast = answer.co2eq_forecast.get(index).copied().flatten();
        match measured {
            Some(value) => (*start, Some(value), Kind::Measured),
            None => (*start, forecast, Kind::Forecast),
        }
    });
    Ok(Series {
        zone: zone.to_owned(),
        signal: Signal::Average,
        basis: Basis::Lifecycle,
        accounting: Accounting::Production,
        issued_at: None,
        points: points(values, step),
    })
}

/// The commonest distance between two times: a clock change or a gap makes single ones longer.
fn step_of(times: &[u64]) -> Result<u32, Error> {
    let mut steps: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    steps.sort_unstable();
    let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
    match u32::try_from(median) {
        Ok(step @ 60..=86_400) => Ok(step),
        _ => Err(Error::Malformed(format!("{} times with a step of {median} s", times.len()))),
    }
}

#[derive(Deserialize)]
struct Answer {
    unix_seconds: Vec<u64>,
    #[serde(default)]
    co2eq: Vec<Option<f64>>,
    #[serde(default)]
    co2eq_forecast: Vec<Option<f64>>,
    #[serde(default)]
    deprecated: bool,
}

lowtide_region_sdk::export_plugin!(EnergyCharts with_types_in lowtide_region_sdk);
