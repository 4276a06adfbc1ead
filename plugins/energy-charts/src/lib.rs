//! European countries, from Energy-Charts: <https://api.energy-charts.info/>. CO2 equivalents of what a country generates.
//!
//! Traps: measured and forecast values come as parallel arrays that are read independently, and where they meet there is a
//! step that is the forecast's bias; either may be shorter or end in nulls; the step is 15 or 60 minutes, or both; a country
//! nobody knows is refused in plain text with 400, a bad parameter in JSON with 422; the limits are soon reached; the end of an
//! address is announced by a flag.

mod answer;
mod steps;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Level, Plugin, Query, Response, Series, Signal, config_or, each_zone, excerpt,
    host, is_success, read_json, refusal, send,
};

use answer::{Answer, Refusal};

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
        each_zone(&query, |zone| series_of(zone, &query))
    }
}

fn series_of(zone: &str, query: &Query) -> Result<Series, Error> {
    if zone.len() != 2 || !zone.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Error::InvalidRegion(format!("`{zone}` is no country code")));
    }
    // Unix seconds need no thought about the country's days of 23 and 25 hours.
    let (base, country) = (config_or("base-url", "https://api.energy-charts.info"), zone.to_ascii_lowercase());
    let (base, start, end) = (base.trim_end_matches('/'), query.start, query.end);
    let url = format!("{base}/co2eq?country={country}&start={start}&end={end}");
    let response = send(&url, &[])?;
    if !is_success(&response) {
        return Err(refused(zone, &url, &response));
    }
    let answer: Answer = read_json(&url, &response)?;
    if answer.deprecated == Some(true) {
        host::log(
            Level::Warn,
            "Energy-Charts announces the end of /co2eq: a newer lowtide may be needed within six months",
        );
    }
    Ok(Series {
        zone: zone.to_owned(),
        signal: Signal::Average,
        basis: Basis::Lifecycle,
        accounting: Accounting::Production,
        issued_at: None,
        points: answer.points()?,
    })
}

fn refused(zone: &str, url: &str, response: &Response) -> Error {
    let said = excerpt(&response.body);
    match response.status {
        400 if said.to_ascii_lowercase().contains("country") => {
            Error::InvalidRegion(format!("Energy-Charts has no `{zone}`: {said}"))
        }
        422 => match serde_json::from_slice::<Refusal>(&response.body).ok().and_then(Refusal::first) {
            Some((parameter, why)) if parameter == "country" => {
                Error::InvalidRegion(format!("Energy-Charts does not take `{zone}`: {why}"))
            }
            Some((parameter, why)) => {
                Error::Unavailable(format!("Energy-Charts does not take `{parameter}` (HTTP 422): {why}"))
            }
            None => refusal(url, response),
        },
        404 => Error::Unavailable("Energy-Charts has no address /co2eq any more (HTTP 404): use another plugin".into()),
        _ => refusal(url, response),
    }
}

lowtide_region_sdk::export_plugin!(EnergyCharts with_types_in lowtide_region_sdk);
