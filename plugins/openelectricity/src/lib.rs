//! Australia, from OpenElectricity: <https://docs.openelectricity.org.au>. Emissions over generation, that is production and
//! direct; or life-cycle, by a factor for each fuel. Without a key the files its own site shows are read, seven days of five
//! minutes; with a key its interface is asked.
//!
//! Traps: the market of the east keeps UTC+10 all year although Sydney does not, and that of the west UTC+8; the newest values
//! are null plant by plant, and roof-top sun is there first; charging and pumping are loads; rows may have steps of their own.

mod document;
mod generation;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Plugin, Query, Series, Signal, Timestamp, basis_or, civil_time, config_or,
    each_zone, fetch_json, host, is_asked,
};

use document::Document;

const FIVE_MINUTES: u32 = 300;
const DAY: u64 = 86_400;
/// So much more of the past is asked of the interface: which plants there are shows only over some slots.
const LOOK_BACK: u64 = 2 * 3600;
/// Longer times are asked for by the hour: five minutes of a large region fill the 2 MiB an answer may have in some days.
/// The interface itself allows 8 days.
const LONGEST_FINE: u64 = 3 * DAY;
/// The most the interface allows by the hour.
const LONGEST: u64 = 32 * DAY;
/// The points the host allows a zone.
const MOST_POINTS: usize = 2016;

/// A zone as Electricity Maps calls it, and as OpenElectricity does.
struct Zone {
    name: &'static str,
    network: &'static str,
    region: Option<&'static str>,
    /// Seconds ahead of UTC, all year.
    offset: u64,
}

const EAST: u64 = 10 * 3600;
const WEST: u64 = 8 * 3600;
const ZONES: [Zone; 6] = [
    Zone { name: "AU-NSW", network: "NEM", region: Some("NSW1"), offset: EAST },
    Zone { name: "AU-QLD", network: "NEM", region: Some("QLD1"), offset: EAST },
    Zone { name: "AU-SA", network: "NEM", region: Some("SA1"), offset: EAST },
    Zone { name: "AU-TAS", network: "NEM", region: Some("TAS1"), offset: EAST },
    Zone { name: "AU-VIC", network: "NEM", region: Some("VIC1"), offset: EAST },
    Zone { name: "AU-WA", network: "WEM", region: None, offset: WEST },
];

struct OpenElectricity;

impl Plugin for OpenElectricity {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: ZONES.iter().map(|zone| zone.name.to_owned()).collect(),
            signals: vec![Signal::Average],
            resolution: FIVE_MINUTES,
            horizon: 0,
            refresh_interval: 10 * 60,
            attribution: Some("OpenElectricity, CC BY-NC 4.0".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        let basis = basis_or("basis", Basis::Direct)?;
        let now = host::now();
        if now <= query.start {
            return Err(Error::OutOfRange);
        }
        let keyed = match config_or("source", "static").as_str() {
            "static" => false,
            "api" if host::config_get("api-key").is_none() => {
                return Err(Error::InvalidConfig("api-key: needed where source is `api`".into()));
            }
            "api" => true,
            _ => return Err(Error::InvalidConfig("source: neither static nor api".into())),
        };
        each_zone(&query, |name| {
            let zone = ZONES
                .iter()
                .find(|zone| zone.name == name)
                .ok_or_else(|| Error::InvalidRegion(format!("`{name}` is no region of OpenElectricity")))?;
            let url = if keyed { interface(zone, &query, now) } else { file(zone) };
            let document: Document = fetch_json(&url, &[])?;
            let mut points = generation::points(name, &document.channels(zone.region, zone.offset)?, basis)?;
            points.retain(|point| is_asked(&query, point.start, point.duration));
            let too_many = points.len().saturating_sub(MOST_POINTS);
            points.drain(..too_many);
            if points.is_empty() {
                return Err(Error::OutOfRange);
            }
            Ok(Series {
                zone: name.to_owned(),
                signal: Signal::Average,
                basis,
                accounting: Accounting::Production,
                issued_at: None,
                points,
            })
        })
    }
}

/// Where the file of the last seven days is.
fn file(zone: &Zone) -> String {
    let base = config_or("base-url", "https://data.openelectricity.org.au");
    let region = zone.region.map(|region| format!("/{region}")).unwrap_or_default();
    format!("{}/v4/stats/au/{}{region}/power/7d.json", base.trim_end_matches('/'), zone.network)
}

/// The request for a time, which the interface wants in the time of the network, without an offset.
fn interface(zone: &Zone, query: &Query, now: Timestamp) -> String {
    let base = config_or("base-url", "https://api.openelectricity.org.au");
    // To full slots: within one of them the same is asked for, and the host has the answer.
    let slot = u64::from(FIVE_MINUTES);
    let end = query.end.min(now).div_ceil(slot) * slot;
    let start = (query.start / slot * slot).saturating_sub(LOOK_BACK).max(end.saturating_sub(LONGEST));
    let interval = if end - start <= LONGEST_FINE { "5m" } else { "1h" };
    let region = zone.region.map(|region| format!("&network_region={region}")).unwrap_or_default();
    format!(
        "{}/v4/data/network/{}?metrics=energy&metrics=emissions&interval={interval}{region}\
         &primary_grouping=network_region&secondary_grouping=fueltech&date_start={}:00&date_end={}:00",
        base.trim_end_matches('/'),
        zone.network,
        civil_time(start + zone.offset),
        civil_time(end + zone.offset),
    )
}

lowtide_region_sdk::export_plugin!(OpenElectricity with_types_in lowtide_region_sdk);
