//! A job in one line: the answer of `jobs` and of every verb that asks something of a job.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::job;
use lowtide_model::state::{HeldBecause, JobState};
use serde::{Deserialize, Serialize};

use super::job::{source_name, state_detail};

/// A job in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// More about the state, for people: of a held job, why.
    #[serde(default)]
    pub state_detail: Option<String>,
    /// Whether a limit or a budget holds it, so that it waits for an approval.
    #[serde(default)]
    pub held_for_approval: bool,
    /// The policy it runs under.
    pub policy: String,
    /// From -100 to 100: where there is not room for all, the higher goes first.
    #[serde(default)]
    pub priority: i8,
    /// The project it counts for.
    pub project: Option<String>,
    /// Who submitted it.
    pub user: String,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// Where it runs, ran last, or will run next.
    pub site: Option<String>,
    /// When it will start or started last.
    pub start: Option<Timestamp>,
    /// When it is expected to end, or ended.
    pub end: Option<Timestamp>,
    /// Epochs behind it.
    pub epochs_done: u32,
    /// Epochs in all, where known.
    pub epochs_total: Option<u32>,
    /// The latest estimate of its whole energy; of a finished job, what it used.
    pub energy_kwh: Option<f64>,
    /// The latest estimate of its whole footprint; of a finished job, what it was.
    pub footprint_g: Option<f64>,
    /// Where those come from: an estimate's source, or `actual`.
    pub source: Option<String>,
}

/// `{"jobs": […]}`, oldest first unless another order was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Jobs<T> {
    /// The jobs.
    pub jobs: Vec<T>,
    /// How many more there are that the limit of the request left out; not there where it left out none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<T> Jobs<T> {
    /// These jobs and no more.
    #[must_use]
    pub const fn all(jobs: Vec<T>) -> Self {
        Self { jobs, more: 0 }
    }
}

/// Which jobs are listed, in what order, and how many at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsQuery {
    /// Those that are over, too.
    #[serde(default)]
    pub all: bool,
    /// Which come first.
    #[serde(default)]
    pub order: Order,
    /// So many at most; without it all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Only those in one of these states: names, between commas. A final one is a wish for jobs that are over.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Only those of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only those of this project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Which jobs of a list come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The oldest.
    #[default]
    Oldest,
    /// What runs, then what starts next, then what has no start yet, then what is over, the latest first.
    Start,
}

impl JobSummary {
    /// The job in one line.
    #[must_use]
    pub fn of(job: &job::Job) -> Self {
        let JobId(id) = job.id;
        let last = job.attempts.last();
        let upcoming = job.plan.as_ref().and_then(|plan| plan.segments.first());
        let placed = match (job.state.awaits_a_window(), last, upcoming) {
            (true, _, Some(segment)) => Some((segment.site.to_string(), Some(segment.window.start()))),
            (_, Some(attempt), _) => Some((attempt.site.to_string(), attempt.started_at)),
            (_, None, Some(segment)) => Some((segment.site.to_string(), Some(segment.window.start()))),
            (_, None, None) => None,
        };
        let (site, start) = placed.map_or((None, None), |(site, start)| (Some(site), start));
        let end = if job.state.is_final() {
            last.and_then(|attempt| attempt.ended_at)
        } else {
            job.plan.as_ref().filter(|plan| !plan.segments.is_empty()).map(|plan| plan.end)
        };
        let (energy_kwh, footprint_g, source) = match (&job.review, job.estimates.last()) {
            (Some(review), _) => {
                (Some(review.actual.energy.kwh()), Some(review.actual.footprint.get()), Some("actual".to_owned()))
            }
            (None, Some(estimate)) => (
                Some(estimate.energy.median.kwh()),
                Some(estimate.footprint.median.get()),
                Some(source_name(estimate.source).to_owned()),
            ),
            (None, None) => (None, None, None),
        };
        Self {
            id,
            name: job.spec.name.clone(),
            state: job.state.name().to_owned(),
            state_detail: state_detail(&job.state),
            held_for_approval: matches!(
                job.state,
                JobState::Held { why: HeldBecause::OverLimit { .. } | HeldBecause::OverBudget(_) }
            ),
            policy: job.spec.policy.to_string(),
            priority: job.spec.priority.get(),
            project: job.spec.project.clone(),
            user: job.spec.user.clone(),
            submitted_at: job.submitted_at,
            site,
            start,
            end,
            epochs_done: job.epochs_done(),
            epochs_total: job.epochs_total(),
            energy_kwh,
            footprint_g,
            source,
        }
    }
}
