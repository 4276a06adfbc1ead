//! Denmark, from Energi Data Service: <https://www.energidataservice.dk/guides/api-guides>. Direct CO2 of what is consumed.
//! One request a data set and minute is allowed, so both areas come in one. The `start` and `end` of a request are Danish
//! local time, one or two hours ahead of UTC: a little more is asked for than needed, and the UTC column decides.

use std::collections::BTreeMap;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Query, Series, Signal, Timestamp, civil_time, config_or,
    fetch_json, host, parse_time, points,
};
use serde::Deserialize;

const FIVE_MINUTES: u32 = 300;
/// Danish time is at most this far ahead of UTC.
const DANISH_OFFSET: u64 = 2 * 3600;
/// The default is 100 rows; a week of both areas has 4032.
const MOST_ROWS: u32 = 5000;

struct Energinet;

impl Plugin for Energinet {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["DK1".into(), "DK2".into()],
            signals: vec![Signal::Average],
            resolution: FIVE_MINUTES,
            horizon: 9 * 3600,
            refresh_interval: 15 * 60,
            attribution: Some("Energinet, Energi Data Service".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        if let Some(zone) = query.zones.iter().find(|zone| !["DK1", "DK2"].contains(&zone.as_str())) {
            return Err(Error::InvalidRegion(format!("`{zone}` is neither DK1 nor DK2")));
        }
        let now = host::now();
        let mut rows = Vec::new();
        if query.start < now {
            match ask("CO2Emis", &query) {
                Ok(measured) => rows.extend(measured.records.into_iter().map(|row| (row, Kind::Measured))),
                // The past only settles accounts; the coming hours matter more.
                Err(error) if now < query.end => host::log(Level::Warn, &format!("no measured values: {error:?}")),
                Err(error) => return Err(error),
            }
        }
        if now < query.end {
            rows.extend(ask("CO2EmisProg", &query)?.records.into_iter().map(|row| (row, Kind::Forecast)));
        }
        // Measured rows come first, and `points` keeps the first of two of the same time.
        let mut areas: BTreeMap<String, Vec<(Timestamp, Option<f64>, Kind)>> = BTreeMap::new();
        for (row, kind) in rows {
            let start =
                parse_time(&row.utc).ok_or_else(|| Error::Malformed(format!("a row of the time `{}`", row.utc)))?;
            areas.entry(row.area).or_default().push((start, row.value, kind));
        }
        let series = query.zones.iter().filter_map(|zone| {
            let values = areas.remove(zone)?;
            Some(Series {
                zone: zone.clone(),
                signal: Signal::Average,
                basis: Basis::Direct,
                accounting: Accounting::Consumption,
                issued_at: None,
                points: points(values, FIVE_MINUTES),
            })
        });
        Ok(series.collect())
    }
}

fn ask(data_set: &str, query: &Query) -> Result<Answer, Error> {
    let base = config_or("base-url", "https://api.energidataservice.dk");
    let areas: Vec<String> = query.zones.iter().map(|zone| format!("%22{zone}%22")).collect();
    let url = format!(
        "{}/dataset/{data_set}?start={}&end={}&filter=%7B%22PriceArea%22:%5B{}%5D%7D&sort=Minutes5UTC&limit={MOST_ROWS}",
        base.trim_end_matches('/'),
        civil_time(query.start),
        civil_time(query.end.saturating_add(DANISH_OFFSET)),
        areas.join(",")
    );
    fetch_json(&url, &[])
}

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
    #[serde(rename = "CO2Emission")]
    value: Option<f64>,
}

lowtide_region_sdk::export_plugin!(Energinet with_types_in lowtide_region_sdk);
