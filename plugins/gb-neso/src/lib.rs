//! Great Britain, from the Carbon Intensity API: <https://carbon-intensity.github.io/api-definitions/>. Direct CO2 of what is
//! consumed, network losses and imports included. Half hours; the nation has measured values, regions have forecasts only.
//!
//! Traps: times are without seconds; `data` is a list, or for a region an object or a list that holds one; values of single
//! slots are null; a postcode or an address the service does not know is refused with 400; `/intensity/date` is the day that
//! is, not a forecast. Who asks much is shut out: many regions are asked for in one request for all.

mod answer;
mod place;

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Level, Plugin, Point, Query, Series, Signal, Timestamp, config_or, each_zone, host,
    in_order, is_success, read_json, refusal, send,
};

use answer::{AllRegions, Answer};
use place::Place;

const HALF_HOUR: u32 = 1800;
const HALF_HOUR_SECONDS: u64 = 1800;
/// The fetches the host allows a call.
const FETCHES: usize = 8;
const BAD_REQUEST: u16 = 400;

struct Neso;

impl Plugin for Neso {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["GB".into(), "GB-*".into()],
            signals: vec![Signal::Average],
            resolution: HALF_HOUR,
            horizon: 48 * 3600,
            refresh_interval: HALF_HOUR,
            attribution: Some("National Energy System Operator, Carbon Intensity API, CC BY 4.0".into()),
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        if query.signal != Signal::Average {
            return Err(Error::Other("this source tells average intensity only".into()));
        }
        // The slot that is running counts as coming, and the same question has the same address for half an hour.
        let now = host::now() / HALF_HOUR_SECONDS * HALF_HOUR_SECONDS;
        let asked = Asked {
            past: (query.start < now).then(|| (query.start, now.min(query.end))),
            ahead: (now < query.end).then(|| query.start.max(now)),
        };
        let requests = usize::from(asked.past.is_some()) + usize::from(asked.ahead.is_some());
        let regions = if FETCHES < requests * query.zones.len() { all_regions(&asked)? } else { None };
        each_zone(&query, |zone| {
            let place = Place::of(zone)?;
            let known = match (&place, &regions) {
                (Place::Region(id), Some(regions)) => regions.points_of(*id)?,
                _ => Vec::new(),
            };
            let points = if known.is_empty() { points_of(&place, zone, &asked)? } else { known };
            Ok(Series {
                zone: zone.to_owned(),
                signal: Signal::Average,
                basis: Basis::Direct,
                accounting: Accounting::Consumption,
                issued_at: None,
                points,
            })
        })
    }
}

/// Which part of the asked time has gone by, and where the rest begins.
struct Asked {
    past: Option<(Timestamp, Timestamp)>,
    ahead: Option<Timestamp>,
}

fn points_of(place: &Place, zone: &str, asked: &Asked) -> Result<Vec<Point>, Error> {
    // The coming hours first: they matter more where a call has no requests left.
    let ahead = asked.ahead.map(|from| ask(place, &place.ahead(from))).transpose()?;
    let past = match asked.past.map(|(from, to)| ask(place, &place.past(from, to))) {
        Some(Err(error)) if ahead.is_some() => {
            host::log(Level::Warn, &format!("no past values of {zone}: {error:?}"));
            None
        }
        past => past.transpose()?,
    };
    // What was measured goes before what was forecast of the same time.
    Ok(in_order(past.into_iter().chain(ahead).flatten()))
}

fn ask(place: &Place, path: &str) -> Result<Vec<Point>, Error> {
    let url = address(path);
    let response = send(&url, &[])?;
    match (response.status, place) {
        (BAD_REQUEST, Place::Postcode(code)) => Err(Error::InvalidConfig(format!(
            "postcode: the service does not take `{code}`, an outward one such as RG10"
        ))),
        _ if is_success(&response) => read_json::<Answer>(&url, &response)?.points(place),
        _ => Err(refusal(&url, &response)),
    }
}

/// All regions at once. Where that fails they are asked for one by one, as many as a call may.
fn all_regions(asked: &Asked) -> Result<Option<AllRegions>, Error> {
    let mut all = AllRegions::default();
    let paths = [asked.ahead.map(place::all_ahead), asked.past.map(|(_, to)| place::all_past(to))];
    for path in paths.into_iter().flatten() {
        match lowtide_region_sdk::fetch_json::<AllRegions>(&address(&path), &[]) {
            Ok(told) => all.extend(told),
            Err(Error::RateLimited(wait)) => return Err(Error::RateLimited(wait)),
            Err(error) => {
                host::log(Level::Warn, &format!("not all regions at once: {error:?}"));
                return Ok(None);
            }
        }
    }
    Ok(Some(all))
}

fn address(path: &str) -> String {
    format!("{}{path}", config_or("base-url", "https://api.carbonintensity.org.uk").trim_end_matches('/'))
}

lowtide_region_sdk::export_plugin!(Neso with_types_in lowtide_region_sdk);
