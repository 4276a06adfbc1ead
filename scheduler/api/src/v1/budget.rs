//! Carbon budgets as they stand: the answer of `budget list`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::summary::JobSummary;

/// `{"budgets": […]}`, in the order of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budgets {
    /// The budgets.
    pub budgets: Vec<BudgetView>,
}

/// A budget in its present period. Amounts are in gCO2e.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetView {
    /// Its name.
    pub name: String,
    /// What may be emitted in a period.
    pub limit_g: f64,
    /// `day`, `week`, `month` or `total`.
    pub period: String,
    /// The time zone of its calendar.
    pub zone: String,
    /// The project it counts; all where absent.
    pub project: Option<String>,
    /// The user it counts; all where absent.
    pub user: Option<String>,
    /// `warn`, `hold` or `defer`.
    pub action: String,
    /// The quantile of predictions that counts: `median` or `high`.
    pub quantile: String,
    /// Whether running jobs that can are paused once it is used up.
    pub pause: bool,
    /// When the present period began; absent where it has no beginning.
    pub period_start: Option<Timestamp>,
    /// When it ends and the budget begins anew; absent where it never does.
    pub period_end: Option<Timestamp>,
    /// Emitted by jobs that are over.
    pub used_g: f64,
    /// Emitted so far by jobs that have begun.
    pub running_so_far_g: f64,
    /// Still to be emitted by jobs that have begun, as predicted.
    pub running_predicted_g: f64,
    /// To be emitted by jobs that wait, as planned.
    pub planned_g: f64,
    /// What is left, or nothing where it is overrun.
    pub left_g: f64,
    /// The jobs it holds.
    pub held: Vec<JobSummary>,
    /// The jobs whose plans it has put off to a later period.
    pub deferred: Vec<JobSummary>,
}
