//! What electricity costs over time, and what a plan would cost.

use serde::{Deserialize, Serialize};

use crate::identity::ZoneId;
use crate::window::Window;

/// Prices of a zone as a market or a contract tells them. Below zero is possible: markets do that on windy days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Told")]
pub struct PriceSeries {
    zone: ZoneId,
    currency: String,
    slots: Vec<PriceSlot>,
}

/// One price.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PriceSlot {
    /// When it holds.
    pub window: Window,
    /// In units of the currency per kWh.
    pub per_kwh: f64,
}

/// What money a plan takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The currency, such as `EUR`.
    pub currency: String,
    /// The energy of the plan at the prices of its hours.
    pub amount: f64,
    /// The same of running at once.
    pub run_now: f64,
}

/// Why prices cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPrices {
    /// There is none.
    #[error("there is no price")]
    Empty,
    /// Slots are not in order, or overlap.
    #[error("the prices are not in the order of their time, or overlap")]
    Unordered,
    /// A price is no number, or no price that anybody pays.
    #[error("a price is not a finite number between -1000 and 1000 per kWh")]
    NotANumber,
}

/// As it is written down, not yet checked.
#[derive(Deserialize)]
struct Told {
    zone: ZoneId,
    currency: String,
    slots: Vec<PriceSlot>,
}

/// Dearer electricity is a slip of the unit.
const MOST_PER_KWH: f64 = 1000.0;

/// A price per kWh that somebody may pay.
pub fn checked(per_kwh: f64) -> Result<f64, NotPrices> {
    // Written so that what is no number is refused, too.
    if per_kwh.abs() <= MOST_PER_KWH { Ok(per_kwh) } else { Err(NotPrices::NotANumber) }
}

impl PriceSeries {
    /// Prices in the order of their time, without overlap.
    pub fn new(zone: ZoneId, currency: String, slots: Vec<PriceSlot>) -> Result<Self, NotPrices> {
        if slots.is_empty() {
            return Err(NotPrices::Empty);
        }
        if slots.windows(2).any(|pair| pair[1].window.start() < pair[0].window.end()) {
            return Err(NotPrices::Unordered);
        }
        for slot in &slots {
            checked(slot.per_kwh)?;
        }
        Ok(Self { zone, currency, slots })
    }

    /// The zone they are paid in.
    #[must_use]
    pub const fn zone(&self) -> &ZoneId {
        &self.zone
    }

    /// The currency, such as `EUR`.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The prices, in order.
    #[must_use]
    pub fn slots(&self) -> &[PriceSlot] {
        &self.slots
    }
}

impl TryFrom<Told> for PriceSeries {
    type Error = NotPrices;

    fn try_from(told: Told) -> Result<Self, NotPrices> {
        Self::new(told.zone, told.currency, told.slots)
    }
}
