//! Physical quantities. Every one is finite and not negative; a bare `f64` never crosses a crate border.
//!
//! Only the products that mean something compile: `Watts * Seconds = Joules`, `Joules * GramsPerKwh = GramsCo2e`.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A number that is no quantity: not finite, or negative.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{value} is not a number of {unit} (it must be finite and not negative)")]
pub struct NotAQuantity {
    /// The refused number.
    pub value: f64,
    /// The unit it was to be counted in.
    pub unit: &'static str,
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Nothing at all.
            pub const ZERO: Self = Self(0.0);

            #[doc = concat!("A finite, non-negative number of ", $unit, ".")]
            pub fn new(value: f64) -> Result<Self, NotAQuantity> {
                if value.is_finite() && value >= 0.0 {
                    Ok(Self(value))
                } else {
                    Err(NotAQuantity { value, unit: $unit })
                }
            }

            /// The nearest quantity to `value`: for results of arithmetic, where rounding may fall below zero.
            #[must_use]
            pub fn saturating(value: f64) -> Self {
                debug_assert!(!value.is_nan(), concat!("NaN ", $unit));
                if value.is_nan() { Self(0.0) } else { Self(value.clamp(0.0, f64::MAX)) }
            }

            #[doc = concat!("The number of ", $unit, ".")]
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }

            /// The difference, or nothing where it would be negative.
            #[must_use]
            pub fn minus(self, other: Self) -> Self {
                Self::saturating(self.0 - other.0)
            }

            /// This many times the quantity; a negative or undefined factor gives nothing.
            #[must_use]
            pub fn times(self, factor: f64) -> Self {
                if factor.is_nan() { Self(0.0) } else { Self::saturating(self.0 * factor) }
            }

            /// How many of `other` fit, or `None` where `other` is nothing.
            #[must_use]
            pub fn per(self, other: Self) -> Option<f64> {
                (other.0 > 0.0).then(|| self.0 / other.0)
            }

            /// The larger of the two.
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }

            /// The smaller of the two.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }

            /// A total order: quantities are never NaN.
            #[must_use]
            pub fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{} ", $unit), self.0)
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NotAQuantity;
            fn try_from(value: f64) -> Result<Self, NotAQuantity> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self::saturating(self.0 + other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }
    };
}

quantity!(
    /// Electrical power.
    Watts, "W"
);
quantity!(
    /// Energy.
    Joules, "J"
);
quantity!(
    /// Greenhouse gas, as grams of CO2 equivalent.
    GramsCo2e, "gCO2e"
);
quantity!(
    /// Carbon intensity of electricity.
    GramsPerKwh, "gCO2e/kWh"
);
quantity!(
    /// A length of time.
    Seconds, "s"
);

/// Joules in a kilowatt-hour.
const JOULES_PER_KWH: f64 = 3.6e6;

impl Mul<Seconds> for Watts {
    type Output = Joules;
    fn mul(self, duration: Seconds) -> Joules {
        Joules::saturating(self.get() * duration.get())
    }
}

impl Mul<GramsPerKwh> for Joules {
    type Output = GramsCo2e;
    fn mul(self, intensity: GramsPerKwh) -> GramsCo2e {
        GramsCo2e::saturating(self.kwh() * intensity.get())
    }
}

impl Joules {
    /// The same energy in kilowatt-hours.
    #[must_use]
    pub fn kwh(self) -> f64 {
        self.get() / JOULES_PER_KWH
    }

    /// An energy given in kilowatt-hours.
    pub fn from_kwh(kwh: f64) -> Result<Self, NotAQuantity> {
        Self::new(kwh * JOULES_PER_KWH)
    }

    /// The mean power over `duration`, or `None` for no duration.
    #[must_use]
    pub fn over(self, duration: Seconds) -> Option<Watts> {
        (duration.get() > 0.0).then(|| Watts::saturating(self.get() / duration.get()))
    }
}

impl Seconds {
    /// A whole number of hours.
    #[must_use]
    pub fn from_hours(hours: f64) -> Self {
        Self::saturating(hours * 3600.0)
    }

