//! What has run, and what was known of the grid meanwhile: enough to replay it under another policy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Jobs that have succeeded, and the intensity of the zones of all sites. Times are hours from `start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastView {
    /// Hour 0.
    pub start: Timestamp,
    /// Hours of a step of intensity.
    pub step_h: f64,
    /// The zones, in the order of the sites.
    pub zones: Vec<PastZone>,
    /// The jobs, in the order of their submission.
    pub jobs: Vec<PastJob>,
    /// Processors of all sites together.
    pub cpus: u32,
    /// Jobs that cannot be replayed, and why.
    pub left_out: Vec<String>,
}

/// The intensity of a zone, g/kWh.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastZone {
    /// The zone.
    pub zone: String,
    /// As it was told last, measured rather than forecast, step by step from hour 0 on; hours to come as forecast; `null` where
    /// nothing is known.
    pub settled: Vec<Option<f64>>,
    /// As it was forecast.
    pub issues: Vec<PastIssue>,
}

/// A forecast as it was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastIssue {
    /// From when on it was known: the step in which it was fetched, so at most a step early.
    pub at_h: f64,
    /// From then on, step by step.
    pub values: Vec<f64>,
}

/// A job that has succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastJob {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// When it was submitted.
    pub arrival_h: f64,
    /// How long it ran in all.
    pub length_h: f64,
    /// When it had to be done.
    pub deadline_h: Option<f64>,
    /// The longest it might wait, as it was submitted.
    pub max_delay_h: Option<f64>,
    /// Processors.
    pub cpus: u32,
    /// Its mean power while it ran, before PUE.
    pub kilowatts: f64,
    /// Whether it can leave a checkpoint.
    pub pausable: bool,
    /// When and where it ran.
    pub runs: Vec<PastRun>,
}

/// A stretch in which a job ran.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PastRun {
    /// The place of its zone in `zones`.
    pub zone: usize,
    /// From when.
    pub start_h: f64,
    /// Until when.
    pub end_h: f64,
}
