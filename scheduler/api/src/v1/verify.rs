//! How forecasts came true: the answer of `forecast --verify --json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `{"zones": […]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verifications {
    /// One for each zone.
    pub zones: Vec<VerificationView>,
}

/// How the forecasts of one zone came true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerificationView {
    /// The zone.
    pub zone: String,
    /// Issues of which something was measured since, the first of each hour.
    pub issues: usize,
    /// The first of them.
    pub first: Option<Timestamp>,
    /// The last of them.
    pub last: Option<Timestamp>,
    /// Errors by lead hour.
    pub leads: Vec<LeadView>,
    /// What jobs would have lost by following them.
    pub regret: Vec<RegretView>,
}

/// Errors of some lead hours: forecast minus measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadView {
    /// From this lead hour on.
    pub from_h: usize,
    /// Up to and without this one.
    pub to_h: usize,
    /// Hours that were forecast and measured.
    pub hours: usize,
    /// Mean error as issued.
    pub bias_g_per_kwh: f64,
    /// Mean absolute error as issued.
    pub absolute_error_g_per_kwh: f64,
    /// The same as a share of the measured mean.
    pub relative_error: f64,
    /// Mean absolute error after correction by what was known then.
    pub corrected_error_g_per_kwh: Option<f64>,
    /// Share of measured hours in the 90 % band.
    pub covered: Option<f64>,
}

/// What following a forecast cost, against knowing everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegretView {
    /// `as issued`, `corrected` or `profile`.
    pub of: String,
    /// Jobs that were placed, one for each issue.
    pub jobs: usize,
    /// A job of four hours in one piece: footprint over the least possible, less one.
    pub contiguous: f64,
    /// The share of the saving over running at once that it kept.
    pub contiguous_kept: f64,
    /// A job of half the hours, in pieces.
    pub interruptible: f64,
    /// The same share for it.
    pub interruptible_kept: f64,
}
