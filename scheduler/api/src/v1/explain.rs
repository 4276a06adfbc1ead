//! Why a job runs where and when it does.

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
}
