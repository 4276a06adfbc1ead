//! Annual means of all countries, from a table shipped within: one value for all hours, life cycle, of what a country
//! generates. A zone within a country, such as `DK1`, `US-CAL-CISO` or `GB-13`, has its country's.

use lowtide_region_sdk::{Accounting, Basis, Error, Info, Kind, Plugin, Point, Query, Series, Signal, each_zone};

const TABLE: &str = include_str!("../annual-mean.csv");
/// The longest point the host takes is not limited; a day keeps them readable.
const DAY: u64 = 86_400;

struct Annual;

impl Plugin for Annual {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["*".into()],
            signals: vec![Signal::Average],
            resolution: 86_400,
            horizon: 366 * 86_400,
            refresh_interval: 86_400,
            attribution: Some("Ember, yearly electricity data, CC BY 4.0".into()),
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
    let unknown = || Error::InvalidRegion(format!("the table has neither `{zone}` nor its country"));
    let intensity = mean_of(zone).or_else(|| mean_of(country_of(zone)?)).ok_or_else(unknown)?;
    let mut points = Vec::new();
    let mut start = query.start;
    while start < query.end {
        let end = (start / DAY * DAY + DAY).min(query.end);
        let duration = u32::try_from(end - start).unwrap_or(u32::MAX);
        points.push(Point { start, duration, intensity, uncertainty: None, kind: Kind::Static });
        start = end;
    }
    // The host takes no point shorter than a minute: a remnant joins its neighbour.
    if let [.., before, last] = points.as_mut_slice()
        && last.duration < 60
    {
        before.duration += last.duration;
        points.pop();
    }
    if let [first, second, ..] = points.as_mut_slice()
        && first.duration < 60
    {
        second.start = first.start;
        second.duration += first.duration;
        points.remove(0);
    }
    Ok(Series {
        zone: zone.to_owned(),
        signal: Signal::Average,
        basis: Basis::Lifecycle,
        accounting: Accounting::Production,
        issued_at: None,
        points,
    })
}

fn mean_of(zone: &str) -> Option<f64> {
    let line = TABLE.lines().find(|line| line.split(',').next() == Some(zone))?;
    line.split(',').nth(1)?.parse().ok()
}

/// The country a zone's name begins with: two letters, then something that is no letter.
fn country_of(zone: &str) -> Option<&str> {
    let (country, rest) = zone.split_at_checked(2)?;
    let within = rest.starts_with(|c: char| !c.is_ascii_alphabetic());
    (within && country.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(country)
}

lowtide_region_sdk::export_plugin!(Annual with_types_in lowtide_region_sdk);
