//! What other trackers recorded, as runs that a prediction can learn from.
//!
//! An importer reads text and decides nothing: every variant of a tool's files becomes the same [`ImportedRun`], or a refusal
//! that says why. What was put right on the way stands in the run's notes.

pub mod carbontracker;
pub mod codecarbon;

use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};

/// One run as another tool recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedRun {
    /// The tool and its version, such as `carbontracker 2.4.7`.
    pub tool: String,
    /// What the tool called it: a prefix, a project.
    pub label: Option<String>,
    /// When it began, as the file says it: other tools write local times without saying of where.
    pub began: Option<String>,
    /// Its epochs, in order: those that ended.
    pub epochs: Vec<ImportedEpoch>,
    /// Epochs that it ran in all, where that is told.
    pub epochs_run: Option<u32>,
    /// Epochs that it was to run, where that is told.
    pub epochs_planned: Option<u32>,
    /// Whether it was stopped before all of them.
    pub stopped_early: bool,
    /// How long it ran.
    pub duration: Seconds,
    /// What it used, before PUE; put right where the tool is known to be wrong.
    pub energy: Joules,
    /// Its footprint as the tool told it, PUE included; scaled with the energy where only some epochs were measured.
    pub footprint: Option<GramsCo2e>,
    /// What was put right, or is not known, for people.
    pub notes: Vec<String>,
}

/// One epoch of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportedEpoch {
    /// How long it took.
    pub duration: Seconds,
    /// What it used, before PUE; `None` where the tool measured nothing of it.
    pub energy: Option<Joules>,
}

/// Why a file is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

impl Refused {
    fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
