//! European bidding zones, from the ENTSO-E Transparency Platform:
//! <https://transparencyplatform.zendesk.com/hc/en-us/sections/12783116987028-Restful-API-integration-guide>. Actual generation
//! by type (document A75, process A16), and an emission factor for each: production, life-cycle or direct. Measured only.
//!
//! Storage (B10 pumped hydro, B25) counts for nothing when it gives, as it does when it takes: what it gives was counted when
//! it was generated. In Norway, where B10 is mostly natural inflow, that leaves clean hydro out. What a zone imports is not told.

mod document;
mod generation;
mod zones;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Plugin, Query, Series, Signal, Timestamp, basis_or, civil_time, config_or,
    each_zone, fetch, host, is_asked,
};

const QUARTER: u32 = 900;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// So much more of the past is asked for: which plants there are shows only over a day.
const LOOK_BACK: u64 = DAY;
/// Longer times are cut to their end: a day of quarters is 130 KB of XML, and the host allows 2 MiB.
const LONGEST: u64 = 12 * DAY;

struct Entsoe;

impl Plugin for Entsoe {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: zones::names(),
            signals: vec![Signal::Average],
            resolution: QUARTER,
            horizon: 0,
            refresh_interval: 30 * 60,
            attribution: Some("ENTSO-E Transparency Platform, CC BY 4.0".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let basis = basis_or("basis", Basis::Lifecycle)?;
        let now = host::now();
        if now <= query.start {
            return Err(Error::OutOfRange);
        }
        each_zone(&query, |zone| {
            let code = code_of(zone)?;
            let answer = fetch(&address(&code, &query, now), &[("accept", "application/xml")])?;
            let outputs = document::read(&answer.body)?;
            let mut points = generation::points(zone, &outputs, basis)?;
            points.retain(|point| is_asked(&query, point.start, point.duration));
            if points.is_empty() {
                return Err(Error::OutOfRange);
            }
            Ok(Series {
                zone: zone.to_owned(),
                signal: Signal::Average,
                basis,
                accounting: Accounting::Production,
                issued_at: None,
                points,
            })
        })
    }
}

/// The code of a zone: the setting, or that of the table.
fn code_of(zone: &str) -> Result<String, Error> {
    match host::config_get("domain") {
        Some(code) if zones::is_code(&code) => Ok(code),
        Some(_) => Err(Error::InvalidConfig("domain: an EIC code has 16 letters, digits and dashes".into())),
        None => zones::code(zone).map(str::to_owned).ok_or_else(|| {
            Error::InvalidRegion(format!("`{zone}` is not in the table of bidding zones; set `domain` to its EIC code"))
        }),
    }
}

fn address(code: &str, query: &Query, now: Timestamp) -> String {
    let base = config_or("base-url", "https://web-api.tp.entsoe.eu");
    let end = query.end.min(now).div_ceil(HOUR) * HOUR;
    let start = (query.start / HOUR * HOUR).saturating_sub(LOOK_BACK).max(end.saturating_sub(LONGEST));
    // `yyyyMMddhhmm`
    let time = |at: Timestamp| civil_time(at).replace(['-', 'T', ':'], "");
    format!(
        "{}/api?documentType=A75&processType=A16&in_Domain={code}&periodStart={}&periodEnd={}",
        base.trim_end_matches('/'),
        time(start),
        time(end)
    )
}

lowtide_region_sdk::export_plugin!(Entsoe with_types_in lowtide_region_sdk);
