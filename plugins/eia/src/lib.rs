//! Balancing authorities of the United States, from the EIA's hourly grid monitor:
//! <https://www.eia.gov/opendata/browser/electricity/rto/fuel-type-data>. What the plants of an area generate, by fuel, and an
//! emission factor for each fuel: production, life-cycle or direct. Measured only; there is no forecast of the mix.
//!
//! Traps: `period` is the END of the hour; values are text (they were numbers up to version 2.1.5) or null; the newest hours
//! arrive fuel by fuel over a day; an answer cut at 5000 rows is a success with a `warning`; an authority nobody knows is a
//! success without rows. Known double counts (Palo Verde, V.C. Summer, geothermal of IID) are the EIA's own and stay.

mod answer;
mod authorities;

use std::collections::BTreeMap;

use lowtide_region_sdk::mix::{Fuel, Mix, Source};
use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Level, Plugin, Point, Query, Series, Signal, Timestamp, basis_or, civil_time,
    config_or, fetch_json, host, is_asked,
};

use answer::{Answer, Generation, Rows};

const HOUR: u32 = 3600;
const HOUR_SECONDS: u64 = 3600;
/// So much more of the past is asked for: which fuels an area has shows only over a day.
const LOOK_BACK: u64 = 24 * HOUR_SECONDS;
/// The first hour of generation by fuel, 2018-07-01.
const FIRST: Timestamp = 1_530_403_200;
/// The most rows the service gives at once.
const PAGE: usize = 5000;
/// The fetches the host allows a call.
const PAGES: usize = 8;
/// The points the host allows a zone.
const MOST_POINTS: usize = 2016;

struct Eia;

impl Plugin for Eia {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: authorities::zones(),
            signals: vec![Signal::Average],
            resolution: HOUR,
            horizon: 0,
            refresh_interval: 30 * 60,
            attribution: Some("U.S. Energy Information Administration, Hourly Electric Grid Monitor".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let basis = basis_or("basis", Basis::Lifecycle)?;
        let mut codes: BTreeMap<&str, &str> = BTreeMap::new();
        for zone in &query.zones {
            let code = authorities::respondent(zone)
                .ok_or_else(|| Error::InvalidRegion(format!("`{zone}` is no balancing authority of the EIA")))?;
            codes.insert(zone, code);
        }
        let now = host::now();
        if now <= query.start || query.end <= FIRST {
            return Err(Error::OutOfRange);
        }
        let rows = ask(&codes, &query, now)?;
        let mut points = points_of(rows, &query, basis)?;
        if points.is_empty() {
            let zones: Vec<&str> = codes.keys().copied().collect();
            return Err(Error::InvalidRegion(format!("the EIA has no generation by fuel of {}", zones.join(", "))));
        }
        points.retain(|_, points| !points.is_empty());
        if points.is_empty() {
            return Err(Error::OutOfRange);
        }
        let series = query.zones.iter().filter_map(|zone| {
            let Some(points) = codes.get(zone.as_str()).and_then(|code| points.get(*code)) else {
                host::log(Level::Warn, &format!("the EIA told nothing of {zone}"));
                return None;
            };
            Some(Series {
                zone: zone.clone(),
                signal: Signal::Average,
                basis,
                accounting: Accounting::Production,
                issued_at: None,
                points: points.clone(),
            })
        });
        Ok(series.collect())
    }
}

/// All rows of the authorities, newest first, page after page within what the host allows.
fn ask(codes: &BTreeMap<&str, &str>, query: &Query, now: Timestamp) -> Result<Rows, Error> {
    let base = config_or("base-url", "https://api.eia.gov");
    let start = (query.start / HOUR_SECONDS * HOUR_SECONDS).saturating_sub(LOOK_BACK);
    let end = query.end.min(now).div_ceil(HOUR_SECONDS) * HOUR_SECONDS;
    let mut asked: Vec<&str> = codes.values().copied().collect();
    asked.sort_unstable();
    asked.dedup();
    // `facets[respondent][]`
    let facets = asked.join("&facets%5Brespondent%5D%5B%5D=");
    let mut rows = Rows::default();
    for page in 0.. {
        if page == PAGES {
            host::log(Level::Warn, &format!("more than {PAGES} pages of rows: the oldest hours are left out"));
            rows.drop_oldest();
            break;
        }
        let url = format!(
            "{}/v2/electricity/rto/fuel-type-data/data/?frequency=hourly&data%5B0%5D=value&facets%5Brespondent%5D%5B%5D={facets}&start={}&end={}\
             &sort%5B0%5D%5Bcolumn%5D=period&sort%5B0%5D%5Bdirection%5D=desc&offset={}&length={PAGE}",
            base.trim_end_matches('/'),
            hour(start),
            hour(end),
            rows.received
        );
        if !rows.take(fetch_json::<Answer>(&url, &[])?, PAGE)? {
            break;
        }
    }
    Ok(rows)
}

/// The points of each authority there are rows of.
fn points_of(rows: Rows, query: &Query, basis: Basis) -> Result<BTreeMap<String, Vec<Point>>, Error> {
    let mut mixes: BTreeMap<String, Mix> = BTreeMap::new();
    for Generation { respondent, end, fuel, amount } in rows.into_amounts()? {
        let mix = mixes.entry(respondent).or_default();
        mix.add(end.saturating_sub(HOUR_SECONDS), &fuel, source(&fuel), amount, basis);
    }
    let points = |(respondent, mix): (String, Mix)| {
        let mut points = mix.points(&respondent, HOUR);
        points.retain(|point| is_asked(query, point.start, HOUR));
        let too_many = points.len().saturating_sub(MOST_POINTS);
        points.drain(..too_many);
        (respondent, points)
    };
    Ok(mixes.into_iter().map(points).collect())
}

/// Codes of Form EIA-930. `COAL` and `WIND` are older writings.
fn source(code: &str) -> Source {
    match code {
        "COL" | "COAL" => Source::Plant(Fuel::Coal),
        "NG" => Source::Plant(Fuel::Gas),
        "NUC" => Source::Plant(Fuel::Nuclear),
        "OIL" => Source::Plant(Fuel::Oil),
        "WAT" => Source::Plant(Fuel::Hydro),
        // A solar or wind farm with a battery of its own gives what the sun or the wind gave.
        "SUN" | "SNB" => Source::Plant(Fuel::Solar),
        "WND" | "WNB" | "WIND" => Source::Plant(Fuel::Wind),
        "GEO" => Source::Plant(Fuel::Geothermal),
        "OTH" | "UNK" => Source::Plant(Fuel::Unknown),
        "BAT" | "PS" | "OES" | "UES" => Source::Storage,
        _ => Source::Uncoded,
    }
}

/// `YYYY-MM-DDThh`: minutes would be refused.
fn hour(at: Timestamp) -> String {
    let mut text = civil_time(at);
    text.truncate("YYYY-MM-DDThh".len());
    text
}

lowtide_region_sdk::export_plugin!(Eia with_types_in lowtide_region_sdk);
