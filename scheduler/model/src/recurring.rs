//! Recurring jobs: a job that is submitted again and again, at the times of a cron expression.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::{JobId, NotAName};
use crate::job::{JobSpec, Note};
use crate::quantity::Seconds;

/// The number of a recurring job, from 1 on. Written `r1`, so that it is not taken for that of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecurringId(pub u64);

impl fmt::Display for RecurringId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("r{}", self.0))
    }
}

impl FromStr for RecurringId {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let number = text.strip_prefix('r').and_then(|number| number.parse().ok()).filter(|number| 0 < *number);
        number.map(Self).ok_or_else(|| NotAName { text: text.to_owned(), kind: "recurring job, such as r1" })
    }
}

/// When a job recurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recurrence {
    /// Five fields as in crontab: the nominal times.
    pub cron: String,
    /// The IANA zone they are read in; the local one where none is named.
    pub zone: Option<String>,
    /// How much before its nominal time an occurrence may start.
    pub early: Seconds,
    /// How much after its nominal time it may start; what its policy allows where it is left out.
    pub slack: Option<Seconds>,
    /// What happens to an occurrence while the one before it is not over.
    pub overlap: Overlap,
}

/// What happens to an occurrence while the one before it is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It comes when that is over. Of several that wait so, the last one comes.
    Queue,
}

impl Overlap {
    /// Its name, as users see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

/// A job that recurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recurring {
    /// Its number.
    pub id: RecurringId,
    /// What each occurrence is.
    pub spec: JobSpec,
    /// When they come.
    pub recurrence: Recurrence,
    /// The client's own key of the request, by which one that comes twice is known.
    pub key: Option<String>,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// Nominal times up to this one, and this one, have been dealt with.
    pub handled_to: Timestamp,
    /// How many jobs it has made.
    pub occurrences: u64,
    /// The last of them.
    pub last_job: Option<JobId>,
    /// When it was cancelled: nothing comes any more.
    pub ended_at: Option<Timestamp>,
    /// What the user should know: what was left out and why. The latest ones.
    pub notes: Vec<Note>,
}
