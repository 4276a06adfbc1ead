//! Jobs that recur: what `submit --cron` sends, and what is shown of them.

use jiff::Timestamp;
use lowtide_model::recurring::{Recurrence, Recurring};
use serde::{Deserialize, Serialize};

use super::job::NoteView;
use super::submit::SubmitRequest;

/// A job to be queued again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurringRequest {
    /// What each occurrence is. It has no deadline of its own: each is to be done when the next one comes.
    pub job: SubmitRequest,
    /// Five fields as in crontab.
    pub cron: String,
    /// The IANA zone they are read in; `local`, and the absence of any, means the daemon's.
    #[serde(default)]
    pub zone: Option<String>,
    /// How many seconds after its nominal time an occurrence may start.
    #[serde(default)]
    pub slack_s: Option<f64>,
    /// How many seconds before it.
    #[serde(default)]
    pub early_s: Option<f64>,
    /// Whether an occurrence waits for the one before it, instead of being left out while that is not over.
    #[serde(default)]
    pub queue: bool,
}

/// `{"recurring": […]}`, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurringJobs {
    /// The recurring jobs.
    pub recurring: Vec<RecurringView>,
}

/// A recurring job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurringView {
    /// `r1`, `r2`, …
    pub id: String,
    /// Its name.
    pub name: String,
    /// The project it counts for.
    pub project: Option<String>,
    /// Who submitted it.
    pub user: String,
    /// The policy its jobs run under.
    pub policy: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The cron expression.
    pub cron: String,
    /// The zone it is read in, or `local`.
    pub zone: String,
    /// How many seconds after its nominal time an occurrence may start; what its policy allows where absent.
    pub slack_s: Option<f64>,
    /// How many seconds before it.
    pub early_s: f64,
    /// `skip` or `queue`.
    pub overlap: String,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it was cancelled.
    pub ended_at: Option<Timestamp>,
    /// The next nominal times, at most three.
    pub next: Vec<Timestamp>,
    /// How many jobs it has made.
    pub occurrences: u64,
    /// The last of them.
    pub last_job: Option<u64>,
    /// What the user should know: what was left out and why.
    pub notes: Vec<NoteView>,
}

impl RecurringView {
    /// The recurring job as users see it.
    #[must_use]
    pub fn of(recurring: &Recurring, next: Vec<Timestamp>) -> Self {
        let Recurring { id, spec, recurrence, submitted_at, occurrences, last_job, ended_at, notes, .. } = recurring;
        let Recurrence { cron, zone, early, slack, overlap } = recurrence;
        Self {
            id: id.to_string(),
            name: spec.name.clone(),
            project: spec.project.clone(),
            user: spec.user.clone(),
            policy: spec.policy.to_string(),
            command: spec.command.clone(),
            cron: cron.clone(),
            zone: zone.clone().unwrap_or_else(|| "local".to_owned()),
            slack_s: slack.map(lowtide_model::quantity::Seconds::get),
            early_s: early.get(),
            overlap: overlap.name().to_owned(),
            submitted_at: *submitted_at,
            ended_at: *ended_at,
            next,
            occurrences: *occurrences,
            last_job: last_job.map(|job| job.0),
            notes: notes.iter().map(|note| NoteView { at: note.at, text: note.text.clone() }).collect(),
        }
    }
}
