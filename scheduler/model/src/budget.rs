//! Carbon budgets: how much a group of jobs may emit in a stretch of the calendar.

use serde::{Deserialize, Serialize};

use crate::identity::BudgetId;
use crate::job::JobSpec;
use crate::quantity::GramsCo2e;

/// A budget as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its name.
    pub name: BudgetId,
    /// What may be emitted in one period, in gCO2e.
    pub limit: GramsCo2e,
    /// How often it begins anew.
    pub period: Period,
    /// The IANA time zone of its calendar; the local one where none is named.
    pub zone: Option<String>,
    /// The jobs it counts.
    pub scope: Scope,
    /// What happens to a job that would overrun it.
    pub action: BudgetAction,
    /// Which quantile of a prediction counts.
    pub quantile: Quantile,
    /// Whether a job that runs and can leave a checkpoint is paused until the next period once this one is used up.
    pub pause: bool,
}

/// How often a budget begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// At midnight.
    Day,
    /// At midnight before Monday.
    Week,
    /// At midnight before the first.
    Month,
    /// Never.
    Total,
}

/// The jobs a budget counts: all that have the project and the user it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Of this project; of any where left out.
    pub project: Option<String>,
    /// Of this user; of any where left out.
    pub user: Option<String>,
}

/// What happens to a job that would overrun a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetAction {
    /// It is told and runs.
    Warn,
    /// It waits for a person or for room.
    Hold,
    /// It is planned into the next period that has room, if its deadline allows; else it is held.
    Defer,
}

/// Which quantile of a prediction counts against a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantile {
    /// As likely more as less.
    Median,
    /// In 19 of 20 cases less.
    High,
}

impl Period {
    /// Its name, as the configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

impl BudgetAction {
    /// Its name, as the configuration spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Hold => "hold",
            Self::Defer => "defer",
        }
    }
}

impl Scope {
    /// Whether a job counts.
    #[must_use]
    pub fn holds(&self, spec: &JobSpec) -> bool {
        self.project.as_ref().is_none_or(|project| spec.project.as_ref() == Some(project))
            && self.user.as_ref().is_none_or(|user| spec.user == *user)
    }
}
