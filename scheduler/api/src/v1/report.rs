//! Predicted against actual over many jobs.

use serde::{Deserialize, Serialize};

/// The answer of `report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportView {
    /// What the rows stand for: `job`, `project`, `site`, `policy` or `user`.
    pub by: String,
    /// One for each group.
    pub rows: Vec<ReportRow>,
    /// All together.
    pub total: ReportRow,
}

/// One group of finished jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRow {
    /// The group.
    pub key: String,
    /// How many jobs.
    pub jobs: u64,
    /// Energy, before PUE.
    pub energy_kwh: f64,
    /// Footprint.
    pub footprint_g: f64,
    /// Footprint that was predicted for them: after their first epoch, or at submission.
    pub predicted_g: f64,
    /// Footprint had they been run at once.
    pub run_at_once_g: f64,
    /// `run_at_once_g - footprint_g`.
    pub saving_g: f64,
    /// The median of the jobs' absolute relative errors of the footprint, where any was predicted.
    pub footprint_error: Option<f64>,
    /// Likewise of the energy.
    pub energy_error: Option<f64>,
    /// Likewise of the time.
    pub duration_error: Option<f64>,
    /// Likewise of the intensity.
    pub intensity_error: Option<f64>,
}
