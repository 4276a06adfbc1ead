//! A request that failed.

use serde::{Deserialize, Serialize};

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// A word for programs.
    pub kind: ProblemKind,
    /// What happened, to what.
    pub message: String,
    /// What to do next.
    #[serde(default)]
    pub hint: Option<String>,
}

/// Sorts of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// There is no such job, policy, site, zone or plugin.
    NotFound,
    /// The request says something that cannot be.
    Invalid,
    /// The job's state does not allow it.
    Conflict,
    /// The daemon cannot do it now.
    Unavailable,
    /// A fault of lowtide's own.
    Internal,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
