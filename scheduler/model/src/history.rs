//! Finished runs, of this queue or of another tool's, by which later ones are predicted.

use serde::{Deserialize, Serialize};

use crate::course::Course;
use crate::quantity::{Joules, Seconds};

/// One finished job of a family, at the speed of the reference site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PastRun {
    /// Time of running in total.
    pub duration: Seconds,
    /// Energy in total, before PUE.
    pub energy: Joules,
    /// Epochs it ran, where it had any.
    pub epochs: Option<u32>,
    /// How it went, epoch by epoch, where that was kept.
    #[serde(default, skip_serializing_if = "Course::is_empty")]
    pub course: Course,
}

/// A run that another tool recorded. It belongs to the jobs of its project and name, whatever program they run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportedRun {
    /// Where it comes from, exactly: a run that is imported twice is one.
    pub origin: String,
    /// The project of the jobs it belongs to.
    pub project: Option<String>,
    /// Their name.
    pub name: String,
    /// What it took.
    pub run: PastRun,
}
