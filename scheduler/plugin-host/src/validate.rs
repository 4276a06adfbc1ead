//! What a plugin told becomes forecasts, or a named refusal. Nothing is repaired but the edges: points outside the asked time
//! are dropped.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Band, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::window::Window;

use crate::call::{Call, Query};
use crate::error::PluginError;
use crate::limits;
use crate::manifest::Manifest;
use crate::v0_1::{self, Point, WireSignal, ZoneSeries};

/// The forecasts of an answer.
pub(crate) fn forecasts(
    told: Vec<ZoneSeries>,
    query: &Query,
    call: &Call,
    manifest: &Manifest,
) -> Result<Vec<Forecast>, PluginError> {
    let mut forecasts: Vec<Forecast> = Vec::new();
    for series in told {
        let zone = query.zones.iter().find(|zone| zone.as_str() == series.zone);
        let zone = zone.ok_or_else(|| malformed("nobody asked for the zone it tells of"))?;
        if forecasts.iter().any(|known| known.zone == *zone) {
            return Err(malformed("it tells of a zone twice"));
        }
        if let Some(forecast) = forecast(series, zone, query, call, manifest)? {
            forecasts.push(forecast);
        }
    }
    Ok(forecasts)
}

fn forecast(
    series: ZoneSeries,
    zone: &ZoneId,
    query: &Query,
    call: &Call,
    manifest: &Manifest,
) -> Result<Option<Forecast>, PluginError> {
    let ZoneSeries { zone: _, signal, basis, accounting, issued_at, points } = series;
    let tags = Tags {
        signal: match signal {
            WireSignal::Average => Signal::Average,
            WireSignal::Marginal => Signal::Marginal,
        },
        basis: match basis {
            v0_1::Basis::Direct => Basis::Direct,
            v0_1::Basis::Lifecycle => Basis::Lifecycle,
        },
        accounting: match accounting {
            v0_1::Accounting::Production => Accounting::Production,
            v0_1::Accounting::Consumption => Accounting::Consumption,
        },
    };
    if tags.signal != query.signal {
        return Err(malformed("it tells another signal than asked for"));
    }
    if limits::POINTS < points.len() {
        return Err(malformed(format!("{} points for {zone}, more than {}", points.len(), limits::POINTS)));
    }
    let mut slots = Vec::with_capacity(points.len());
    for point in &points {
        let slot = slot(point)?;
        if slot.window.intersection(&query.window).is_some() {
            slots.push(slot);
        }
    }
    if slots.is_empty() {
        return Ok(None);
    }
    // A provider cannot have issued in the future what is fetched now.
    let issued_at = match issued_at {
        None => call.now,
        Some(at) => moment(at)?.min(call.now),
    };
    let attribution = manifest.attribution.clone();
    Forecast::new(zone.clone(), tags, issued_at, call.now, manifest.id.clone(), attribution, slots)
        .map(Some)
        .map_err(|error| malformed(error.to_string()))
}

fn slot(point: &Point) -> Result<Slot, PluginError> {
    let Point { start, duration, intensity, uncertainty, kind } = point;
    if *duration < limits::SHORTEST_POINT {
        return Err(malformed(format!("a point of {duration} s, shorter than {} s", limits::SHORTEST_POINT)));
    }
    let start = moment(*start)?;
    let end = Seconds::saturating(f64::from(*duration)).after(start);
    let window = Window::new(start, end).map_err(|error| malformed(error.to_string()))?;
    let band = uncertainty
        .map(|band| Ok::<_, PluginError>(Band { low: value(band.low)?, high: value(band.high)? }))
        .transpose()?;
    let kind = match kind {
        v0_1::Kind::Measured => Kind::Measured,
        v0_1::Kind::Forecast => Kind::Forecast,
        v0_1::Kind::Estimated => Kind::Estimated,
        v0_1::Kind::Static => Kind::Static,
    };
    Ok(Slot { window, intensity: value(*intensity)?, band, kind })
}

fn value(value: f64) -> Result<GramsPerKwh, PluginError> {
    let quantity = GramsPerKwh::new(value).map_err(|error| malformed(error.to_string()))?;
    if quantity.get() <= limits::HIGHEST_INTENSITY {
        Ok(quantity)
    } else {
        Err(malformed(format!("an intensity of {value} g/kWh, more than {}", limits::HIGHEST_INTENSITY)))
    }
}

fn moment(second: u64) -> Result<Timestamp, PluginError> {
    let in_range = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    in_range.ok_or_else(|| malformed(format!("a time of {second} s since 1970")))
}

fn malformed(what: impl Into<String>) -> PluginError {
    PluginError::Malformed(what.into())
}
