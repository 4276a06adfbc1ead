//! Virtual time: a clock that may run faster than the wall's.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::quantity::{NotAQuantity, Seconds};

/// A linear map from the wall's time to lowtide's. At scale 1 with equal origins it changes nothing. The demo and the
/// tests use a larger scale, so that a day of the grid passes in a minute while processes run as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimeScale {
    real_origin: Timestamp,
    virtual_origin: Timestamp,
    scale: f64,
}

impl TimeScale {
    /// The wall's own time.
    #[must_use]
    pub const fn real() -> Self {
        Self { real_origin: Timestamp::UNIX_EPOCH, virtual_origin: Timestamp::UNIX_EPOCH, scale: 1.0 }
    }

    /// From `real_origin` on `scale` virtual seconds pass in each real one, beginning at `virtual_origin`.
    /// Refuses a scale that is not above zero.
    pub fn new(real_origin: Timestamp, virtual_origin: Timestamp, scale: f64) -> Result<Self, NotAQuantity> {
        if scale.is_finite() && scale > 0.0 {
            Ok(Self { real_origin, virtual_origin, scale })
        } else {
            Err(NotAQuantity { value: scale, unit: "virtual seconds a second" })
        }
    }

    /// Virtual seconds in a real one.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// The virtual time at this moment of the wall's.
    #[must_use]
    pub fn at(&self, real: Timestamp) -> Timestamp {
        if self.is_real() {
            return real;
        }
        let real_elapsed = real.duration_since(self.real_origin).as_secs_f64();
        SignedDuration::try_from_secs_f64(real_elapsed * self.scale)
            .ok()
            .and_then(|elapsed| self.virtual_origin.checked_add(elapsed).ok())
            .unwrap_or(self.virtual_origin)
    }

    /// How much of the wall's time a stretch of virtual time takes.
    #[must_use]
    pub fn real_time(&self, virtual_time: Seconds) -> Seconds {
        virtual_time.times(1.0 / self.scale)
    }

    /// Whether virtual time is the wall's.
    #[must_use]
    pub fn is_real(&self) -> bool {
        *self == Self::real()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_a_second_makes_a_day_of_24_seconds() {
        let origin = Timestamp::from_second(1_700_000_000).expect("in range");
        let scale = TimeScale::new(origin, Timestamp::UNIX_EPOCH, 3600.0).expect("positive");
        let later = Seconds::saturating(24.0).after(origin);
        assert_eq!(scale.at(later), Seconds::from_hours(24.0).after(Timestamp::UNIX_EPOCH));
        assert!(TimeScale::new(origin, origin, 0.0).is_err());
    }
}
