//! Great Britain, from the Carbon Intensity API: <https://carbon-intensity.github.io/api-definitions/>. Direct CO2 of what is
//! consumed, network losses and imports included. Half hours; times without seconds; `data` is a list or, for a region, an
//! object that holds one.

use lowtide_region_sdk::{
    Accounting, Basis, Error, Info, Kind, Level, Plugin, Query, Series, Signal, Timestamp, civil_time, config_or,
    fetch_json, host, parse_time, points,
};
use serde::Deserialize;

const HALF_HOUR: u32 = 1800;
/// Regions 15 to 17 are England, Scotland and Wales.
const REGIONS: std::ops::RangeInclusive<u32> = 1..=17;

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
        query.zones.iter().map(|zone| series_of(zone, &query)).collect()
    }
}

fn series_of(zone: &str, query: &Query) -> Result<Series, Error> {
    let base = config_or("base-url", "https://api.carbonintensity.org.uk");
    let base = base.trim_end_matches('/');
    let place = Place::of(zone)?;
    let now = host::now();
    let mut values = Vec::new();
    if query.start < now {
        let url = place.past(base, query.start, now.min(query.end));
        match fetch_json::<Answer>(&url, &[]) {
            Ok(answer) => values.extend(answer.values()),
            // The past only settles accounts; the coming hours matter more.
            Err(error) => host::log(Level::Warn, &format!("no past values of {zone}: {error:?}")),
        }
    }
    if now < query.end {
        let answer: Answer = fetch_json(&place.ahead(base, query.start.max(now)), &[])?;
        values.extend(answer.values());
    }
    Ok(Series {
        zone: zone.to_owned(),
        signal: Signal::Average,
        basis: Basis::Direct,
        accounting: Accounting::Consumption,
        issued_at: None,
        points: points(values, HALF_HOUR),
    })
}

/// What the service calls a place.
enum Place {
    Nation,
    Region(u32),
    Postcode(String),
}

impl Place {
    fn of(zone: &str) -> Result<Self, Error> {
        let unknown = || Error::InvalidRegion(format!("`{zone}` is neither GB nor GB-1 to GB-17"));
        if let Some(region) = zone.strip_prefix("GB-") {
            let region = region.parse().ok().filter(|region| REGIONS.contains(region)).ok_or_else(unknown)?;
            return Ok(Self::Region(region));
        }
        match host::config_get("postcode") {
            _ if zone != "GB" => Err(unknown()),
            None => Ok(Self::Nation),
            Some(postcode)
                if (2..=4).contains(&postcode.len()) && postcode.chars().all(|c| c.is_ascii_alphanumeric()) =>
            {
                Ok(Self::Postcode(postcode))
            }
            Some(_) => Err(Error::InvalidConfig("postcode".into())),
        }
    }

    fn ahead(&self, base: &str, from: Timestamp) -> String {
        let from = civil_time(from);
        match self {
            Self::Nation => format!("{base}/intensity/{from}Z/fw48h"),
            Self::Region(id) => format!("{base}/regional/intensity/{from}Z/fw48h/regionid/{id}"),
            Self::Postcode(code) => {
                format!("{base}/regional/intensity/{from}Z/fw48h/postcode/{code}")
            }
        }
    }

    fn past(&self, base: &str, from: Timestamp, to: Timestamp) -> String {
        let (from, to) = (civil_time(from), civil_time(to));
        match self {
            Self::Nation => format!("{base}/intensity/{from}Z/{to}Z"),
            Self::Region(id) => format!("{base}/regional/intensity/{to}Z/pt24h/regionid/{id}"),
            Self::Postcode(code) => {
                format!("{base}/regional/intensity/{to}Z/pt24h/postcode/{code}")
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Slots(Vec<Slot>),
    Region {
        data: Vec<Slot>,
    },
    /// The current regional calls wrap the region in a list of one.
    Regions(Vec<RegionData>),
}

#[derive(Deserialize)]
struct RegionData {
    data: Vec<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    from: String,
    intensity: Intensity,
}

#[derive(Deserialize)]
struct Intensity {
    #[serde(default)]
    forecast: Option<f64>,
    #[serde(default)]
    actual: Option<f64>,
}

impl Answer {
    fn values(self) -> Vec<(Timestamp, Option<f64>, Kind)> {
        let slots = match self.data {
            Data::Slots(slots) | Data::Region { data: slots } => slots,
            Data::Regions(regions) => regions.into_iter().flat_map(|region| region.data).collect(),
        };
        slots
            .into_iter()
            .filter_map(|Slot { from, intensity }| {
                let start = parse_time(&from)?;
                Some(match intensity.actual {
                    Some(actual) => (start, Some(actual), Kind::Measured),
                    None => (start, intensity.forecast, Kind::Forecast),
                })
            })
            .collect()
    }
}

lowtide_region_sdk::export_plugin!(Neso with_types_in lowtide_region_sdk);