    /// The same time in hours.
    #[must_use]
    pub fn hours(self) -> f64 {
        self.get() / 3600.0
    }

    /// The time from `start` to `end`, or nothing if `end` is the earlier.
    #[must_use]
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        Self::saturating(end.duration_since(start).as_secs_f64())
    }

    /// The moment this long after `start`; the end of time where that is beyond it.
    #[must_use]
    pub fn after(self, start: Timestamp) -> Timestamp {
        let end = self.signed().and_then(|duration| start.as_duration().checked_add(duration));
        end.and_then(|end| Timestamp::from_duration(end).ok()).unwrap_or(Timestamp::MAX)
    }

    /// The moment this long before `end`; the beginning of time where that is beyond it.
    #[must_use]
    pub fn before(self, end: Timestamp) -> Timestamp {
        let start = self.signed().and_then(|duration| end.as_duration().checked_sub(duration));
        start.and_then(|start| Timestamp::from_duration(start).ok()).unwrap_or(Timestamp::MIN)
    }

    /// The same time in whole nanoseconds; `None` where it is longer than can be counted so. Moments are reckoned with these
    /// and not by `Timestamp::checked_add`, which looks at calendars first: planners do it millions of times.
    fn signed(self) -> Option<SignedDuration> {
        SignedDuration::try_from_secs_f64(self.get()).ok()
    }

    /// The same time as the standard library counts it.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::try_from_secs_f64(self.get()).unwrap_or(std::time::Duration::MAX)
    }
}

impl From<std::time::Duration> for Seconds {
    fn from(duration: std::time::Duration) -> Self {
        Self::saturating(duration.as_secs_f64())
    }
}

/// Power usage effectiveness of a site: total energy over the energy of its computers, 1 at best.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Pue(f64);

impl Pue {
    /// No overhead: a computer under a desk.
    pub const NONE: Self = Self(1.0);

    /// A ratio from 1 to 10.
    pub fn new(ratio: f64) -> Result<Self, NotAPue> {
        if (1.0..=10.0).contains(&ratio) { Ok(Self(ratio)) } else { Err(NotAPue(ratio)) }
    }

    /// The ratio.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A ratio that is no power usage effectiveness.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a power usage effectiveness (it lies between 1 and 10)")]
pub struct NotAPue(pub f64);

impl TryFrom<f64> for Pue {
    type Error = NotAPue;
    fn try_from(ratio: f64) -> Result<Self, NotAPue> {
        Self::new(ratio)
    }
}

impl From<Pue> for f64 {
    fn from(pue: Pue) -> f64 {
        pue.0
    }
}

impl Mul<Pue> for Joules {
    type Output = Joules;
    fn mul(self, pue: Pue) -> Joules {
        self.times(pue.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_kilowatt_for_an_hour_at_400_grams_is_400_grams() {
        let energy = Watts::saturating(1000.0) * Seconds::from_hours(1.0);
        assert!((energy.kwh() - 1.0).abs() < 1e-12);
        assert!(((energy * GramsPerKwh::saturating(400.0)).get() - 400.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_quantity_cannot_be_built_nor_read_back() {
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(Joules::new(bad).is_err());
        }
        assert!(serde_json::from_str::<Watts>("-3").is_err());
        assert!(Pue::new(0.9).is_err());
        assert!(Pue::new(f64::NAN).is_err());
    }

    proptest! {
        #[test]
        fn arithmetic_never_leaves_the_quantities(a in 0.0..1e300_f64, b in 0.0..1e300_f64) {
            let (x, y) = (Joules::saturating(a), Joules::saturating(b));
            for z in [x + y, x.minus(y), x.times(b), x * Pue::NONE] {
                prop_assert!(z.get().is_finite() && z.get() >= 0.0);
            }
        }

        #[test]
        fn a_moment_later_is_that_much_later(seconds in 0.0..1e9_f64) {
            let later = Seconds::saturating(seconds).after(Timestamp::UNIX_EPOCH);
            prop_assert!((Seconds::between(Timestamp::UNIX_EPOCH, later).get() - seconds).abs() < 1e-6);
        }
    }
}
