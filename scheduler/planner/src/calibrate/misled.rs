//! A forecast gone bad: whether following it, corrected, has cost more than it saved, and what is left to go by then.

use jiff::Timestamp;

use super::archive::{Archive, hour_of};

/// Jobs placed by past issues below which no forecast is given up.
const FEWEST_JOBS: usize = 7;
/// Hours of measured values that bounds are taken from, at most: thirty days.
const LOOKED_BACK: i64 = 30 * 24;
/// Hours of them below which they say too little: seven days.
const FEWEST_HOURS: usize = 7 * 24;

/// The least and the most that was measured of late, where the forecasts are not to be followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misled {
    /// The least intensity of an hour, g/kWh, above 0.
    pub least: f64,
    /// The most, g/kWh.
    pub most: f64,
}

impl Misled {
    /// The intensity at and below which a job runs: of all rules with one threshold that know only bounds, the one with the
    /// best worst case for a single slot (El-Yaniv et al., "Optimal Search and One-Way Trading Online Algorithms", 2001).
    #[must_use]
    pub fn threshold(self) -> f64 {
        (self.least * self.most).sqrt()
    }
}

impl Archive {
    /// The bounds to go by, where jobs in pieces placed by the corrected forecasts would have emitted more than at once, and
    /// placed by the mean of the hours of day, too. `None` where either is still worth following, or too little is known.
    #[must_use]
    pub fn misled(&self, now: Timestamp) -> Option<Misled> {
        let regret = self.verify(now).regret;
        let useless = |of: &str| {
            let regret = regret.iter().find(|regret| regret.of == of)?;
            Some(FEWEST_JOBS <= regret.jobs && regret.interruptible_kept < 0.0)
        };
        if !(useless("corrected")? && useless("profile")?) {
            return None;
        }
        let now = hour_of(now);
        let values: Vec<f64> = self
            .measured_before(now)
            .filter(|(hour, value)| now - LOOKED_BACK <= *hour && 0.0 < *value)
            .map(|(_, value)| value)
            .collect();
        let bounds =
            values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
        (FEWEST_HOURS <= values.len()).then_some(Misled { least: bounds.0, most: bounds.1 })
    }
}
