//! Denmark, from Energi Data Service: <https://www.energidataservice.dk/guides/api-guides>. Direct CO2 of what is consumed.
//!
//! Traps: one request a data set and minute is allowed, so both areas come in one; what is foretold is a data set of its
//! own; 100 rows are told where no limit is given; `start` and `end` are Danish local time, so an hour more is asked for at
//! each end, for the hour that a clock change shows twice, and the UTC column decides; rows come in any order, twice, or
//! without a value.

mod danish_time;

use std::collections::BTreeMap;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Query, Series, Signal, Timestamp, config_or, fetch_json, host,
    is_asked, parse_time, points,
};
use serde::Deserialize;

use danish_time::danish_time;

const FIVE_MINUTES: u32 = 300;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// The host takes no more points of a zone than a week has.
const LONGEST: u64 = 7 * DAY;
/// Beyond this nothing is foretold: nine hours are promised.
const HORIZON: u64 = 2 * DAY;
/// The default is 100 rows; a week of both areas has 4032, and the hours around it 48.
const MOST_ROWS: usize = 5000;
const AREAS: [&str; 2] = ["DK1", "DK2"];

struct Energinet;

impl Plugin for Energinet {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: AREAS.map(String::from).to_vec(),
            signals: vec![Signal::Average],
            resolution: FIVE_MINUTES,
            horizon: 9 * 3600,
            refresh_interval: 15 * 60,
            attribution: Some("Energinet, Energi Data Service".into()),
        })
    }

    fn series(mut query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let (zones, unknown): (Vec<String>, Vec<String>) =
            query.zones.into_iter().partition(|zone| AREAS.contains(&zone.as_str()));
        if let Some(zone) = unknown.first() {
            let what = format!("`{zone}` is neither DK1 nor DK2");
            if zones.is_empty() {
                return Err(Error::InvalidRegion(what));
            }
            host::log(Level::Warn, &what);
        }
        query.zones = zones;
        let now = host::now();
        // To the hour, so that the same question has the same address for an hour.
        query.end = query.end.min(now / HOUR * HOUR + HORIZON).max(query.start);
        query.start = query.start.max(query.end.saturating_sub(LONGEST));
        let series = told(&query, rows(&query, now)?)?;
        if series.is_empty() { Err(Error::OutOfRange) } else { Ok(series) }
    }
}

/// The rows of both data sets, each asked for once: measured ones first.
fn rows(query: &Query, now: Timestamp) -> Result<Vec<(Row, Kind)>, Error> {
    let ahead = if now < query.end { ask("CO2EmisProg", query)? } else { Vec::new() };
    let measured = match (query.start < now).then(|| ask("CO2Emis", query)) {
        // The past only settles accounts; the coming hours matter more.
        Some(Err(error)) if now < query.end => {
            host::log(Level::Warn, &format!("no measured values: {error:?}"));
            Vec::new()
        }
        measured => measured.transpose()?.unwrap_or_default(),
    };
    let kind_of = |rows: Vec<Row>, kind: Kind| rows.into_iter().map(move |row| (row, kind));
    Ok(kind_of(measured, Kind::Measured).chain(kind_of(ahead, Kind::Forecast)).collect())
}

fn told(query: &Query, rows: Vec<(Row, Kind)>) -> Result<Vec<Series>, Error> {
    let mut areas: BTreeMap<String, Vec<(Timestamp, Option<f64>, Kind)>> = BTreeMap::new();
    for (row, kind) in rows {
        let start = parse_time(&row.utc).ok_or_else(|| Error::Malformed(format!("a row of the time `{}`", row.utc)))?;
        if is_asked(query, start, FIVE_MINUTES) {
            areas.entry(row.area).or_default().push((start, row.value, kind));
        }
    }
    let series = query.zones.iter().filter_map(|zone| {
        // Measured rows come first, and the first of two of the same time is kept.
        let points = points(areas.remove(zone)?, FIVE_MINUTES);
        (!points.is_empty()).then(|| Series {
            zone: zone.clone(),
            signal: Signal::Average,
            basis: Basis::Direct,
            accounting: Accounting::Consumption,
            issued_at: None,
            points,
        })
    });
    Ok(series.collect())
}

fn ask(data_set: &str, query: &Query) -> Result<Vec<Row>, Error> {
    let base = config_or("base-url", "https://api.energidataservice.dk");
    let areas: Vec<String> = query.zones.iter().map(|zone| format!("%22{zone}%22")).collect();
    let url = format!(
        "{}/dataset/{data_set}?start={}&end={}&filter=%7B%22PriceArea%22:%5B{}%5D%7D&sort=Minutes5UTC&limit={MOST_ROWS}",
        base.trim_end_matches('/'),
        danish_time(query.start.saturating_sub(HOUR)),
        danish_time(query.end.saturating_add(HOUR)),
        areas.join(",")
    );
    let Answer { records } = fetch_json(&url, &[])?;
    if MOST_ROWS <= records.len() {
        host::log(Level::Warn, &format!("{data_set}: {} rows, the last ones are cut off", records.len()));
    }
    Ok(records)
}

/// The keys beside `records` change with the parameters of the request.
#[derive(Deserialize)]
struct Answer {
    records: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "Minutes5UTC")]
    utc: String,
    #[serde(rename = "PriceArea")]
    area: String,
    /// Has to be there, and may be null: other data sets have the other columns too.
    #[serde(rename = "CO2Emission", deserialize_with = "Option::deserialize")]
    value: Option<f64>,
}

lowtide_region_sdk::export_plugin!(Energinet with_types_in lowtide_region_sdk);
