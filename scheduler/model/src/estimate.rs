//! What is thought of a job before it has ended, and how sure that is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::quantity::{GramsCo2e, Joules, Seconds};

/// A median and the 90 % interval around it: `low <= median <= high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval<T> {
    /// The 5 % quantile.
    pub low: T,
    /// The median.
    pub median: T,
    /// The 95 % quantile.
    pub high: T,
}

impl<T: Copy> Interval<T> {
    /// A value known for certain.
    pub fn exactly(value: T) -> Self {
        Self { low: value, median: value, high: value }
    }

    /// The same function of all three; it must not turn their order round.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> Interval<U> {
        Interval { low: f(self.low), median: f(self.median), high: f(self.high) }
    }
}

/// Where an estimate comes from, from the best to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EstimateSource {
    /// Epochs of this very job.
    Measured,
    /// Earlier jobs of the same family.
    History,
    /// What the user said at submission.
    Declared,
    /// Nothing better than a guess.
    Default,
}

/// One estimate of a whole job: work done so far and work to come, in total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// When it was made.
    pub at: Timestamp,
    /// How many epochs had been measured.
    pub after_epoch: u32,
    /// Where it comes from.
    pub source: EstimateSource,
    /// Time of running, in total, at the speed of a site of relative speed 1.
    pub duration: Interval<Seconds>,
    /// Time of running still to come, likewise.
    pub remaining: Interval<Seconds>,
    /// Energy of the computers (before PUE), in total.
    pub energy: Interval<Joules>,
    /// Energy still to come, likewise.
    pub remaining_energy: Interval<Joules>,
    /// Operational footprint of the whole job in the plan of that moment: energy x PUE x intensity over time.
    pub footprint: Interval<GramsCo2e>,
}
