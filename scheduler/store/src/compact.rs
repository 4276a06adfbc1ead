//! A forecast in few bytes: its slots as numbers, deflated. A day of five-minute values takes kilobytes instead of tens.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Band, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::GramsPerKwh;
use lowtide_model::window::Window;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::{Deserialize, Serialize};

/// The first byte of every record: another form gets another number.
const FORM: u8 = 1;
/// A good compromise of the deflate levels 0 to 10.
const LEVEL: u8 = 6;
/// No forecast of 2,016 points comes near this.
const LARGEST: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Record {
    zone: String,
    tags: (u8, u8, u8),
    issued_at: (i64, i32),
    fetched_at: (i64, i32),
    source: String,
    attribution: Option<String>,
    /// The start of the first slot in nanoseconds, as seconds and the rest.
    origin: (i64, i32),
    slots: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    /// From the end of the slot before, in nanoseconds: nearly always 0.
    gap: u64,
    /// In nanoseconds.
    length: u64,
    intensity: f64,
    band: Option<(f64, f64)>,
    kind: u8,
}

/// Why bytes are no forecast.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotCompact(String);

pub(crate) fn pack(forecast: &Forecast) -> Vec<u8> {
    let mut end = forecast.window().start();
    let origin = split(end);
    let slots = forecast
        .slots()
        .iter()
        .map(|slot| {
            let gap = between(end, slot.window.start());
            end = slot.window.end();
            Entry {
                gap,
                length: between(slot.window.start(), end),
                intensity: slot.intensity.get(),
                band: slot.band.map(|band| (band.low.get(), band.high.get())),
                kind: slot.kind as u8,
            }
        })
        .collect();
    let Tags { signal, basis, accounting } = forecast.tags;
    let record = Record {
        zone: forecast.zone.to_string(),
        tags: (signal as u8, basis as u8, accounting as u8),
        issued_at: split(forecast.issued_at),
        fetched_at: split(forecast.fetched_at),
        source: forecast.source.clone(),
        attribution: forecast.attribution.clone(),
        origin,
        slots,
    };
    let plain = postcard::to_allocvec(&record).expect("numbers and texts can be written down");
    let mut packed = vec![FORM];
    packed.extend(compress_to_vec(&plain, LEVEL));
    packed
}

pub(crate) fn unpack(bytes: &[u8]) -> Result<Forecast, NotCompact> {
    let bad = |what: &dyn std::fmt::Display| NotCompact(what.to_string());
    let Some((&FORM, deflated)) = bytes.split_first() else { return Err(bad(&"it is of an unknown form")) };
    let plain = decompress_to_vec_with_limit(deflated, LARGEST).map_err(|error| bad(&error))?;
    let record: Record = postcard::from_bytes(&plain).map_err(|error| bad(&error))?;
    let mut end = joined(record.origin).ok_or_else(|| bad(&"its time cannot be"))?;
    let mut slots = Vec::with_capacity(record.slots.len());
    for entry in record.slots {
        let start = later(end, entry.gap).ok_or_else(|| bad(&"its time cannot be"))?;
        end = later(start, entry.length).ok_or_else(|| bad(&"its time cannot be"))?;
        let value = |value| GramsPerKwh::new(value).map_err(|error| bad(&error));
        let band = entry.band.map(|(low, high)| Ok(Band { low: value(low)?, high: value(high)? })).transpose()?;
        let kind =
            [Kind::Measured, Kind::Forecast, Kind::Estimated, Kind::Static].get(usize::from(entry.kind)).copied();
        slots.push(Slot {
            window: Window::new(start, end).map_err(|error| bad(&error))?,
            intensity: value(entry.intensity)?,
            band,
            kind: kind.ok_or_else(|| bad(&"its kind is unknown"))?,
        });
    }
    let (signal, basis, accounting) = record.tags;
    let unknown = || bad(&"its tags are unknown");
    let tags = Tags {
        signal: [Signal::Average, Signal::Marginal].get(usize::from(signal)).copied().ok_or_else(unknown)?,
        basis: [Basis::Direct, Basis::Lifecycle].get(usize::from(basis)).copied().ok_or_else(unknown)?,
        accounting: *[Accounting::Production, Accounting::Consumption]
            .get(usize::from(accounting))
            .ok_or_else(unknown)?,
    };
    let moment = |at| joined(at).ok_or_else(|| bad(&"its time cannot be"));
    Forecast::new(
        ZoneId::new(record.zone).map_err(|error| bad(&error))?,
        tags,
        moment(record.issued_at)?,
        moment(record.fetched_at)?,
        record.source,
        record.attribution,
        slots,
    )
    .map_err(|error| bad(&error))
}

fn split(at: Timestamp) -> (i64, i32) {
    (at.as_second(), at.subsec_nanosecond())
}

fn joined((second, nanosecond): (i64, i32)) -> Option<Timestamp> {
    Timestamp::new(second, nanosecond).ok()
}

fn between(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from((end.as_nanosecond() - start.as_nanosecond()).max(0)).unwrap_or(0)
}

fn later(at: Timestamp, nanoseconds: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at.as_nanosecond() + i128::from(nanoseconds)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back_to_the_last_bit(
            slots in prop::collection::vec((0_u64..3, 1_u64..100_000, 0.0..5000.0_f64, prop::bool::ANY, 0_usize..4), 1..60),
            nanosecond in 0_i32..1_000_000_000, marginal in prop::bool::ANY,
        ) {
            let mut end = Timestamp::new(1_700_000_000, nanosecond).expect("in range");
            let slots = slots.into_iter().map(|(gap, length, value, banded, kind)| {
                let start = later(end, gap * 1_000_000_000).expect("in range");
                end = later(start, length * 10_000_001).expect("in range");
                let of = GramsPerKwh::saturating;
                Slot {
                    window: Window::new(start, end).expect("not empty"),
                    intensity: of(value),
                    band: banded.then(|| Band { low: of(value * 0.5), high: of(value * 2.0) }),
                    kind: [Kind::Measured, Kind::Forecast, Kind::Estimated, Kind::Static][kind],
                }
            }).collect();
            let signal = if marginal { Signal::Marginal } else { Signal::Average };
            let tags = Tags { signal, basis: Basis::Lifecycle, accounting: Accounting::Consumption };
            let zone = ZoneId::new("GB").expect("a name");
            let at = Timestamp::new(1_700_000_123, nanosecond).expect("in range");
            let forecast = Forecast::new(zone, tags, at, at, "x".into(), Some("y".into()), slots).expect("in order");
            prop_assert_eq!(unpack(&pack(&forecast)).expect("a forecast"), forecast);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }
}
