//! What is committed together.

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Role};
use lowtide_model::history::ImportedRun;
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::recurring::Recurring;

use crate::decisions::Decision;

/// Everything that one transaction writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// What happened, in order.
    pub events: Vec<JournalEntry>,
    /// Jobs as they are now: each replaces what was stored of it.
    pub jobs: Vec<Job>,
    /// Runs of other tools: each replaces what was stored of the same origin.
    pub imports: Vec<ImportedRun>,
    /// Jobs that recur, as they are now: each replaces what was stored of it.
    pub recurring: Vec<Recurring>,
    /// What came into force, in order.
    pub decisions: Vec<Decision>,
    /// What is intended.
    pub effects: Vec<EffectRow>,
    /// Effects that were done or looked into.
    pub confirmed: Vec<i64>,
    /// Keys by which submissions can be repeated.
    pub submissions: Vec<(String, JobId)>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// When it happened.
    pub at: Timestamp,
    /// Its name.
    pub kind: String,
    /// The job it is about.
    pub job: Option<JobId>,
    /// The event as JSON; empty where it is a forecast.
    pub payload: String,
    /// The forecast that arrived. It is kept once, as issued: one that is stored already is left as it is.
    pub told: Option<Box<Issued>>,
}

/// A forecast and what it is to its zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// Whether it decides, or is looked at beside what does.
    pub role: Role,
    /// As issued.
    pub forecast: Forecast,
}

/// One intended effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectRow {
    /// Its number, given by the caller, never twice.
    pub id: i64,
    /// When it was intended.
    pub at: Timestamp,
    /// The job it is about.
    pub job: JobId,
    /// Its name.
    pub kind: String,
    /// The effect as JSON.
    pub payload: String,
}
