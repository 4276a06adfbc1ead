//! What `lowtide import` sends: runs that other tools recorded.

use serde::{Deserialize, Serialize};

/// Runs to be kept as history. All of them, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The runs.
    pub runs: Vec<ImportedRunView>,
}

/// One run of another tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedRunView {
    /// Where it comes from, exactly: what comes again from there takes its place.
    pub origin: String,
    /// The project of the jobs it belongs to.
    #[serde(default)]
    pub project: Option<String>,
    /// The name of the jobs it belongs to.
    pub name: String,
    /// How long it ran, in seconds.
    pub duration_s: f64,
    /// What it used, in kWh, before PUE.
    pub energy_kwh: f64,
    /// How many epochs it ran, where that is known.
    #[serde(default)]
    pub epochs: Option<u32>,
    /// How many it was to run, where that is known.
    #[serde(default)]
    pub epochs_planned: Option<u32>,
    /// Its epochs, from the first on and none left out; empty where they are not known one by one.
    #[serde(default)]
    pub per_epoch: Vec<ImportedEpochView>,
}

/// One epoch of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedEpochView {
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// What it used, in kWh, before PUE.
    pub energy_kwh: f64,
}

/// What was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// Runs that were not known, or known otherwise.
    pub taken: usize,
    /// Runs that were known.
    pub known: usize,
}
