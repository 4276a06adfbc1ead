//! The smallest region plugin: one value, the setting `intensity`, for all hours of any zone.

use lowtide_region_sdk::{Accounting, Basis, Error, Info, Kind, Plugin, Point, Query, Series, Signal, config_or};

/// The host repeats what it takes for long: a point a day is enough.
const DAY: u32 = 86_400;

struct Constant;

impl Plugin for Constant {
    fn describe() -> Result<Info, Error> {
        Ok(Info {
            zones: vec!["*".into()],
            signals: vec![Signal::Average],
            resolution: DAY,
            horizon: u32::MAX,
            refresh_interval: DAY,
            attribution: None,
        })
    }

    fn series(query: Query) -> Result<Vec<Series>, Error> {
        let text = config_or("intensity", "");
        let intensity = text.parse().map_err(|_| Error::InvalidConfig(format!("intensity: `{text}` is no number")))?;
        let duration = u32::try_from(query.end.saturating_sub(query.start)).unwrap_or(u32::MAX);
        let point = Point { start: query.start, duration, intensity, uncertainty: None, kind: Kind::Static };
        let series = |zone: &String| Series {
            zone: zone.clone(),
            signal: query.signal,
            basis: Basis::Lifecycle,
            accounting: Accounting::Production,
            issued_at: None,
            points: vec![point],
        };
        Ok(query.zones.iter().map(series).collect())
    }
}

lowtide_region_sdk::export_plugin!(Constant with_types_in lowtide_region_sdk);
