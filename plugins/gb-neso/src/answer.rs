//! The forms of the service's answers. Each slot says when it begins and ends; their number is not relied on.

use lowtide_region_sdk::{Error, Kind, Point, in_order, parse_time, point};
use serde::Deserialize;

use crate::HALF_HOUR;
use crate::place::Place;

/// What is told of one place.
#[derive(Deserialize)]
pub(crate) struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    Slots(Vec<Slot>),
    Region(Region),
    /// The current regional calls wrap the region in a list of one.
    Regions(Vec<Region>),
}

#[derive(Deserialize)]
struct Region {
    #[serde(default, rename = "regionid")]
    id: Option<u32>,
    data: Vec<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    #[serde(flatten)]
    time: Time,
    intensity: Intensity,
}

/// What is told of all regions, slot by slot.
#[derive(Deserialize, Default)]
pub(crate) struct AllRegions {
    data: Vec<SlotOfAll>,
}

#[derive(Deserialize)]
struct SlotOfAll {
    #[serde(flatten)]
    time: Time,
    regions: Vec<RegionOfSlot>,
}

#[derive(Deserialize)]
struct RegionOfSlot {
    #[serde(rename = "regionid")]
    id: u32,
    intensity: Intensity,
}

#[derive(Deserialize)]
struct Time {
    from: String,
    #[serde(default)]
    to: Option<String>,
}

#[derive(Deserialize)]
struct Intensity {
    #[serde(default)]
    forecast: Option<f64>,
    #[serde(default)]
    actual: Option<f64>,
}

impl Answer {
    /// The points of the place that was asked for.
    pub(crate) fn points(self, place: &Place) -> Result<Vec<Point>, Error> {
        let regions = match self.data {
            Data::Slots(slots) => vec![Region { id: None, data: slots }],
            Data::Region(region) => vec![region],
            Data::Regions(regions) => regions,
        };
        let mut points = Vec::new();
        for Region { id, data } in &regions {
            if let (Place::Region(asked), Some(told)) = (place, id)
                && asked != told
            {
                return Err(Error::Malformed(format!("it tells of region {told}, not of {asked}")));
            }
            for slot in data {
                points.extend(slot.time.point(&slot.intensity)?);
            }
        }
        Ok(points)
    }
}

impl AllRegions {
    pub(crate) fn extend(&mut self, others: Self) {
        self.data.extend(others.data);
    }

    /// The points of one region.
    pub(crate) fn points_of(&self, region: u32) -> Result<Vec<Point>, Error> {
        let mut points = Vec::new();
        for SlotOfAll { time, regions } in &self.data {
            if let Some(told) = regions.iter().find(|told| told.id == region) {
                points.extend(time.point(&told.intensity)?);
            }
        }
        Ok(in_order(points))
    }
}

impl Time {
    /// The point of this slot, if it has a value.
    fn point(&self, intensity: &Intensity) -> Result<Option<Point>, Error> {
        let read =
            |text: &str| parse_time(text).ok_or_else(|| Error::Malformed(format!("a slot of the time `{text}`")));
        let start = read(&self.from)?;
        let duration = match &self.to {
            None => HALF_HOUR,
            Some(to) => {
                let length = read(to)?.checked_sub(start).and_then(|length| u32::try_from(length).ok());
                length.ok_or_else(|| Error::Malformed(format!("a slot from {} to {to}", self.from)))?
            }
        };
        let (value, kind) = match intensity.actual {
            Some(actual) => (Some(actual), Kind::Measured),
            None => (intensity.forecast, Kind::Forecast),
        };
        Ok(point(start, duration, value, kind))
    }
}
