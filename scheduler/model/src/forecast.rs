//! Carbon intensity over time, as a region plugin tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::ZoneId;
use crate::quantity::{GramsPerKwh, Seconds};
use crate::window::Window;

/// Which plants the number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Generation-weighted mean of the mix.
    Average,
    /// The plants that respond to a change of load.
    Marginal,
}

/// Which emissions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Those of burning.
    Direct,
    /// Those of building, fuelling and burning.
    Lifecycle,
}

/// Whose electricity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounting {
    /// What the zone generates.
    Production,
    /// What the zone uses, imports included.
    Consumption,
}

/// The three tags that must agree before two zones may be ranked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tags {
    /// Average or marginal.
    pub signal: Signal,
    /// Direct or lifecycle.
    pub basis: Basis,
    /// Production or consumption.
    pub accounting: Accounting,
}

/// How a value came about, from the best to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Observed by the provider.
    Measured,
    /// Predicted by the provider.
    Forecast,
    /// Filled in from other values.
    Estimated,
    /// One value for all hours, such as an annual mean.
    Static,
}

/// What a source of intensity is to its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its numbers decide.
    Main,
    /// Its marginal numbers are looked at beside those.
    Beside,
}

/// The mean intensity of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The stretch.
    pub window: Window,
    /// Its mean intensity.
    pub intensity: GramsPerKwh,
    /// 5 % and 95 % quantiles, where the source gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// How the value came about.
    pub kind: Kind,
}

/// 5 % and 95 % quantiles of an intensity, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The 5 % quantile.
    pub low: GramsPerKwh,
    /// The 95 % quantile.
    pub high: GramsPerKwh,
}

/// A step function of carbon intensity in one zone, as issued at one moment. Slots are in order and do not overlap;
/// there may be gaps between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Forecast {
    /// The zone.
    pub zone: ZoneId,
    /// What the numbers count.
    pub tags: Tags,
    /// When the provider issued it, or when it was fetched if the provider does not say.
    pub issued_at: Timestamp,
    /// When lowtide fetched it.
    pub fetched_at: Timestamp,
    /// The plugin that told it.
    pub source: String,
    /// Text to show with the data: licence and origin.
    #[serde(default)]
    pub attribution: Option<String>,
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
struct Unchecked {
    zone: ZoneId,
    tags: Tags,
    issued_at: Timestamp,
    fetched_at: Timestamp,
    source: String,
    #[serde(default)]
    attribution: Option<String>,
    slots: Vec<Slot>,
}

impl TryFrom<Unchecked> for Forecast {
    type Error = NotAForecast;
    fn try_from(unchecked: Unchecked) -> Result<Self, NotAForecast> {
        let Unchecked { zone, tags, issued_at, fetched_at, source, attribution, slots } = unchecked;
        Self::new(zone, tags, issued_at, fetched_at, source, attribution, slots)
    }
}

/// Why slots make no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotAForecast {
    /// There is nothing in it.
    #[error("the forecast of {0} has no slots")]
    Empty(ZoneId),
    /// A slot starts before the one before it ends.
    #[error("in the forecast of {zone} the slot at {start} begins before the one before it ends")]
    OutOfOrder {
        /// The zone.
        zone: ZoneId,
        /// The start of the offending slot.
        start: Timestamp,
    },
    /// A band whose low end is above its value, or its high end below.
    #[error("in the forecast of {zone} the band of the slot at {start} does not hold its value")]
    BandOffValue {
        /// The zone.
        zone: ZoneId,
        /// The start of the offending slot.
        start: Timestamp,
    },
}

impl Forecast {
    /// A forecast of these slots, which must be in order, without overlap, and not empty.
    pub fn new(
        zone: ZoneId,
        tags: Tags,
        issued_at: Timestamp,
        fetched_at: Timestamp,
        source: String,
        attribution: Option<String>,
        slots: Vec<Slot>,
    ) -> Result<Self, NotAForecast> {
        if slots.is_empty() {
            return Err(NotAForecast::Empty(zone));
        }
        if let Some(pair) = slots.windows(2).find(|pair| pair[1].window.start() < pair[0].window.end()) {
            return Err(NotAForecast::OutOfOrder { zone, start: pair[1].window.start() });
        }
        let off = |slot: &&Slot| slot.band.is_some_and(|band| slot.intensity < band.low || band.high < slot.intensity);
        if let Some(slot) = slots.iter().find(off) {
            return Err(NotAForecast::BandOffValue { zone, start: slot.window.start() });
        }
        Ok(Self { zone, tags, issued_at, fetched_at, source, attribution, slots })
    }

    /// The slots, in order.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// From the start of the first slot to the end of the last.
    #[must_use]
    pub fn window(&self) -> Window {
        let (first, last) = (&self.slots[0], &self.slots[self.slots.len() - 1]);
        Window::new(first.window.start(), last.window.end()).expect("slots are in order and not empty")
    }

    /// The slot that holds `at`.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> Option<&Slot> {
        let next = self.slots.partition_point(|slot| slot.window.start() <= at);
        self.slots[..next].last().filter(|slot| slot.window.contains(at))
    }

    /// How long ago it was issued.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Seconds {
        Seconds::between(self.issued_at, now)
    }
}
