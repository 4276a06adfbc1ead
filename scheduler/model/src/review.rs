//! Predicted against actual.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::estimate::Interval;
use crate::forecast::Kind;
use crate::quantity::{GramsCo2e, Joules, Seconds};

/// What really happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Actual {
    /// Time of running, all attempts together.
    pub duration: Seconds,
    /// Energy of the computers (before PUE), all attempts together.
    pub energy: Joules,
    /// Operational footprint: energy x PUE x intensity of the hours it was used in.
    pub footprint: GramsCo2e,
    /// The weakest kind of intensity that went into the footprint.
    pub intensity_kind: Kind,
}

/// A prediction and the moment it stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// How many epochs had been measured: 0 is the prediction at submission.
    pub after_epoch: u32,
    /// Time of running in total.
    pub duration: Interval<Seconds>,
    /// Energy in total.
    pub energy: Interval<Joules>,
    /// Footprint in total.
    pub footprint: Interval<GramsCo2e>,
}

/// The account of one finished job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// When it was settled.
    pub at: Timestamp,
    /// The prediction at submission.
    pub at_submit: Option<Prediction>,
    /// The prediction after the first measured epoch.
    pub after_first_epoch: Option<Prediction>,
    /// What happened.
    pub actual: Actual,
    /// The same energy used from the moment of submission on, at the site that would have taken it: the counterfactual.
    pub run_at_once: GramsCo2e,
    /// How the counterfactual was made, for people.
    pub method: String,
    /// `run_at_once - actual`; negative where waiting did harm.
    pub saving_g: f64,
    /// Relative errors of the prediction after the first epoch, or of that at submission where there is none:
    /// `predicted / actual - 1`.
    pub error: Option<ErrorSplit>,
}

/// Relative errors `predicted / actual - 1`, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorSplit {
    /// Of the energy.
    pub energy: f64,
    /// Of the time.
    pub duration: f64,
    /// Of the mean intensity over the job's energy.
    pub intensity: f64,
    /// Of the footprint: all together.
    pub footprint: f64,
}
