//! Why a job runs where and when it does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::job::{AlternativeView, PlanView};

/// The answer of `explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplanationView {
    /// The job.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// The answer in one sentence.
    pub headline: String,
    /// The plan in force.
    pub chosen: Option<PlanView>,
    /// The same work begun at once.
    pub run_now: Option<AlternativeView>,
    /// What lost, best first.
    pub rejected: Vec<AlternativeView>,
    /// What would change the decision.
    pub would_change: Vec<String>,
    /// What the decision rests on: forecasts, estimates and their sources.
    pub rests_on: Vec<String>,
    /// The moment of the past it is of, if it was asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfView>,
}

/// A decision of the past, made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AsOfView {
    /// The moment.
    pub at: Timestamp,
    /// Events of the journal up to there, all of which were stepped through again.
    pub events: u64,
    /// Forecasts among them that are no longer kept: without them the decision may be another one.
    pub forgotten: u64,
    /// Whether it is the decision that was in force; `None` where that is no longer kept.
    pub identical: Option<bool>,
    /// The plan that was in force, if there was one and it is kept.
    pub in_force: Option<PlanView>,
}
